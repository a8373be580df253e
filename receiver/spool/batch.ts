// A batch of spool files through one transaction: claimed, sealed, filed, committed, and only then removed.
import type { ClientBase, Pool } from 'pg';
import type { Engine } from '../../src/delivery/engine.ts';
import { mapLimited } from '../../src/pacing/map-limited.ts';
import type { Lease } from '../../src/smtp/server/budget.ts';
import type { Reply } from '../../src/smtp/types.ts';
import type { Obstacle } from '../queue/decide.ts';
import { fileParcels } from '../queue/file.ts';
import type { SealingContext } from '../queue/seal.ts';
import { backOff, beginClaims, type Claimed, claimFiles, forgetAttempts, noteAttempt } from './attempts.ts';
import { type Item, prepareItem } from './item.ts';
import { removeFiled, setAside } from './maildir.ts';

export interface BatchParts extends SealingContext {
  readonly engine: SealingContext['engine'] & Pick<Engine, 'refresh'>;
  readonly pool: Pool;
  readonly spool: string;
  readonly admit: (bytes: number) => Lease | null;
  readonly timing: () => {
    readonly maxAge: number;
    readonly leastBackOff: number;
    readonly mostBackOff: number;
    /** Bytes that one file may have. */
    readonly most: number;
  };
}

/** Why the queue does not take a file that waits or is given up. */
export interface Unfiled {
  readonly name: string;
  readonly because: Obstacle;
  readonly reply: Reply;
  readonly arrived: Date;
}

/** What is to happen to the files of a batch; those that are not named have come to their end. */
export interface BatchResult {
  readonly filed: number;
  /** Tried in vain: again at this moment, or when one of these users changes. */
  readonly waiting: readonly (Unfiled & { readonly dueAt: number; readonly userIds: readonly number[] })[];
  /** Not to be tried any more: bounced, or set aside. */
  readonly givenUp: readonly Unfiled[];
  /** Not touched this time. */
  readonly untouched: readonly { readonly name: string; readonly dueAt: number }[];
}

/** Memory that one batch takes at most, the last file's excepted. */
const BATCH_MEMORY = 16 * 2 ** 20;
const AT_ONCE = 8;
/** Another receiver has it: it will be gone when we look again. */
const TAKEN_MS = 5_000;
/** No memory, or the user went while we sealed. */
const LATER_MS = 1_000;

const OVER_QUOTA: Reply = {
  code: 452,
  enhanced: '4.2.2',
  text: 'The queue of this recipient is full',
};

/**
 * Works on these files. When it throws, nothing has been filed, and every file is where it was.
 * @param forced names that need not wait for their time
 * @throws DatabaseUnavailable and the like; DirectoryUnavailable
 */
export async function runBatch(
  names: readonly string[],
  forced: ReadonlySet<string>,
  parts: BatchParts,
): Promise<BatchResult> {
  const client = await parts.pool.connect();
  let broken: Error | undefined;
  try {
    await beginClaims(client);
    const claims = await claimFiles(client, names, forced);
    const now = Date.now();
    const untouched = [
      ...claims.taken.map((name) => ({ name, dueAt: now + TAKEN_MS })),
      ...claims.early.map(({ name, nextAt }) => ({ name, dueAt: nextAt.getTime() })),
    ];
    // Nothing else that a batch asks tells whether the cached directory is true.
    await parts.engine.refresh();
    const prepared = await prepare(claims.claimed, parts);
    try {
      const result = await settle(client, prepared, untouched, parts);
      await client.query('COMMIT');
      await removeFiled(parts.spool, result.remove);
      return result;
    } finally {
      await releaseAll(prepared.map(({ item }) => item));
    }
  } catch (error) {
    broken = error instanceof Error ? error : new Error(String(error));
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    client.release(broken);
  }
}

interface Prepared {
  readonly claim: Claimed;
  /** undefined: the batch was full before. */
  readonly item: Item | undefined;
}

