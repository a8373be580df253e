// A batch of spool files through one transaction: claimed, sealed, filed, committed, and only then removed.
import type { ClientBase, Pool } from 'pg';
import type { Engine } from '../../src/delivery/engine.ts';
import { mapLimited } from '../../src/pacing/map-limited.ts';
import { QUEUE_FULL, QUEUED, QUEUED_BEFORE } from '../../src/smtp/our-replies.ts';
import type { Lease } from '../../src/smtp/server/budget.ts';
import type { Reply } from '../../src/smtp/types.ts';
import type { Obstacle } from '../queue/decide.ts';
import { fileParcels } from '../queue/file.ts';
import type { SealingContext } from '../queue/seal.ts';
import { backOff, type Claimed, claimFiles, forgetAttempts, noteAttempt, withClaims } from './attempts.ts';
import { removeFiled, setAside } from './maildir.ts';
import { type PreparedFile, prepareFile, type SpoolMail } from './prepare.ts';
import { type ToldFile, tellFiles } from './told.ts';

export interface BatchContext extends SealingContext {
  readonly engine: SealingContext['engine'] & Pick<Engine, 'refresh' | 'tell'>;
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

/**
 * Works on these files. When it throws, nothing has been filed, and every file is where it was.
 * @param forced names that need not wait for their time
 * @throws DatabaseUnavailable and the like; DirectoryUnavailable
 */
export async function runBatch(
  names: readonly string[],
  forced: ReadonlySet<string>,
  context: BatchContext,
): Promise<BatchResult> {
  const started = Date.now();
  const result = await withClaims(context.pool, async (client) => {
    const claims = await claimFiles(client, names, forced);
    const now = Date.now();
    const untouched = [
      ...claims.taken.map((name) => ({ name, dueAt: now + TAKEN_MS })),
      ...claims.early.map(({ name, nextAt }) => ({ name, dueAt: nextAt.getTime() })),
    ];
    // Nothing else that a batch asks tells whether the cached directory is true.
    await context.engine.refresh();
    const prepared = await prepare(claims.claimed, context);
    try {
      return await settle(client, prepared, untouched, context);
    } finally {
      await releaseAll(prepared.map(({ file }) => file));
    }
  });
  await removeFiled(context.spool, result.remove);
  tellFiles(result.told, context.engine, started);
  return result;
}

interface Prepared {
  readonly claim: Claimed;
  /** undefined: the batch was full before. */
  readonly file: PreparedFile | undefined;
}

async function prepare(claimed: readonly Claimed[], context: BatchContext): Promise<readonly Prepared[]> {
  let memory = 0;
  const admit = (bytes: number): Lease | null => {
    const lease = context.admit(bytes);
    if (lease !== null) memory += bytes;
    return lease;
  };
  const files: PreparedFile[] = [];
  const { most } = context.timing();
  try {
    return await mapLimited(claimed, AT_ONCE, async (claim) => {
      if (memory >= BATCH_MEMORY) return { claim, file: undefined };
      const file = await prepareFile(context.spool, claim.name, { most, admit }, context);
      files.push(file);
      return { claim, file };
    });
  } catch (error) {
    // What was sealed beside the one that failed is dropped with it.
    await releaseAll(files);
    throw error;
  }
}

async function releaseAll(files: readonly (PreparedFile | undefined)[]): Promise<void> {
  for (const file of files) if (file?.kind === 'parcel') await file.release();
}

/** Everything between sealing and COMMIT. */
async function settle(
  client: ClientBase,
  prepared: readonly Prepared[],
  untouchedBefore: BatchResult['untouched'],
  context: BatchContext,
): Promise<BatchResult & { readonly remove: readonly string[]; readonly told: readonly ToldFile[] }> {
  const parcels = prepared.flatMap(({ claim, file }) => (file?.kind === 'parcel' ? [{ claim, file }] : []));
  const outcomes = await fileParcels(
    client,
    parcels.map(({ file }) => file.parcel),
  );
  const remove: string[] = [];
  const waiting: BatchResult['waiting'][number][] = [];
  const givenUp: Unfiled[] = [];
  const untouched = [...untouchedBefore];
  const ended: Claimed[] = [];
  const told: ToldFile[] = [];
  let filed = 0;

  const fail = async (
    claim: Claimed,
    unfiled: Unfiled & { readonly mail: SpoolMail | null },
    userIds: readonly number[],
    lasting: boolean,
  ) => {
    const { maxAge, leastBackOff, mostBackOff } = context.timing();
    const since = Math.min(unfiled.arrived.getTime(), claim.firstAt?.getTime() ?? Number.POSITIVE_INFINITY);
    const over = lasting || Date.now() - since >= maxAge;
    const dueAt = Date.now() + backOff(claim.attempts + 1, leastBackOff, mostBackOff);
    await noteAttempt(client, claim.name, unfiled.because, new Date(dueAt));
    const { mail, ...rest } = unfiled;
    if (mail !== null) told.push({ ...rest, mail, event: over ? 'refused' : 'deferred' });
    if (over) givenUp.push(rest);
    else waiting.push({ ...rest, dueAt, userIds });
  };

  for (const [index, { claim, file }] of parcels.entries()) {
    const outcome = outcomes[index];
    const { name } = claim;
    if (outcome === 'filed' || outcome === 'filed before') {
      if (outcome === 'filed') filed += file.parcel.copies.length;
      told.push({
        name,
        mail: file.mail,
        event: outcome === 'filed' ? 'filed' : 'duplicate',
        because: outcome,
        reply: outcome === 'filed' ? QUEUED : QUEUED_BEFORE,
      });
      remove.push(name);
      ended.push(claim);
    } else if (outcome === 'over quota') {
      const userIds = file.parcel.copies.map(({ userId }) => userId);
      const { mail, arrived } = file;
      await fail(claim, { name, mail, because: 'over quota', reply: QUEUE_FULL, arrived }, userIds, false);
    } else untouched.push({ name, dueAt: Date.now() + LATER_MS });
  }
  for (const { claim, file } of prepared) {
    const { name } = claim;
    if (file === undefined) untouched.push({ name, dueAt: 0 });
    else if (file.kind === 'no room') untouched.push({ name, dueAt: Date.now() + LATER_MS });
    else if (file.kind === 'gone') ended.push(claim);
    else if (file.kind === 'broken') {
      await setAside(context.spool, name, file.because);
      context.metrics.receiverFailed.inc({ because: 'not a message' });
      context.logger.warn(
        { event: 'spool_file_failed', file: name, reason: file.because },
        'a spool file was set aside in failed/',
      );
      ended.push(claim);
    } else if (file.kind === 'wait' || file.kind === 'refuse') {
      const { mail, because, reply, arrived, userIds } = file;
      await fail(claim, { name, mail, because, reply, arrived }, userIds, file.kind === 'refuse');
    }
  }
  await forgetAttempts(
    client,
    ended.filter(({ attempts }) => attempts > 0).map(({ name }) => name),
  );
  return { filed, waiting, givenUp, untouched, remove, told };
}
