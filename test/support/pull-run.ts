// `sealpost pull` as a child process of a test, and what lies in its Maildir afterwards.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Finished, runProgram } from './child.ts';
import type { QueueStand, QueueUser } from './queue-stand.ts';
import { sealpostCommand } from './sealpost-process.ts';

export interface PullRun extends Finished {
  /** What --json printed; undefined when it is no JSON. */
  readonly json: unknown;
}

export interface PullCall {
  readonly stand: QueueStand;
  readonly user: QueueUser;
  readonly to: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly server?: string;
  /** The program of the client's own package; without it, `sealpost pull`. */
  readonly program?: string;
}

function commandLine({ stand, user, to, args = [], env = {}, server = stand.url, program }: PullCall) {
  const ours = sealpostCommand();
  return {
    program: program ?? ours.program,
    args: [
      ...(program === undefined ? [...ours.args, 'pull'] : []),
      '--server',
      server,
      '--to',
      to,
      '--json',
      ...args,
    ],
    // No configuration and no database is given, and none may be needed.
    env: { SEALPOST_TOKEN: user.token, GNUPGHOME: stand.home.dir, SEALPOST_CONFIG: '/nonexistent', ...env },
  };
}

/** Runs pull to its end. */
export async function runPull(call: PullCall): Promise<PullRun> {
  const { program, args, env } = commandLine(call);
  const done = await runProgram(program, args, { env, cwd: '/', timeout: 170_000 });
  let json: unknown;
  try {
    json = JSON.parse(done.stdout.toString('utf8'));
  } catch {
    json = undefined;
  }
  return { ...done, json };
}

/** Starts pull; resolves `ended` with its exit code, null after a signal. */
export function startPull(call: PullCall): {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stderr(): string;
} {
  const { program, args, env } = commandLine(call);
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
    cwd: '/',
  });
  let text = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    text += bytes.toString('utf8');
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, ended, stderr: () => text };
}

/** The files of some folders, as they lie there. */
export async function mailsIn(...folders: readonly string[]): Promise<readonly Buffer[]> {
  const all: Buffer[] = [];
  for (const folder of folders.filter((each) => existsSync(each))) {
    for (const name of (await readdir(folder)).sort()) all.push(await readFile(join(folder, name)));
  }
  return all;
}

/** A mail program that sees new mail: reads some of it (cur/), files some elsewhere, leaves the rest. Call it again and again. */
export async function actAsMailProgram(maildir: string, elsewhere: string): Promise<void> {
  const fresh = join(maildir, 'new');
  for (const name of existsSync(fresh) ? await readdir(fresh) : []) {
    const mood = Math.random();
    if (mood < 0.3) await rename(join(fresh, name), join(maildir, 'cur', `${name}:2,S`));
    else if (mood < 0.6) await rename(join(fresh, name), join(elsewhere, name));
  }
}
