// Makes the data of the embedded PostgreSQL: initdb, the role, the database, and who may log in.
import { closeSync, fchmodSync, fchownSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivate, ownAccount, removeTree } from './private-folder.ts';
import { explainOutput, NAME, type Server, spawnAs } from './programs.ts';

/**
 * Makes the data folder with the role and the database, in one step: a folder that is there is complete.
 * @throws Error with what initdb said
 */
export async function createData(server: Server): Promise<void> {
  const draft = `${server.data}.new`;
  const { account } = server.identity;
  const self = ownAccount();
  removeTree(draft);
  makePrivate(draft, account ?? self, [self]);
  await runProgram(server, 'initdb', [
    `--pgdata=${draft}`,
    '--username=postgres',
    '--encoding=UTF8',
    '--locale=C',
    '--auth=trust',
    '--data-checksums',
    '--no-instructions',
  ]);
  await runProgram(
    server,
    'postgres',
    ['--single', '-D', draft, 'template1'],
    `CREATE ROLE ${NAME} LOGIN;\nCREATE DATABASE ${NAME} OWNER ${NAME};\n`,
  );
  // Whoever reaches the socket, in a folder of mode 0700, may be sealpost; nobody may be the superuser.
  const rules = `# Written by sealpost. The socket is in a private folder.\nlocal ${NAME} ${NAME} trust\nlocal all all reject\n`;
  replaceFile(join(draft, 'pg_hba.conf'), rules, server);
  renameSync(draft, server.data);
}

/** As root in a folder of another account: no symbolic link is followed. */
function replaceFile(path: string, text: string, { identity: { account } }: Server): void {
  rmSync(path, { force: true });
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, text);
    fchmodSync(file, 0o600);
    if (account) fchownSync(file, account.uid, account.gid);
  } finally {
    closeSync(file);
  }
}

async function runProgram(
  server: Server,
  program: string,
  args: readonly string[],
  input = '',
): Promise<void> {
  const child = spawnAs(server, program, args, ['pipe', 'pipe', 'pipe'], false);
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  const status = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  if (status !== 0 || /\b(ERROR|FATAL|PANIC):/.test(output)) {
    throw new Error(`${program} failed (${status}): ${explainOutput(output)}`);
  }
}
