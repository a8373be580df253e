// Copies of certificates that are known here: each is merged as `key import` does it, one after the other.
import type { Orm } from '../directory/find.ts';
import { ChangeRefused } from '../directory/refused.ts';
import type { ImportOptions, ImportResult } from '../keys/import-options.ts';
import { ownerId, ownerName } from './draft.ts';
import type { Plan } from './plan.ts';
import { tellKey } from './plan-keys.ts';
import type { PlannedKey } from './planning.ts';

interface MergeOptions {
  readonly delimiters: string;
  readonly keys: Pick<ImportOptions, 'policy' | 'actor' | 'now' | 'x509'>;
}

/** Runs the merge of one key, in a transaction of its own or within one. */
export type RunMerge = (merge: (orm: Orm) => Promise<void>) => Promise<void>;

/**
 * Merges, and tells of each in the plan's tally.
 * @param rehearsed nothing else of the plan has been written: who is new is nobody yet
 */
export async function mergeKnown(
  run: RunMerge,
  plan: Pick<Plan, 'again' | 'tally'>,
  options: MergeOptions,
  rehearsed: boolean,
): Promise<void> {
  // In one order everywhere, so that two imports never wait for each other.
  const again = [...plan.again].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  for (const planned of again) await run((orm) => mergeOne(orm, planned, plan, options, rehearsed));
}

async function mergeOne(
  orm: Orm,
  { key, owner, where, isSecondCopy = false }: PlannedKey,
  plan: Pick<Plan, 'tally'>,
  { delimiters, keys }: MergeOptions,
  rehearsed: boolean,
): Promise<void> {
  const told = { key, where, owners: owner === null ? [] : [ownerName(owner)] };
  if (rehearsed && isSecondCopy) return;
  if (rehearsed && owner !== null && (owner.kind === 'user' ? owner.user.id : ownerId(owner)) === null) {
    tellKey(plan, { ...told, outcome: 'added', because: null });
    return;
  }
  const result = await key
    .again(orm, {
      ...keys,
      delimiters,
      source: 'import',
      add: true,
      anyName: true,
      ...(owner === null ? {} : { for: ownerName(owner) }),
    })
    .catch((error: unknown) => {
      if (error instanceof ChangeRefused) return error.message;
      throw error;
    });
  if (isSecondCopy) return;
  if (typeof result === 'string') tellKey(plan, { ...told, outcome: 'refused', because: result });
  // Of a refused key it was told already; only what it taught is new.
  else if (owner !== null || result.result === 'merged')
    tellKey(plan, { ...told, owners: owner === null ? result.owners : told.owners, ...wordsOf(result) });
}

function wordsOf({ result, news, refusal }: ImportResult) {
  switch (result) {
    case 'added':
      return { outcome: 'added' as const, because: null };
    case 'merged':
      return { outcome: 'changed' as const, because: news.join(', ') };
    case 'unchanged':
      return { outcome: 'same' as const, because: null };
    case 'refused':
      return { outcome: 'refused' as const, because: refusal?.sentence ?? null };
  }
}
