// Keys of every algorithm by three programs, as users make them: gpg, sq and OpenPGP.js. A program that cannot make one is
// asked all the same, and says so itself.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKey } from 'openpgp';
import { mustRun, runProgram } from './child.ts';
import { createGpgHome, type GpgHome } from './keys.ts';
import { need } from './needs.ts';

need('sq');

type GenerateKeyOptions = Parameters<typeof generateKey>[0];

export const GENERATORS = ['gpg', 'sq', 'OpenPGP.js'] as const;
export type Generator = (typeof GENERATORS)[number];

/** One row of the matrix: how each program is asked for such a key. */
export interface Algorithm {
  readonly name: string;
  /** Primary key and encryption subkey, as gpg --quick-generate-key takes them. */
  readonly gpg: readonly [primary: string, subkey: string];
  /** Further arguments of sq key generate. */
  readonly sq: readonly string[];
  readonly js: Omit<GenerateKeyOptions, 'userIDs' | 'format'>;
}

const ecc = (curve: NonNullable<GenerateKeyOptions['curve']>) => ({ type: 'ecc', curve }) as const;

export const ALGORITHMS: readonly Algorithm[] = [
  { name: 'RSA 2048', gpg: ['rsa2048', 'rsa2048'], sq: ['-c', 'rsa2k'], js: { type: 'rsa', rsaBits: 2048 } },
  { name: 'RSA 3072', gpg: ['rsa3072', 'rsa3072'], sq: ['-c', 'rsa3k'], js: { type: 'rsa', rsaBits: 3072 } },
  { name: 'RSA 4096', gpg: ['rsa4096', 'rsa4096'], sq: ['-c', 'rsa4k'], js: { type: 'rsa', rsaBits: 4096 } },
  { name: 'NIST P-256', gpg: ['nistp256', 'nistp256'], sq: ['-c', 'p256'], js: ecc('nistP256') },
  { name: 'NIST P-384', gpg: ['nistp384', 'nistp384'], sq: ['-c', 'p384'], js: ecc('nistP384') },
  { name: 'NIST P-521', gpg: ['nistp521', 'nistp521'], sq: ['-c', 'p521'], js: ecc('nistP521') },
  {
    name: 'Brainpool 256',
    gpg: ['brainpoolP256r1', 'brainpoolP256r1'],
    sq: ['-c', 'brainpoolP256r1'],
    js: ecc('brainpoolP256r1'),
  },
  {
    name: 'Brainpool 384',
    gpg: ['brainpoolP384r1', 'brainpoolP384r1'],
    sq: ['-c', 'brainpoolP384r1'],
    js: ecc('brainpoolP384r1'),
  },
  {
    name: 'Brainpool 512',
    gpg: ['brainpoolP512r1', 'brainpoolP512r1'],
    sq: ['-c', 'brainpoolP512r1'],
    js: ecc('brainpoolP512r1'),
  },
  {
    name: 'Curve25519 legacy',
    gpg: ['ed25519', 'cv25519'],
    sq: ['-c', 'cv25519'],
    js: ecc('curve25519Legacy'),
  },
  {
    name: 'Curve25519 legacy, AEAD',
    gpg: ['ed25519/aead', 'cv25519'],
    sq: ['-c', 'cv25519', '--features', 'seipdv2'],
    js: { ...ecc('curve25519Legacy'), config: { aeadProtect: true } },
  },
  { name: 'X25519 in v4', gpg: ['ed25519', 'x25519'], sq: ['-c', 'x25519'], js: { type: 'curve25519' } },
  {
    name: 'X25519 in v6',
    gpg: ['ed25519/v6', 'x25519/v6'],
    sq: ['-c', 'cv25519', '--profile', 'rfc9580'],
    js: { type: 'curve25519', config: { v6Keys: true, aeadProtect: true } },
  },
  {
    name: 'X448 in v6',
    gpg: ['ed448', 'cv448'],
    sq: ['-c', 'cv448', '--profile', 'rfc9580'],
    js: { type: 'curve448', config: { v6Keys: true, aeadProtect: true } },
  },
];

