// What tests of moving in share: a GnuPG home as another program keeps it, keys that nobody need wait for, and the three runs
// that every import must pass.
import { generateKey, type PrivateKey } from 'openpgp';
import { expect } from 'vitest';
import { createGpgHome, type GpgHome } from './keys.ts';
import type { Trial } from './trial.ts';

export interface Told {
  readonly kind: string;
  readonly outcome: string;
  readonly name: string;
  readonly where: string | null;
  readonly because: string | null;
  readonly owners?: readonly string[];
}

export interface Report {
  readonly applied: boolean;
  readonly counts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly rows: readonly Told[];
  readonly expired: readonly { readonly fingerprint: string; readonly owners: readonly string[] }[];
  readonly several: readonly { readonly address: string; readonly fingerprints: readonly string[] }[];
}

export interface KeyOptions {
  /** Expired yesterday. */
  readonly expired?: boolean;
  /** RSA of 1024 bits, which GnuPG still encrypts to. */
  readonly weak?: boolean;
}

const DAY = 86_400_000;

export async function keyFor(addresses: readonly string[], options: KeyOptions = {}): Promise<PrivateKey> {
  const { expired = false, weak = false } = options;
  const { privateKey } = await generateKey({
    userIDs: addresses.map((email) => ({ name: email.split('@')[0] ?? '', email })),
    ...(weak
      ? { type: 'rsa', rsaBits: 1024, config: { minRSABits: 1024 } }
      : { type: 'ecc', curve: 'curve25519Legacy' }),
    date: new Date(Date.now() - 10 * DAY),
    ...(expired ? { keyExpirationTime: (9 * DAY) / 1000 } : {}),
    format: 'object',
  });
  return privateKey;
}

export function armorOf(key: PrivateKey): string {
  return key.toPublic().armor();
}

/** A GnuPG home with the public halves of some keys. */
export async function homeWith(keys: readonly PrivateKey[]): Promise<GpgHome> {
  const home = await createGpgHome();
  const { code, stderr } = await home.run(['--import'], keys.map(armorOf).join('\n'));
  if (code !== 0) throw new Error(`gpg --import: ${stderr}`);
  return home;
}

export async function importOf(
  trial: Trial,
  ...words: readonly string[]
): Promise<Report & { readonly code: number }> {
  const { code, out, err } = await trial.sealpost('import', ...words, '--json');
  const report = JSON.parse(out) as Report & { readonly error?: string };
  if (report.error !== undefined) throw new Error(`import ${words.join(' ')}: ${report.error}: ${err}`);
  return { ...report, code };
}

/** Everything that the directory has, for a comparison. */
export async function contents(trial: Trial): Promise<unknown> {
  const tables = [
    'domains',
    'domain_names',
    'users',
    'addresses',
    'alias_targets',
    'keys',
    'key_events',
    'imported',
  ];
  const rows: unknown[] = [];
  for (const table of tables) {
    const { rows: found } = await trial.database.pool.query(`SELECT * FROM ${table} ORDER BY 1, 2`);
    rows.push([table, found]);
  }
  return rows;
}

/**
 * A run that writes nothing, one that writes, and one that has nothing to write. What is reported is the same in the first two.
 * @returns the report of the run that wrote
 */
export async function movesIn(
  trial: Trial,
  ...words: readonly string[]
): Promise<Report & { readonly code: number }> {
  const before = await contents(trial);
  const dry = await importOf(trial, ...words);
  expect(await contents(trial), 'a dry run writes nothing').toEqual(before);
  const applied = await importOf(trial, ...words, '--apply');
  expect(applied.counts).toEqual(dry.counts);
  const after = await contents(trial);
  const again = await importOf(trial, ...words, '--apply');
  expect(await contents(trial), 'a second run changes nothing').toEqual(after);
  for (const kind of Object.values(again.counts)) {
    expect(kind.added ?? 0).toBe(0);
    expect(kind.changed ?? 0).toBe(0);
  }
  return applied;
}

/** What becomes of a letter to an address: `seal`, `pass`, `defer` or `reject`, and the fingerprints that it is sealed to. */
export async function fateOf(
  trial: Trial,
  address: string,
): Promise<{ readonly action: string; readonly keys: readonly string[] }> {
  const { decision } = (await trial.json('explain', address)) as {
    readonly decision: { readonly action: string; readonly keys: readonly string[] };
  };
  return { action: decision.action, keys: [...decision.keys].sort() };
}

export function fingerprintOf(key: PrivateKey): string {
  return key.getFingerprint().toUpperCase();
}

/** A letter to an address is sealed to these keys. */
export function sealedTo(...keys: readonly PrivateKey[]) {
  return { action: 'seal', keys: keys.map(fingerprintOf).sort() };
}

/** The rows of a report with one outcome, as `kind name`. */
export function told({ rows }: Report, outcome: string): readonly string[] {
  return rows.filter((row) => row.outcome === outcome).map(({ kind, name }) => `${kind} ${name}`);
}
