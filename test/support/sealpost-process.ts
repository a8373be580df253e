// The real `sealpost serve` as a child process, configured by an example's sealpost.example.toml, and the command line beside it.
// $SEALPOST_TEST_DIST names a build to test; else dist/ when it is newer than the sources, else the sources through tsx.
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse, stringify } from 'smol-toml';
import { type Finished, runProgram, waitUntil } from './child.ts';
import { runCommand } from './command-line.ts';
import { placeMigratedDatabase } from './database-template.ts';
import { SERVE_PID_FILE } from './leftovers.ts';
import { exampleFile, type Places, repository, type Substitutions } from './places.ts';

export interface SealpostOptions {
  readonly places: Places;
  /** A folder of postfix-examples, or null for the defaults. */
  readonly example: string | null;
  readonly substitutions: Substitutions;
  /** Laid over the example's configuration, table by table; lists replace. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** More arguments of `serve`. */
  readonly serveArguments?: readonly string[];
  /** Makes the database's tables first; default true. */
  readonly migrate?: boolean;
  /**
   * How cli() runs a command: in this process (the default), or as the program that an administrator calls. A build that
   * $SEALPOST_TEST_DIST names, or an `env` of its own, is always a program's.
   */
  readonly commands?: 'in-process' | 'program';
  /** What runs: a build where it is not older than the sources (the default), or always the sources. */
  readonly from?: 'build' | 'sources';
}

export interface CliResult extends Finished {
  /** What --json printed; undefined when it is no JSON. */
  readonly json: unknown;
}

export interface CliOptions {
  readonly stdin?: Uint8Array | string;
}

export interface SealpostProcess {
  readonly configPath: string;
  /** Of the running serve; undefined when none runs. */
  pid(): number | undefined;
  /** Starts `serve` and waits until /readyz says yes. @param reason or no, for no other reason than one of these words */
  start(reason?: RegExp): Promise<void>;
  /** SIGTERM, and waits for the end. @returns the exit code */
  stop(): Promise<number | null>;
  /** SIGKILL to serve alone. */
  kill9(): Promise<void>;
  /** stop(), if it runs, and start(). */
  restart(): Promise<void>;
  /** Runs a command with this configuration, whatever its exit code. */
  cli(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** As cli(); throws with what the command said unless it ends with 0. */
  must(args: readonly string[], stdin?: Uint8Array | string): Promise<CliResult>;
  /** As cli(), and always as a program of its own. */
  program(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** Everything that serve has logged so far. */
  log(): string;
  /** Ends serve, and a database that it left behind. */
  close(): Promise<void>;
}

/** The program and first arguments that run `sealpost`. @param from as {@link SealpostOptions} has it */
export function sealpostCommand(from: SealpostOptions['from'] = 'build'): {
  readonly program: string;
  readonly args: readonly string[];
} {
  const dist =
    process.env.SEALPOST_TEST_DIST ?? (isFresh('dist/cli/main.js') ? join(repository, 'dist') : '');
  if (dist !== '' && from === 'build')
    return { program: process.execPath, args: [join(dist, 'cli/main.js')] };
  const tsx = join(repository, 'node_modules/tsx/dist/loader.mjs');
  return { program: process.execPath, args: ['--import', tsx, join(repository, 'src/cli/main.ts')] };
}

/** Puts the sealpost-pipe bundle at a path that ends with `.mjs`: a build's own, or one made now from the sources. */
export async function placeSealpostPipe(path: string): Promise<void> {
  const dist = process.env.SEALPOST_TEST_DIST;
  if (dist !== undefined) {
    await copyFile(join(dist, 'sealpost-pipe.js'), path);
    return;
  }
  const packaging = pathToFileURL(join(repository, 'packaging/build.mjs')).href;
  const { bundlePipe } = (await import(packaging)) as { bundlePipe(outfile: string): Promise<void> };
  await bundlePipe(path);
}

function isFresh(built: string): boolean {
  const file = join(repository, built);
  if (!existsSync(file)) return false;
  const age = statSync(file).mtimeMs;
  return ['src', 'filters', 'policy', 'receiver', 'portal', 'client'].every(
    (folder) => newestIn(join(repository, folder)) <= age,
  );
}

function newestIn(folder: string): number {
  if (!existsSync(folder)) return 0;
  const times = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs);
  return Math.max(0, ...times);
}

type Table = { [key: string]: unknown };

function overlay(base: Table, over: Readonly<Table>): Table {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    merged[key] = isTable(old) && isTable(value) ? overlay(old, value) : value;
  }
  return merged;
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The default ports of the lookup daemons are one set for the whole machine: off, unless an example or a test names some. */
const NO_LOOKUPS: Table = {
  policy: {
    tcp: { check_recipient: '', virtual_alias: '', client_fingerprint: '' },
    socketmap: { listen: '' },
    delegation: { listen: '' },
  },
};

/** Writes sealpost.toml: the example, then what every test needs, then what this one asks for. */
async function writeConfiguration({ places, substitutions, ...options }: SealpostOptions): Promise<void> {
  const example =
    options.example === null
      ? {}
      : parse(await exampleFile(options.example, 'sealpost.example.toml', substitutions));
  const ours = {
    hostname: 'mx.sealpost.test',
    state_dir: join(places.dir, 'state'),
    observe: { listen: `127.0.0.1:${places.observePort}` },
  };
  await writeFile(
    places.sealpostConfig,
    stringify(overlay(overlay(overlay(NO_LOOKUPS, example), ours), options.config ?? {})),
    {
      mode: 0o644,
    },
  );
}

/** Starts and ends `sealpost serve`, whose output goes to the file `logPath`. */
function createServe(options: SealpostOptions, logPath: string) {
  const { places } = options;
  const command = sealpostCommand(options.from);
  const log = () => readFileSync(logPath, 'utf8');
  let child: ChildProcess | undefined;
  let exited: Promise<number | null> = Promise.resolve(null);

  const start = async (reason?: RegExp): Promise<void> => {
    if (child) throw new Error('serve runs already');
    const serve = ['serve', ...(options.serveArguments ?? []), '--config', places.sealpostConfig];
    const started = spawn(command.program, [...command.args, ...serve], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      cwd: places.dir,
    });
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk: Buffer) => appendFileSync(logPath, chunk));
    }
    child = started;
    writeFileSync(join(places.dir, SERVE_PID_FILE), `${started.pid}\n`);
    exited = new Promise((resolve) => {
      started.once('error', () => resolve(null));
      started.once('exit', (code) => {
        if (child === started) child = undefined;
        resolve(code);
      });
    });
    await waitUntil(
      'sealpost serve to be ready',
      90_000,
      async () => {
        if (child !== started)
          throw new Error(`sealpost serve ended with ${await exited}\n${log().slice(-4000)}`);
        return answersReady(places.observePort, reason);
      },
      () => log().slice(-4000),
    );
  };
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> => {
    const ending = child;
    if (!ending) return null;
    ending.kill(signal);
    const code = await Promise.race([
      exited,
      new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), 40_000)),
    ]);
    if (code !== 'late') return code;
    ending.kill('SIGKILL');
    throw new Error(`sealpost serve did not end within 40 s of ${signal}\n${log().slice(-4000)}`);
  };
  return { pid: () => child?.pid, log, start, end };
}

