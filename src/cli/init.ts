// `sealpost init`: a configuration file, a database, its tables. May be repeated: what is there is kept.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { addServiceUser } from '../database/embedded/user.ts';
import { applyMigrations, migrationStatus } from '../database/migrate.ts';
import { type Database, openDatabase } from '../database/open.ts';
import { addDomain, listDomains } from '../directory/domains.ts';
import { refoldAddresses } from '../directory/refold.ts';
import { Refused } from '../host/exit-codes.ts';
import { groupId, setAccess } from '../host/unix-socket.ts';
import { findMailboxes } from '../postfix/find-mailboxes.ts';
import { type AskedPostfix, askPostfix } from '../postfix/postconf.ts';
import { readWiring } from '../postfix/wiring.ts';
import { canAsk, terminal } from './ask.ts';
import { type CommandContext, run, withCommonOptions } from './command.ts';
import { type Answers, findAnswers } from './init-answers.ts';
import { newConfigFile } from './init-file.ts';
import { takeOver } from './init-postfix.ts';

interface InitOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly dir?: string;
  readonly postfixConfig?: string;
  readonly databaseUrl?: string;
  readonly wiring?: string;
  readonly nextHop?: string;
  readonly domain?: string;
  readonly makeUser?: boolean;
  /** commander's form of --no-input. */
  readonly input?: boolean;
}

export function registerInit(program: Command): void {
  withCommonOptions(
    program
      .command('init')
      .description('write sealpost.toml, create the database, apply the migrations')
      .option(
        '--dir <dir>',
        'where sealpost.toml goes (default: $SEALPOST_CONFIG; without it /etc/sealpost for root, else this folder)',
      )
      .option(
        '--postfix-config <dir>',
        "where main.cf is, as Postfix's own -c (default: where Postfix has it)",
      )
      .option('--database-url <url>', 'postgres://... of your own server, or embedded: (default)')
      .option('--wiring <name>', 'the folder of postfix-examples whose part of sealpost.toml is written')
      .option('--next-hop <hop>', 'where mail is handed on, such as lmtp:unix:/run/dovecot/lmtp')
      .option('--domain <name>', 'a domain whose mail arrives here')
      .option('--make-user', 'make the system user sealpost where it is missing')
      .option('--no-input', 'ask nothing, as where there is no terminal'),
    'sealpost init --wiring delivery-lmtp --next-hop lmtp:unix:/run/dovecot/lmtp --domain example.org',
  ).action((options: InitOptions) => run(options, (context) => initialise(options, context)));
}

async function initialise(options: InitOptions, { print }: Pick<CommandContext, 'print'>): Promise<void> {
  const path = placeOf(options);
  const written = !existsSync(path);
  const given = options.postfixConfig ?? null;
  const postfix = await askPostfix(given);
  const proposal = written ? await findMailboxes(given) : null;
  const asks = written && options.input !== false && options.json !== true && canAsk();
  const userMissing = process.getuid?.() === 0 && (await groupId(SERVICE_GROUP)) === null;
  const found = { proposal, domain: localOrigin(postfix), userMissing };
  const answers = await findAnswers(options, found, asks ? terminal : null);
  if (answers.makeUser && userMissing) makeUser();
  if (written) write(path, postfix, answers);
  const { config } = loadConfig({ path });
  const database = await openDatabase(config, { requireMigrated: false });
  try {
    await applyMigrations(database, { allowDestructive: false });
    await refoldAddresses(database);
    const { applied } = await migrationStatus(database);
    // Behind the start of an embedded PostgreSQL, which makes the service's user where it is missing.
    const left = written ? await giveToService(path) : null;
    if (left !== null) process.stderr.write(`sealpost: warning: ${left}\n`);
    const domains = await firstDomain(database, answers.domain);
    const taken = await takeOver(database, postfix, { written, configured: config.postfix });
    const wiring = answers.wiring ?? proposal?.wiring ?? 'delivery-lmtp';
    print(
      {
        config: path,
        written,
        state_dir: config.state_dir,
        migrations: applied,
        postfix: taken.json,
        wiring: answers.wiring,
        proposal,
        domains,
      },
      [
        `${written ? 'wrote' : 'kept '} ${path}`,
        ...keptFlags(options, written),
        `database ready (${applied.length} migrations applied), state in ${config.state_dir}`,
        ...taken.lines,
        ...(proposal === null || answers.wiring !== null
          ? []
          : [`proposed wiring: ${proposal.wiring}, since ${proposal.because}`]),
        ...nextCommands(answers, proposal?.nextHop ?? null, wiring, domains),
      ].join('\n'),
    );
  } finally {
    await database.close();
  }
}

