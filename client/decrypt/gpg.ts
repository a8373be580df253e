// Decryption and verification by GnuPG, with the user's own keyring and agent. Messages go through pipes: no plaintext file.
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createCollector, type Decryptor, KeyNotUsable, type Opened } from './decryptor.ts';
import { type GpgStatus, parseGpgStatus } from './gpg-status.ts';

export interface GpgOptions {
  /** The program; default `gpg` on the PATH. */
  readonly program?: string;
  /** A file whose first line is the passphrase, in place of gpg-agent's question. */
  readonly passphraseFile?: string;
}

/** Nothing that a message says makes gpg ask the network. */
const COMMON = ['--batch', '--no-tty', '--status-fd', '3', '--disable-dirmngr', '--no-auto-key-retrieve'];

/** What gpg prints to a status descriptor or as a key listing at most. */
const MOST_STATUS = 1024 * 1024;

interface GpgRun {
  readonly status: GpgStatus;
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly tooLarge: boolean;
}

/** Makes a decryptor. The program is not started yet. */
export function createGpg(options: GpgOptions = {}): Decryptor {
  const program = options.program ?? 'gpg';
  const passphrase =
    options.passphraseFile === undefined
      ? null
      : ['--pinentry-mode', 'loopback', '--passphrase-file', options.passphraseFile];

  const open: Decryptor['open'] = async (message, sizeHint, most, ask): Promise<Opened> => {
    const asking = passphrase ?? (ask ? [] : ['--pinentry-mode', 'cancel']);
    const run = await runGpg(program, [...asking, '--decrypt'], message, { sizeHint, most });
    if (run.tooLarge) return { ok: false, reason: 'too large' };
    const { status } = run;
    // A signature inside that is bad makes gpg end with 1, one by a key that it does not have with 2; that the decryption was
    // whole is said by the status.
    const unproven = status.signatures.some(({ state }) => state !== 'good');
    if (status.decrypted && (run.code === 0 || (unproven && (run.code === 1 || run.code === 2))))
      return { ok: true, plaintext: run.stdout, signatures: status.signatures };
    if (status.failure === 'secret key not usable' || (status.failure === null && !status.decrypted)) {
      throw new KeyNotUsable(
        `gpg could not use the secret key (passphrase missing or wrong, or no agent); try "${program} --decrypt" on any ` +
          'message by hand, or give --passphrase-file',
      );
    }
    return { ok: false, reason: status.failure === 'no secret key' ? 'no secret key' : 'damaged' };
  };

  return {
    open,
    async verify(signed, signature) {
      // "-&4": the signature comes from file descriptor 4 (gpg(1), --enable-special-filenames).
      const args = ['--enable-special-filenames', '--verify', '--', '-&4', '-'];
      const run = await runGpg(program, args, [signed], { signature });
      return run.status.signatures;
    },
    async verifyCleartext(text) {
      return (await runGpg(program, ['--verify'], [text], {})).status.signatures;
    },
    async addressesOf(fingerprint) {
      const args = ['--with-colons', '--fixed-list-mode', '--list-keys', fingerprint];
      const { stdout } = await runGpg(program, args, [], { sizeHint: 4096, most: MOST_STATUS });
      return addressesInListing(stdout.toString('utf8'));
    },
  };
}

/** The addresses of valid user IDs in `gpg --with-colons --list-keys` (doc/DETAILS), in lower case. Pure. */
export function addressesInListing(listing: string): readonly string[] {
  const found = new Set<string>();
  for (const line of listing.split('\n')) {
    const fields = line.split(':');
    // Field 2: validity. r: revoked, e: expired, i: invalid, n: never to be trusted.
    if (fields[0] !== 'uid' || /^[rein]$/.test(fields[1] ?? '')) continue;
    const userId = (fields[9] ?? '').replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    const address =
      /<([^<>\s]+@[^<>\s]+)>\s*$/.exec(userId)?.[1] ?? (/^[^<>\s]+@[^<>\s]+$/.test(userId) ? userId : null);
    if (address !== null) found.add(address.toLowerCase());
  }
  return [...found];
}

/** Our own variables hold secrets, and gpg hands what it gets to an agent that lives on. Pure. */
function environmentFor(ours: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(ours).filter(([name]) => !name.startsWith('SEALPOST_'));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

/**
 * Runs gpg with a message on standard input.
 * @throws KeyNotUsable when the program cannot be started; what reading the message throws
 */
async function runGpg(
  program: string,
  args: readonly string[],
  input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: { readonly sizeHint?: number; readonly most?: number; readonly signature?: Buffer },
): Promise<GpgRun> {
  const child = spawn(program, [...COMMON, ...args], {
    stdio: ['pipe', 'pipe', 'ignore', 'pipe', options.signature === undefined ? 'ignore' : 'pipe'],
    env: environmentFor(process.env),
  });
  const plaintext = createCollector(options.sizeHint ?? 0, options.most ?? 0);
  const statusText = createCollector(2048, MOST_STATUS);
  let tooLarge = false;
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new KeyNotUsable(
          error.code === 'ENOENT'
            ? `the program ${program} was not found; install GnuPG, or give --key-file`
            : `the program ${program} cannot be started: ${error.message}`,
        ),
      ),
    );
    child.once('close', (code) => resolve(code));
  });
  child.stdout?.on('data', (bytes: Buffer) => {
    if (options.most === undefined || plaintext.add(bytes)) return;
    tooLarge = true;
    child.kill('SIGKILL');
  });
  const status = child.stdio[3];
  if (status instanceof Readable) status.on('data', (bytes: Buffer) => statusText.add(bytes));
  // A program that ends early resets the pipes; its exit code and what it said before decide.
  for (const stream of child.stdio) stream?.on('error', () => undefined);
  const signature = child.stdio[4];
  if (options.signature !== undefined && signature && 'end' in signature) {
    signature.end(options.signature);
  }
  let failedReading: unknown;
  const fed = child.stdin
    ? pipeline(Readable.from(watched(input)), child.stdin).catch(() => undefined)
    : Promise.resolve();

  /** Keeps what reading the message threw: gpg that stops reading early (EPIPE) is no error of ours. */
  async function* watched(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    try {
      yield* source;
    } catch (error) {
      failedReading = error;
      throw error;
    }
  }

  const code = await ended;
  await fed;
  if (failedReading !== undefined) throw failedReading;
  return {
    status: parseGpgStatus(statusText.bytes().toString('utf8')),
    code,
    stdout: plaintext.bytes(),
    tooLarge,
  };
}
