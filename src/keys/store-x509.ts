// X.509 certificates in the database. A certificate never changes: a copy of a known one brings no news but its source.
import { eq, sql } from 'drizzle-orm';
import { keys } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import { strongerOf } from './admit.ts';
import type { ImportOptions, ImportResult } from './import-options.ts';
import { insertKey } from './insert.ts';
import { type JudgedX509, refusalAndLapse } from './judge-x509.ts';
import {
  belongsTo,
  ensureOwner,
  forgetContact,
  holdOwners,
  type KeyOwner,
  ownerInWords,
  ownerNamed,
  ownersAmong,
  sameOwner,
} from './owner.ts';
import { type KeyRefusal, refuseDisabled } from './refusals.ts';
import { holdKeys, type OwnedKey } from './rows.ts';
import { refuseUnnamed } from './x509-refusals.ts';

/** Stores one judged certificate for those whom it names, or for whom `options.for` says. */
export async function importX509(tx: Orm, judged: JudgedX509, options: ImportOptions): Promise<ImportResult> {
  if (judged.facts === null) return outcome(null, 'refused', [], judged.refusal);
  const { facts } = judged;
  const { refusal, lapsed } = refusalAndLapse(judged);
  const { fingerprint } = facts;
  // Two imports at the same time would each find that nobody has it yet.
  const rows = await holdKeys(tx, fingerprint);
  const known = rows.map(({ owner }) => owner);
  const wanted =
    options.for === undefined
      ? await ownersAmong(tx, facts.addresses, options.delimiters)
      : [await ownerNamed(tx, options.for, options.delimiters)];
  await holdOwners(tx, wanted);
  const fresh = wanted.filter((owner) => !known.some((other) => sameOwner(owner, other)));
  if (fresh.length === 0 && rows.length === 0) {
    return outcome(fingerprint, 'refused', [], refusal ?? refuseUnnamed(facts));
  }
  if (refusal !== null) {
    const result = rows.length > 0 && fresh.length === 0 ? 'unchanged' : 'refused';
    return outcome(fingerprint, result, known, result === 'unchanged' ? null : refusal);
  }
  for (const row of rows) await learn(tx, row, judged.pinned, options);
  if (fresh.length === 0) return outcome(fingerprint, 'unchanged', known, null);
  const disabled = refuseDisabled(rows);
  if (disabled !== null) return outcome(fingerprint, 'refused', known, disabled);
  const added: KeyOwner[] = [];
  let weaker: KeyRefusal | null = null;
  for (const owner of fresh) {
    const stored = await ensureOwner(tx, owner);
    const isOwn = await belongsTo(tx, stored, options.delimiters);
    const candidate = { fingerprint, kind: 'x509', names: facts.addresses, isOwn, lapsed } as const;
    const refused = await insertKey(tx, stored, candidate, options, async () => ({
      certificate: judged.certificate,
      expires_at: new Date(facts.notAfter),
      revoked: false,
      pinned: judged.pinned,
    }));
    if (refused === null) added.push(stored);
    else if (stored.kind === 'contact') await forgetContact(tx, stored.id);
    weaker = refused ?? weaker;
  }
  if (added.length === 0) return outcome(fingerprint, 'refused', known, weaker);
  const result = outcome(fingerprint, 'added', [...known, ...added], weaker);
  return lapsed === null ? result : { ...result, expired: lapsed.sentence };
}

/** A copy may come from a stronger source, or from a chain that is trusted where the first one had to be pinned. */
async function learn(tx: Orm, { row }: OwnedKey, pinned: boolean, options: ImportOptions): Promise<void> {
  const source = strongerOf(row.source, options.source);
  const stillPinned = row.pinned && pinned;
  if (source === row.source && stillPinned === row.pinned) return;
  await tx
    .update(keys)
    .set({ source, pinned: stillPinned, updated_at: sql`now()` })
    .where(eq(keys.id, row.id));
}

function outcome(
  fingerprint: string | null,
  result: ImportResult['result'],
  owners: readonly KeyOwner[],
  refusal: KeyRefusal | null,
): ImportResult {
  return { fingerprint, result, owners: owners.map(ownerInWords), news: [], refusal };
}