/** myorigin where it stands in mydestination; else ''. */
function localOrigin(postfix: AskedPostfix): string {
  if (postfix.kind !== 'found') return '';
  const { origin, localNames } = postfix.settings;
  return origin !== null && localNames.includes(origin) ? origin : '';
}

/** Flags that would have gone into a new file. */
function keptFlags({ databaseUrl, wiring, nextHop }: InitOptions, written: boolean): readonly string[] {
  if (written || (databaseUrl ?? wiring ?? nextHop) === undefined) return [];
  return [
    'it was there already: --database-url, --wiring and --next-hop have changed nothing in it; "sealpost config set KEY VALUE" does',
  ];
}

/** @returns the names of all domains */
async function firstDomain(database: Database, name: string | null): Promise<readonly string[]> {
  const known = (await listDomains(database)).map((domain) => domain.name);
  if (name === null || known.includes(name)) return known;
  return [...known, (await addDomain(database, name)).name];
}

/** What is to be done after this, in the order in which it is done. */
function nextCommands(
  answers: Answers,
  proposedHop: string | null,
  wiring: string,
  domains: readonly string[],
): readonly string[] {
  const [domain = 'example.org'] = domains;
  const hop =
    answers.wiring === null && answers.nextHop === null && proposedHop !== null
      ? [`sealpost config set filter.next_hop ${proposedHop}`]
      : [];
  const commands = [
    ...hop,
    ...(domains.length === 0 ? [`sealpost domain add ${domain}`] : []),
    `sealpost user add alice@${domain} && sealpost key import alice.asc`,
    'sealpost serve (under systemd: systemctl enable --now sealpost)',
    `sealpost postfix show ${wiring}, then sealpost postfix apply ${wiring} --reload`,
  ];
  return commands.map((command, at) => `${at === 0 ? 'next:' : 'then:'} ${command}`);
}

/** @throws Refused where it cannot be made */
function makeUser(): void {
  if (!addServiceUser())
    throw new Refused(
      'the user sealpost could not be made: adduser --system --group --home /var/lib/sealpost sealpost',
    );
}

/** Where the other commands look for it afterwards, if nothing else is said. */
function placeOf({ config, dir }: InitOptions): string {
  const named = process.env.SEALPOST_CONFIG;
  if (config !== undefined) return resolve(config);
  if (dir === undefined && named !== undefined && named !== '') return resolve(named);
  return resolve(dir ?? defaultFolder(), 'sealpost.toml');
}

const SYSTEM_FILE = '/etc/sealpost/sealpost.toml';

function defaultFolder(): string {
  return process.getuid?.() === 0 ? '/etc/sealpost' : '.';
}

/** The group of packaging/systemd/sealpost.service and of the pipe(8) service. */
const SERVICE_GROUP = 'sealpost';

/**
 * Lets the service read a file that root has written with mode 0640.
 * @returns what is left to do, in a sentence; null: nothing
 */
export async function giveToService(path: string, group = SERVICE_GROUP): Promise<string | null> {
  if (process.getuid?.() !== 0) return null;
  if ((await groupId(group)) === null) {
    return (
      `only root may read ${path}, and there is no group "${group}" yet; before you run the service: ` +
      `"adduser --system --group --home /var/lib/sealpost ${group}" and "chgrp ${group} ${path}"`
    );
  }
  await setAccess(path, '0640', group);
  return null;
}

/** Writes a new file; what is found of Postfix goes into [postfix]. */
function write(path: string, postfix: AskedPostfix, { databaseUrl, wiring, nextHop }: Answers): void {
  const folder = resolve(path, '..');
  // With a folder of one's own the state stays beside the file; only the system-wide file uses /var/lib/sealpost.
  const stateDir = path === SYSTEM_FILE && process.getuid?.() === 0 ? '/var/lib/sealpost' : './.sealpost';
  const part = wiring === null ? '' : readWiring(wiring).toml;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, newConfigFile({ stateDir, databaseUrl, wiring: part, nextHop, postfix }), {
      mode: 0o640,
      flag: 'wx',
    });
  } catch (error) {
    throw new Refused(
      `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}; choose another place with --dir`,
    );
  }
}
