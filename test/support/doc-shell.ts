// Runs blocks of the pages as they stand, by bash. `sealpost` is a function there that hands its words to this process, where the
// command runs: a program of its own would take a second for each line.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createProgram } from '../../src/cli/program.ts';
import { runCommand } from './command-line.ts';

export interface DocShell {
  /** Runs a block, until a line of it fails. @returns bash's exit code, and all that was printed */
  run(block: string): Promise<{ readonly code: number; readonly said: string }>;
  close(): Promise<void>;
}

/** Standard input is what a pipe or `<` gives, else nothing; standard output and error go where the shell sends them. */
const PRELUDE = `
sealpost() {
  local call code
  call=$(mktemp -d "$SEALPOST_CALLS/call.XXXXXX")
  printf '%s\\0' "$@" > "$call/words"
  cat > "$call/stdin"
  exec 9<>"/dev/tcp/127.0.0.1/$SEALPOST_PORT"
  printf '%s\\n' "$call" >&9
  read -r code <&9
  exec 9>&-
  cat "$call/stdout"
  cat "$call/stderr" >&2
  return "$code"
}
`;

/**
 * Opens the shell.
 * @param folder where its lines run; a place of files for each call is made below it
 * @param env beside what every process needs
 */
export async function openDocShell(folder: string, env: Readonly<Record<string, string>>): Promise<DocShell> {
  const calls = join(folder, '.calls');
  mkdirSync(calls, { recursive: true });
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    answer(socket).catch((error: unknown) => socket.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    run: (block) =>
      bash(`${PRELUDE}${block}`, folder, {
        ...env,
        PATH: process.env.PATH ?? '',
        HOME: folder,
        SEALPOST_CALLS: calls,
        SEALPOST_PORT: String(port),
      }),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** One call: the folder in which its words lie, and back the exit code. */
async function answer(socket: Socket): Promise<void> {
  const call = await firstLine(socket);
  const words = readFileSync(join(call, 'words'), 'utf8').split('\0').slice(0, -1);
  const stdin = existsSync(join(call, 'stdin')) ? readFileSync(join(call, 'stdin')) : '';
  const { code, stdout, stderr } = await runCommand(() => createProgram(words[0]), words, stdin);
  writeFileSync(join(call, 'stdout'), stdout);
  writeFileSync(join(call, 'stderr'), stderr);
  socket.end(`${code}\n`);
}

function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    socket.on('data', (bytes) => {
      got += bytes.toString();
      const end = got.indexOf('\n');
      if (end !== -1) resolve(got.slice(0, end));
    });
  });
}

function bash(
  script: string,
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number; readonly said: string }> {
  const child = spawn('bash', ['--noprofile', '--norc', '-euo', 'pipefail', '-c', script], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => said.push(bytes));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, said: Buffer.concat(said).toString() }));
  });
}