async function prepare(claimed: readonly Claimed[], parts: BatchParts): Promise<readonly Prepared[]> {
  let memory = 0;
  const admit = (bytes: number): Lease | null => {
    const lease = parts.admit(bytes);
    if (lease !== null) memory += bytes;
    return lease;
  };
  const items: Item[] = [];
  const { most } = parts.timing();
  try {
    return await mapLimited(claimed, AT_ONCE, async (claim) => {
      if (memory >= BATCH_MEMORY) return { claim, item: undefined };
      const item = await prepareItem(parts.spool, claim.name, { most, admit }, parts);
      items.push(item);
      return { claim, item };
    });
  } catch (error) {
    // What was sealed beside the one that failed is dropped with it.
    await releaseAll(items);
    throw error;
  }
}

async function releaseAll(items: readonly (Item | undefined)[]): Promise<void> {
  for (const item of items) if (item?.kind === 'parcel') await item.release();
}

/** Everything between sealing and COMMIT. */
async function settle(
  client: ClientBase,
  prepared: readonly Prepared[],
  untouchedBefore: BatchResult['untouched'],
  parts: BatchParts,
): Promise<BatchResult & { readonly remove: readonly string[] }> {
  const parcels = prepared.flatMap(({ claim, item }) => (item?.kind === 'parcel' ? [{ claim, item }] : []));
  const outcomes = await fileParcels(
    client,
    parcels.map(({ item }) => item.parcel),
  );
  const remove: string[] = [];
  const waiting: BatchResult['waiting'][number][] = [];
  const givenUp: Unfiled[] = [];
  const untouched = [...untouchedBefore];
  const ended: Claimed[] = [];
  let filed = 0;

  const fail = async (claim: Claimed, unfiled: Unfiled, userIds: readonly number[], lasting: boolean) => {
    const { maxAge, leastBackOff, mostBackOff } = parts.timing();
    const since = Math.min(unfiled.arrived.getTime(), claim.firstAt?.getTime() ?? Number.POSITIVE_INFINITY);
    const over = lasting || Date.now() - since >= maxAge;
    const dueAt = Date.now() + backOff(claim.attempts + 1, leastBackOff, mostBackOff);
    await noteAttempt(client, claim.name, unfiled.because, new Date(dueAt));
    if (over) givenUp.push(unfiled);
    else waiting.push({ ...unfiled, dueAt, userIds });
  };

  for (const [index, { claim, item }] of parcels.entries()) {
    const outcome = outcomes[index];
    const { name } = claim;
    if (outcome === 'filed' || outcome === 'filed before') {
      if (outcome === 'filed') filed += item.parcel.copies.length;
      remove.push(name);
      ended.push(claim);
    } else if (outcome === 'over quota') {
      const userIds = item.parcel.copies.map(({ userId }) => userId);
      const unfiled: Unfiled = { name, because: 'over quota', reply: OVER_QUOTA, arrived: item.arrived };
      await fail(claim, unfiled, userIds, false);
    } else untouched.push({ name, dueAt: Date.now() + LATER_MS });
  }
  for (const { claim, item } of prepared) {
    const { name } = claim;
    if (item === undefined) untouched.push({ name, dueAt: 0 });
    else if (item.kind === 'no room') untouched.push({ name, dueAt: Date.now() + LATER_MS });
    else if (item.kind === 'gone') ended.push(claim);
    else if (item.kind === 'broken') {
      await setAside(parts.spool, name, item.because);
      parts.metrics.receiverFailed.inc({ because: 'not a message' });
      parts.logger.warn({ file: name, reason: item.because }, 'a spool file was set aside in failed/');
      ended.push(claim);
    } else if (item.kind === 'wait' || item.kind === 'refuse') {
      const { because, reply, arrived, userIds } = item;
      await fail(claim, { name, because, reply, arrived }, userIds, item.kind === 'refuse');
    }
  }
  await forgetAttempts(
    client,
    ended.filter(({ attempts }) => attempts > 0).map(({ name }) => name),
  );
  return { filed, waiting, givenUp, untouched, remove };
}
