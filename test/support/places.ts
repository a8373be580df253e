// Where one private mail system lives: its folder, ports and sockets, and the table that puts them into the files of
// postfix-examples/ in place of the real ones.
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endWithThisProcess } from './leftovers.ts';

/** The checkout that is tested. */
export const repository = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** Ports and sockets of one private mail system. */
export interface Places {
  /** A folder of its own, world-readable (Postfix's daemons run as other users), with a short path (sockets). */
  readonly dir: string;
  readonly lmtpPort: number;
  readonly smtpPort: number;
  readonly reinjectPort: number;
  readonly submitPort: number;
  readonly observePort: number;
  readonly lmtpSocket: string;
  readonly dovecotSocket: string;
  /** A folder in the queue directory, as the example of the lookups has it. */
  readonly lookupSockets: string;
  readonly sealpostConfig: string;
  remove(): Promise<void>;
}

/** What a text of an example is replaced by, whole words only. */
export type Substitutions = Readonly<Record<string, string>>;

/** Makes the folder and picks free loopback ports. */
export async function allocatePlaces(): Promise<Places> {
  const dir = await mkdtemp(join(tmpdir(), 'sp-'));
  await mkdir(join(dir, 'run'), { mode: 0o755 });
  const lookupSockets = join(dir, 'postfix', 'spool', 'sealpost');
  await mkdir(lookupSockets, { recursive: true, mode: 0o755 });
  await chmod(dir, 0o755);
  endWithThisProcess(dir);
  const [lmtpPort = 0, smtpPort = 0, reinjectPort = 0, submitPort = 0, observePort = 0] = await freePorts(5);
  return {
    dir,
    lmtpPort,
    smtpPort,
    reinjectPort,
    submitPort,
    observePort,
    lmtpSocket: join(dir, 'run', 'lmtp.sock'),
    dovecotSocket: join(dir, 'run', 'dovecot-lmtp'),
    lookupSockets,
    sealpostConfig: join(dir, 'sealpost.toml'),
    remove: () => rm(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/**
 * Finds loopback TCP ports that nobody listens on, below the range that outgoing connections take theirs from.
 * Nothing reserves them, so start the listener soon.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (givenOut.has(port) || !(await isFree(port))) continue;
    givenOut.add(port);
    found.push(port);
  }
  return found;
}

/** Ports that this process has handed out: they may have no listener yet. */
const givenOut = new Set<number>();

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** The substitution table of the examples: real ports, paths and users -> this system's. */
export function exampleSubstitutions(places: Places, more: Substitutions = {}): Substitutions {
  return {
    '10024': String(places.lmtpPort),
    '10025': String(places.smtpPort),
    '10026': String(places.reinjectPort),
    '/run/sealpost/lmtp.sock': places.lmtpSocket,
    '/run/dovecot/lmtp': places.dovecotSocket,
    '/var/spool/postfix/sealpost': places.lookupSockets,
    'user=sealpost': 'user=nobody',
    'group = "sealpost"': 'group = "nogroup"',
    ...more,
  };
}

/** Replaces every whole-word occurrence of the table's keys, longest first, each place once. Pure. */
export function substitute(text: string, table: Substitutions): string {
  const keys = Object.keys(table).sort((a, b) => b.length - a.length);
  if (keys.length === 0) return text;
  const pattern = keys.map((key) => key.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  return text.replace(
    new RegExp(`(?<![\\w.])(?:${pattern})(?![\\w])`, 'g'),
    (found) => table[found] ?? found,
  );
}

/** One file of postfix-examples/, with the table applied. */
export async function exampleFile(example: string, name: string, table: Substitutions): Promise<string> {
  const text = await readFile(join(repository, 'postfix-examples', example, name), 'utf8');
  return substitute(text, table);
}