export interface MadeKey {
  readonly algorithm: string;
  readonly generator: Generator;
  /** Armored, by the program's own export. */
  readonly publicKey: string;
  readonly secretKey: string;
}

/** A key, or what the program said instead. */
export type Made = { readonly key: MadeKey } | { readonly refusal: string };

/** Makes one key without passphrase. `dir` is for files of sq. */
export async function makeInteropKey(generator: Generator, algorithm: Algorithm, dir: string): Promise<Made> {
  const make = { gpg: byGpg, sq: bySq, 'OpenPGP.js': byOpenpgpJs }[generator];
  const made = await make(algorithm, dir);
  return 'refusal' in made ? made : { key: { algorithm: algorithm.name, generator, ...made } };
}

type Pair = Pick<MadeKey, 'publicKey' | 'secretKey'> | { readonly refusal: string };

function userId(generator: string, { name }: Algorithm): { readonly name: string; readonly email: string } {
  return { name, email: `${`${generator}-${name}`.replace(/\W+/g, '-').toLowerCase()}@example.org` };
}

/** In a home of its own: several gpg at once get into each other's way when they write one keyring. */
async function byGpg(algorithm: Algorithm): Promise<Pair> {
  const home = await createGpgHome();
  try {
    return await byGpgIn(home, algorithm);
  } finally {
    await home.close();
  }
}

async function byGpgIn(home: GpgHome, algorithm: Algorithm): Promise<Pair> {
  const { name, email } = userId('gpg', algorithm);
  const [primary, subkey] = algorithm.gpg;
  const made = await home.run([
    '--status-fd',
    '1',
    '--quick-generate-key',
    `${name} <${email}>`,
    primary,
    'cert,sign',
    'never',
  ]);
  const fingerprint = /KEY_CREATED \S+ ([0-9A-F]{40})/.exec(String(made.stdout))?.[1];
  if (fingerprint === undefined) return { refusal: sentence(made.stderr) };
  const added = await home.run(['--quick-add-key', fingerprint, subkey, 'encr', 'never']);
  if (added.code !== 0) return { refusal: sentence(added.stderr) };
  const text = async (command: string) => String((await home.run(['--armor', command, fingerprint])).stdout);
  return { publicKey: await text('--export'), secretKey: await text('--export-secret-keys') };
}

async function bySq(algorithm: Algorithm, dir: string): Promise<Pair> {
  const { name, email } = userId('sq', algorithm);
  const file = join(dir, `${email}.asc`);
  const args = ['key', 'generate', '-u', `${name} <${email}>`, '--export', file, ...algorithm.sq];
  const made = await runProgram('sq', args);
  if (made.code !== 0) return { refusal: sentence(made.stderr) };
  const publicKey = String((await mustRun('sq', ['key', 'extract-cert', file])).stdout);
  return { publicKey, secretKey: await readFile(file, 'latin1') };
}

async function byOpenpgpJs(algorithm: Algorithm): Promise<Pair> {
  try {
    // A little earlier than now, so that no clock of another program calls it a key from the future.
    const date = new Date(Date.now() - 60_000);
    const { publicKey, privateKey } = await generateKey({
      ...algorithm.js,
      date,
      userIDs: userId('js', algorithm),
      format: 'armored',
    });
    return { publicKey, secretKey: privateKey };
  } catch (error) {
    return { refusal: sentence(error instanceof Error ? error.message : String(error)) };
  }
}

/** How programs say that they do not know an algorithm, a version or an option. */
export const UNABLE =
  /un(?:known|supported)|not supported|isn't a valid value|wasn't expected|invalid public key algorithm|no binding signature|not expected/i;

/** What a program said, in one line: that it is unable, where it says so; else the last thing. */
export function sentence(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => line.replace(/^(?:gpg: |error: |\s*\d+: )+/i, '').trim())
    .filter((line) => line !== '');
  return (lines.find((line) => UNABLE.test(line)) ?? lines.at(-1) ?? '')
    .replace(/ at time \S+/, '')
    .slice(0, 110);
}
