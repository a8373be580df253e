// Fingerprints of TLS client certificates, as an administrator adds, lists and removes them.
import { asc, eq } from 'drizzle-orm';
import type { Database } from '../database/open.ts';
import { clientFingerprints } from '../database/schema.ts';
import { normaliseFingerprint } from './fingerprint.ts';
import { ChangeRefused } from './refused.ts';

/** A fingerprint as the commands print it. */
export interface FingerprintView {
  /** As Postfix writes it, with colons. */
  readonly fingerprint: string;
  /** The last day (UTC) on which it counts, YYYY-MM-DD. */
  readonly expires: string;
  readonly expired: boolean;
}

type Orm = Pick<Database, 'orm'>;

/** @throws ChangeRefused where it is no fingerprint */
function storedForm(typed: string): string {
  const fingerprint = normaliseFingerprint(typed);
  if (fingerprint === null) {
    throw new ChangeRefused(
      `found ${JSON.stringify(typed)}, expected the fingerprint of a certificate in hexadecimal; ` +
        '"openssl x509 -in client.pem -noout -fingerprint -sha256" prints it',
    );
  }
  return fingerprint;
}

/**
 * Reads a calendar date.
 * @returns YYYY-MM-DD
 * @throws ChangeRefused
 */
export function readDate(typed: string): string {
  const date = /^\d{4}-\d\d-\d\d$/.test(typed) ? new Date(`${typed}T00:00:00Z`) : null;
  if (date === null || Number.isNaN(date.getTime()) || !date.toISOString().startsWith(typed)) {
    throw new ChangeRefused(`found the date ${JSON.stringify(typed)}, expected one such as 2027-12-31`);
  }
  return typed;
}

function view(row: { readonly fingerprint: string; readonly expires_on: string }): FingerprintView {
  const expired = row.expires_on < new Date().toISOString().slice(0, 10);
  return { fingerprint: row.fingerprint, expires: row.expires_on, expired };
}

/** Adds a fingerprint, or gives a known one another date. @throws ChangeRefused */
export async function addFingerprint({ orm }: Orm, typed: string, expires: string): Promise<FingerprintView> {
  const row = { fingerprint: storedForm(typed), expires_on: readDate(expires) };
  await orm
    .insert(clientFingerprints)
    .values(row)
    .onConflictDoUpdate({ target: clientFingerprints.fingerprint, set: { expires_on: row.expires_on } });
  return view(row);
}

/** All of them, the ones that expire first at the top. */
export async function listFingerprints({ orm }: Orm): Promise<readonly FingerprintView[]> {
  const rows = await orm
    .select()
    .from(clientFingerprints)
    .orderBy(asc(clientFingerprints.expires_on), asc(clientFingerprints.fingerprint));
  return rows.map(view);
}

/** @throws ChangeRefused where it is not known */
export async function removeFingerprint({ orm }: Orm, typed: string): Promise<FingerprintView> {
  const fingerprint = storedForm(typed);
  const [row] = await orm
    .delete(clientFingerprints)
    .where(eq(clientFingerprints.fingerprint, fingerprint))
    .returning();
  if (row === undefined)
    throw new ChangeRefused(`there is no fingerprint ${fingerprint}; see "sealpost fingerprint list"`);
  return view(row);
}
