// A database of its own with the commands over it, run in this process as an administrator types them, and an engine whose
// next hop is a list: for tests of directory and keys that need no Postfix.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { PrivateKey } from 'openpgp';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { type Database, openDatabase } from '../../src/database/open.ts';
import { createLogger, type Logger } from '../../src/observe/log.ts';
import { createMetrics, type Metrics } from '../../src/observe/metrics.ts';
import type { NextHopClient, SendRequest } from '../../src/smtp/client/next-hop.ts';
import { classOf } from '../../src/smtp/replies.ts';
import type { Reply, Transaction } from '../../src/smtp/types.ts';
import { runCommand } from './command-line.ts';
import { placeMigratedDatabase } from './database-template.ts';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Trial {
  readonly folder: string;
  readonly config: Config;
  readonly database: Database;
  /** Runs one command, and gives what it printed. */
  sealpost(...words: readonly string[]): Promise<Outcome>;
  /** Runs one command that must succeed, and gives what it printed under --json. */
  json(...words: readonly string[]): Promise<unknown>;
  /** Writes a file into the folder, and gives its path. */
  file(name: string, content: Uint8Array | string): string;
  close(): Promise<void>;
}

/** Imports the public half for an owner, whatever keys the owner has and whomever its user IDs name. */
export async function importFor(trial: Trial, owner: string, secret: PrivateKey): Promise<void> {
  const file = trial.file('key.asc', secret.toPublic().armor());
  await trial.json('key', 'import', file, '--for', owner, '--add', '--yes');
}

/**
 * Opens an embedded database with every migration applied.
 * @param registers the commands that the test needs
 * @param toml more lines of sealpost.toml
 */
export async function openTrial(
  registers: readonly ((program: Command) => void)[],
  toml = '',
): Promise<Trial> {
  const folder = mkdtempSync(join(tmpdir(), 'sp-trial-'));
  const configFile = join(folder, 'sealpost.toml');
  writeFileSync(configFile, `hostname = "mx.example"\nstate_dir = "state"\n${toml}`);
  const { config } = loadConfig({ path: configFile });
  await placeMigratedDatabase(config.state_dir);
  const database = await openDatabase(config, { requireMigrated: false, actor: 'test' });
  await applyMigrations(database);
  const program = (): Command => {
    const made = new Command('sealpost');
    for (const register of registers) register(made);
    return made;
  };
  const sealpost = async (...words: readonly string[]): Promise<Outcome> => {
    const common = words.includes('--help') ? [] : ['--config', configFile];
    const { code, stdout, stderr } = await runCommand(program, [...words, ...common]);
    return { code, out: stdout.toString('utf8'), err: stderr };
  };
  return {
    folder,
    config,
    database,
    sealpost,
    async json(...words) {
      const { code, out, err } = await sealpost(...words, '--json');
      if (code !== 0) throw new Error(`${words.join(' ')}: exit ${code}: ${err}`);
      return JSON.parse(out);
    },
    file(name, content) {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
    async close() {
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface ListedHop extends NextHopClient {
  /** Everything that was sent, in order, also what was refused. */
  readonly sent: SendRequest[];
  /** What it answers from now on. */
  answer: (request: SendRequest) => Reply | Promise<Reply>;
}

/** A next hop that keeps what it gets. */
export function listedHop(): ListedHop {
  const sent: SendRequest[] = [];
  const hop: ListedHop = {
    sent,
    answer: () => ({ code: 250, enhanced: '2.0.0', text: 'Ok: queued' }),
    async send(request) {
      sent.push(request);
      const reply = await hop.answer(request);
      const recipients = request.envelope.recipients.map((_, index) => ({
        reply,
        class: classOf(reply),
        stage: 'end-of-data' as const,
        index,
      }));
      for (const { index } of recipients)
        if (classOf(reply) === 'accepted') await request.onAccepted?.(index, reply);
      return { recipients };
    },
    prepare: async () => null,
    connections: 0,
    close: async () => undefined,
    destroy: () => undefined,
  };
  return hop;
}

/** What a request carried, one character per byte. */
export function textOf({ message }: SendRequest): string {
  return Buffer.from(message instanceof Uint8Array ? message : Buffer.concat(message)).toString('latin1');
}

let transactions = 0;

/** A transaction as a filter would hand it over, with a queue ID of its own. */
export function mail(message: string, recipient: string, sender = 'carol@outside.example'): Transaction {
  transactions += 1;
  return {
    id: `t${transactions}`,
    envelope: { sender, parameters: [], recipients: [{ path: recipient, parameters: [] }] },
    xforward: { IDENT: `Q${transactions}` },
    message: Buffer.from(message, 'latin1'),
    deadline: Date.now() + 60_000,
  };
}

/** Logger and metrics that nobody reads but the test. */
export function silent(): { readonly logger: Logger; readonly metrics: Metrics } {
  return { logger: createLogger({ level: 'silent' }), metrics: createMetrics({ processMetrics: false }) };
}
