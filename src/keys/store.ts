// Keys in the database: import with merging, status, removal. Every change is one transaction that names its actor for the
// audit, and a new key is in place before an old one goes.

import { eq, sql } from 'drizzle-orm';
import type { Database } from '../database/open.ts';
import { keys } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import { changeKeys, nameActor } from './actor.ts';
import { strongerOf } from './admit.ts';
import { canonical } from './canonical.ts';
import { type Components, readComponents, write } from './components.ts';
import type { CertificateFacts } from './facts.ts';
import { type Judged, lapsedOnly } from './import.ts';
import type { ImportOptions, ImportResult } from './import-options.ts';
import { columnsOf, insertKey } from './insert.ts';
import { inspectComponents } from './inspect.ts';
import { judgeBoth } from './judge-both.ts';
import { mergeCertificates } from './merge.ts';
import { leftOutSubkeys, originalColumn } from './original.ts';
import {
  belongsTo,
  ensureOwner,
  forgetContact,
  holdContacts,
  holdOwners,
  type KeyOwner,
  ownerInWords,
  ownerNamed,
  ownersAmong,
  sameOwner,
} from './owner.ts';
import { type KeyRefusal, refuseByFacts, refuseDisabled, refuseUnknownAddress } from './refusals.ts';
import { holdKeys, keysByFingerprint, type OwnedKey } from './rows.ts';
import { importX509 } from './store-x509.ts';

/** Runs one change of keys, as a transaction or within one. */
type RunChange = <T>(change: (tx: Orm) => Promise<T>) => Promise<T>;

/**
 * Imports an upload: every certificate in it on its own, each in a transaction of its own.
 * @throws ChangeRefused where `for` names nobody; nothing is stored then
 */
export function importKeys(
  database: Pick<Database, 'orm'>,
  handedOver: Uint8Array,
  options: ImportOptions,
): Promise<readonly ImportResult[]> {
  return importEach(database.orm, handedOver, options, (change) =>
    changeKeys(database, options.actor, change),
  );
}

/** The same within a transaction, which also does what belongs to it. */
export async function importKeysWithin(
  tx: Orm,
  handedOver: Uint8Array,
  options: ImportOptions,
): Promise<readonly ImportResult[]> {
  await nameActor(tx, options.actor);
  return importEach(tx, handedOver, options, (change) => change(tx));
}

async function importEach(
  orm: Orm,
  handedOver: Uint8Array,
  options: ImportOptions,
  run: RunChange,
): Promise<readonly ImportResult[]> {
  if (options.for !== undefined) await ownerNamed(orm, options.for, options.delimiters);
  const results: ImportResult[] = [];
  const { x509, openpgp } = await judgeBoth(handedOver, options);
  for (const judged of x509) results.push(await run((tx) => importX509(tx, judged, options)));
  for (const judged of openpgp) {
    results.push(
      judged.components === null
        ? nothingToStore(judged)
        : await run((tx) => importJudged(tx, judged, options)),
    );
  }
  return results;
}

function nothingToStore(judged: Judged): ImportResult {
  const refusal = judged.verdict === 'refused' ? judged.refusal : null;
  return { fingerprint: refusal?.fingerprint ?? null, result: 'refused', owners: [], news: [], refusal };
}

/** Stores one judged OpenPGP certificate for those whom it names, or for whom `options.for` says; known copies are merged. */
export async function importJudged(tx: Orm, judged: Judged, options: ImportOptions): Promise<ImportResult> {
  const { components, facts, given } = judged;
  if (components === null || facts === null || given === null) return nothingToStore(judged);
  return importOne(tx, { judged, components, facts, given }, options);
}

interface Copy {
  readonly judged: Judged;
  readonly components: Components;
  readonly facts: CertificateFacts;
  readonly given: Uint8Array;
}

async function importOne(tx: Orm, copy: Copy, options: ImportOptions): Promise<ImportResult> {
  const { fingerprint } = copy.components;
  // Two imports of one certificate at the same time would each miss what the other one learned.
  const rows = await holdKeys(tx, fingerprint);

  const addresses = copy.facts.userIds.flatMap(({ address, valid, revoked }) =>
    address !== null && valid && !revoked ? [address] : [],
  );
  const wanted =
    options.for === undefined
      ? await ownersAmong(tx, addresses, options.delimiters)
      : [await ownerNamed(tx, options.for, options.delimiters)];
  await holdOwners(tx, wanted);

  const merged = await mergeIntoRows(tx, rows, copy, options);
  const known = merged.owners;
  const fresh = wanted.filter((owner) => !known.some((other) => sameOwner(owner, other)));
  const news = [...new Set(merged.news)];
  const asMerged = news.length > 0 ? ('merged' as const) : ('unchanged' as const);
  const outcome = (
    result: ImportResult['result'],
    owners: readonly KeyOwner[],
    refusal: KeyRefusal | null,
  ): ImportResult => ({
    fingerprint,
    result,
    owners: owners.map(ownerInWords),
    news,
    refusal,
  });

  if (fresh.length === 0) {
    return rows.length > 0
      ? outcome(asMerged, known, unprovenRevocation(copy.judged))
      : outcome(
          'refused',
          [],
          copy.judged.verdict === 'refused'
            ? copy.judged.refusal
            : refuseUnknownAddress(fingerprint, addresses),
        );
  }
  // A copy that was made before the key was revoked elsewhere is no way to give it to somebody else.
  const learned = merged.best;
  const facts = await inspectComponents(learned, options.policy);
  const byFacts = refuseByFacts(facts, options.now);
  const lapsed = lapsedOnly(facts, byFacts);
  const refusal =
    copy.judged.verdict === 'refused'
      ? copy.judged.refusal
      : (refuseDisabled(rows) ?? (lapsed === null ? byFacts : null));
  if (refusal !== null)
    return outcome(rows.length > 0 && options.for === undefined ? asMerged : 'refused', known, refusal);

  const original = await originalColumn([copy.given, ...rows.map(({ row }) => givenOf(row))]);
  const added: KeyOwner[] = [];
  let refusedTo: KeyRefusal | null = null;
  for (const owner of fresh) {
    const stored = await ensureOwner(tx, owner);
    const candidate = { components: learned, names: addresses, lapsed, original };
    const refused = await addKey(tx, stored, candidate, options);
    if (refused === null) added.push(stored);
    else if (stored.kind === 'contact') await forgetContact(tx, stored.id);
    refusedTo = refused ?? refusedTo;
  }
  if (added.length === 0) return outcome('refused', known, refusedTo);
  const result = outcome('added', [...known, ...added], refusedTo);
  return lapsed === null ? result : { ...result, expired: lapsed.sentence };
}