/** Writes the configuration and makes the database's tables; `serve` runs after start(). */
export async function createSealpost(options: SealpostOptions): Promise<SealpostProcess> {
  const { places } = options;
  const configPath = places.sealpostConfig;
  const stateDir = join(places.dir, 'state');
  const logPath = join(places.dir, 'serve.log');
  await mkdir(stateDir, { recursive: true });
  await writeConfiguration(options);
  await writeFile(logPath, '');
  const command = sealpostCommand(options.from);
  const env = { ...options.env };
  const inProcess =
    options.commands !== 'program' &&
    process.env.SEALPOST_TEST_DIST === undefined &&
    Object.keys(env).length === 0;
  const serve = createServe(options, logPath);
  const program = async (args: readonly string[], { stdin }: CliOptions = {}): Promise<CliResult> => {
    const finished = await runProgram(command.program, [...command.args, ...args, '--config', configPath], {
      env,
      cwd: places.dir,
      ...(stdin === undefined ? {} : { stdin }),
    });
    return { ...finished, json: parseJson(finished.stdout.toString('utf8')) };
  };
  const sealpost: SealpostProcess = {
    configPath,
    pid: serve.pid,
    start: serve.start,
    stop: () => serve.end('SIGTERM'),
    kill9: async () => {
      await serve.end('SIGKILL');
    },
    restart: async () => {
      await serve.end('SIGTERM');
      await serve.start();
    },
    cli: async (args, { stdin } = {}) => {
      // encrypt reads descriptor 0 itself, which here is the test runner's.
      const ownInput = args[0] === 'encrypt' && stdin !== undefined;
      if (!inProcess || ownInput) return program(args, stdin === undefined ? {} : { stdin });
      const finished = await runInProcess([...args, '--config', configPath], stdin);
      return { ...finished, json: parseJson(finished.stdout.toString('utf8')) };
    },
    must: async (args, stdin) => {
      const done = await sealpost.cli(args, stdin === undefined ? {} : { stdin });
      if (done.code === 0) return done;
      throw new Error(`sealpost ${args.join(' ')}: exit ${done.code}\n${done.stdout}${done.stderr}`);
    },
    program,
    log: serve.log,
    close: async () => {
      await serve.end('SIGTERM').catch(() => undefined);
      await stopLeftDatabase(stateDir);
    },
  };
  if (options.migrate !== false && !(inProcess && (await placedDatabase(options, stateDir)))) {
    const migrated = await sealpost.cli(['migrate']);
    if (migrated.code !== 0) throw new Error(`sealpost migrate: exit ${migrated.code}\n${migrated.stderr}`);
  }
  return sealpost;
}

/** Whether a copy of a migrated database now stands where `migrate` would make one. */
async function placedDatabase({ config }: SealpostOptions, stateDir: string): Promise<boolean> {
  return config?.database === undefined && (await placeMigratedDatabase(stateDir));
}

/** The command line of these sources; loaded when the first command is run, since it loads half of the house. */
async function runInProcess(words: readonly string[], stdin: Uint8Array | string | undefined) {
  const { createProgram } = await import('../../src/cli/program.ts');
  return runCommand(() => createProgram(words[0]), words, stdin);
}

async function answersReady(port: number, reason: RegExp | undefined): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    if (answer.ok || reason === undefined) return answer.ok;
    const { reasons } = (await answer.json()) as { readonly reasons: readonly string[] };
    return reasons.every((each) => reason.test(each));
  } catch {
    return false;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A killed serve leaves its embedded PostgreSQL running: stops it by the pid in its own postmaster.pid. */
async function stopLeftDatabase(stateDir: string): Promise<void> {
  const entries = await readdir(stateDir, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries.filter(({ name }) => name === 'postmaster.pid')) {
    const text = await readFile(join(entry.parentPath, entry.name), 'utf8').catch(() => '');
    const pid = Number(text.split('\n')[0]);
    if (!(pid > 1)) continue;
    try {
      process.kill(pid, 'SIGQUIT');
      await waitUntil(`PostgreSQL (pid ${pid}) to end`, 10_000, () => !existsSync(`/proc/${pid}`));
    } catch {
      // It has ended by itself.
    }
  }
}