/** Every owner's row learns from the copy; the copy with what all of them know comes back as `best`. */
async function mergeIntoRows(
  tx: Orm,
  rows: readonly OwnedKey[],
  { components: copy, given }: Copy,
  options: ImportOptions,
): Promise<{
  readonly owners: readonly KeyOwner[];
  readonly news: readonly string[];
  readonly best: Components;
}> {
  const owners: KeyOwner[] = [];
  const news: string[] = [];
  let best = copy;
  for (const { row, owner } of rows) {
    const stored = await readComponents(row.certificate);
    const belongs = await belongsTo(tx, owner, options.delimiters);
    const reduced = { ...copy, users: (await canonical(copy, belongs, options.policy)).users };
    const { components, facts, news: learned } = await mergeCertificates(stored, reduced, options.policy);
    const certificate = write(components);
    const source = strongerOf(row.source, options.source);
    const columns = columnsOf(facts);
    const original = await originalColumn([givenOf(row), given]);
    if (
      Buffer.compare(certificate, row.certificate) !== 0 ||
      !sameBytes(original, row.original) ||
      source !== row.source ||
      columns.revoked !== row.revoked
    ) {
      await tx
        .update(keys)
        .set({ certificate, original, source, ...columns, updated_at: sql`now()` })
        .where(eq(keys.id, row.id));
    }
    owners.push(owner);
    const leftOut = leftOutSubkeys(original ?? certificate, certificate);
    const isNew = leftOut > leftOutSubkeys(givenOf(row), row.certificate);
    news.push(...learned, ...(isNew ? ['a subkey that is not used is new'] : []));
    best = (await mergeCertificates(best, stored, options.policy)).components;
  }
  return { owners, news, best };
}

/** Adds a key to an owner who has not got it; returns a refusal where they do not get it. */
async function addKey(
  tx: Orm,
  owner: KeyOwner & { readonly id: number },
  {
    components,
    names,
    lapsed,
    original,
  }: {
    readonly components: Components;
    readonly names: readonly string[];
    readonly lapsed: KeyRefusal | null;
    readonly original: Buffer | null;
  },
  options: ImportOptions,
): Promise<KeyRefusal | null> {
  const { policy } = options;
  const { fingerprint } = components;
  const isOwn = await belongsTo(tx, owner, options.delimiters);
  const candidate = { fingerprint, kind: 'openpgp', names, isOwn, lapsed } as const;
  return insertKey(tx, owner, candidate, options, async () => {
    const slim = await canonical(components, isOwn, policy);
    return { certificate: write(slim), original, ...columnsOf(await inspectComponents(slim, policy)) };
  });
}

/** What is known of what was given: rows of older versions have the reduced form only. */
function givenOf({ original, certificate }: OwnedKey['row']): Uint8Array {
  return original ?? certificate;
}

function sameBytes(a: Buffer | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0;
}

/** It says nothing of a key in use that could be obeyed, and must not go unheard. */
function unprovenRevocation(judged: Judged): KeyRefusal | null {
  return judged.verdict === 'refused' && judged.refusal.code === 'designated revoker' ? judged.refusal : null;
}

/** Disables or enables a key for all its owners, and returns them; none: the fingerprint is not known. */
export async function setKeyStatus(
  database: Pick<Database, 'orm'>,
  fingerprint: string,
  status: 'active' | 'disabled',
  actor: string,
): Promise<readonly OwnedKey[]> {
  return changeKeys(database, actor, async (tx) => {
    await holdKeys(tx, fingerprint);
    await tx.update(keys).set({ status, updated_at: sql`now()` }).where(eq(keys.fingerprint, fingerprint));
    return keysByFingerprint(tx, fingerprint);
  });
}

/** Removes a key from all its owners, and returns it as it was; contacts without a key are forgotten. */
export async function removeKey(
  database: Pick<Database, 'orm'>,
  fingerprint: string,
  actor: string,
): Promise<readonly OwnedKey[]> {
  return changeKeys(database, actor, async (tx) => {
    await holdContacts(tx, fingerprint);
    const removed = await keysByFingerprint(tx, fingerprint);
    await tx.delete(keys).where(eq(keys.fingerprint, fingerprint));
    for (const { owner } of removed) {
      if (owner.kind === 'contact' && owner.id !== null) await forgetContact(tx, owner.id);
    }
    return removed;
  });
}
