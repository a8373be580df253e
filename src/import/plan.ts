// The plan of an import: what the rows of a source add to the directory or change in it, what is refused and why, and what the
// source made and has no longer. Decides only: rows and what is here in, a plan out.
import { domainNameOf } from '../address/normalise.ts';
import { createBreather } from '../pacing/breather.ts';
import { addDomain, createDraft, type Draft, readAddress } from './draft.ts';
import type { AliasRow, DomainRow, LeftRow, RefusedRow, Source, UserRow } from './formats/rows.ts';
import { createTally, type TallyDraft, tell } from './outcome.ts';
import { planAlias } from './plan-aliases.ts';
import { planDomain } from './plan-domains.ts';
import { type PlannedKeys, planKeys } from './plan-keys.ts';
import { planUser } from './plan-users.ts';
import { type JudgedRow, type MadeRow, note, type Planning, type PlanOptions, shown } from './planning.ts';
import type { KnownRow, Snapshot } from './snapshot.ts';

/** Everything that a source has, its keys judged. */
export interface ReadRows {
  readonly domains: readonly DomainRow[];
  readonly users: readonly UserRow[];
  readonly aliases: readonly AliasRow[];
  readonly keys: readonly JudgedRow[];
  readonly others: readonly (RefusedRow | LeftRow)[];
}

export interface Plan extends PlannedKeys {
  /** With what is new and changed marked. */
  readonly draft: Draft;
  readonly made: readonly MadeRow[];
  /** Whether the source made this and has it no longer; what is disabled already counts no more. */
  readonly isGone: (row: KnownRow) => boolean;
  readonly tally: TallyDraft;
}

/** Takes its time in small steps: `sync` plans in the process that filters mail. */
export async function makePlan(
  rows: ReadRows,
  snapshot: Snapshot,
  source: Pick<Source, 'addsDomains' | 'addsOwners'>,
  options: PlanOptions,
): Promise<Plan> {
  const breathe = createBreather();
  const planning: Planning = {
    draft: await createDraft(snapshot, options.delimiters),
    snapshot,
    source,
    options,
    tally: createTally(),
    made: [],
    seen: { user: new Set(), alias: new Set(), key: new Set() },
    seenRefused: new Set(),
  };
  const each = async <Row>(all: readonly Row[], take: (row: Row) => void): Promise<void> => {
    for (const row of all) {
      take(row);
      await breathe();
    }
  };
  for (const { of, kind, ...row } of rows.others)
    tell(planning.tally, { kind: of, outcome: kind, ...row, name: shown(row.name) });
  for (const name of options.domains) addOurs(planning, name);
  await each(rows.domains, (row) => planDomain(planning, row));
  await each(rows.users, (row) => planUser(planning, row));
  await each(rows.aliases, (row) => planAlias(planning, row));
  const keys = await planKeys(planning, rows.keys, each);
  const { draft, made, tally } = planning;
  return { draft, made, tally, isGone: goneTest(planning, rows), ...keys };
}

/** What was refused is there all the same. A key that cannot be read may be any of those that are missing. */
function goneTest({ draft, seen, seenRefused }: Planning, rows: ReadRows): Plan['isGone'] {
  const refused = rows.others.filter(({ kind }) => kind === 'refused');
  const names = new Set(refused.map(({ of, name }) => `${of} ${readAddress(draft, name)?.address ?? name}`));
  const unread =
    refused.some(({ of }) => of === 'key') || rows.keys.some(({ key }) => key.fingerprint === null);
  return ({ kind, name, disabled }) => {
    if (disabled || seen[kind].has(name) || names.has(`${kind} ${name}`)) return false;
    return kind !== 'key' || !(unread || seenRefused.has(name.split(' ')[0] ?? ''));
  };
}

/** A domain that the administrator named. */
function addOurs(planning: Planning, typed: string): void {
  const name = domainNameOf(typed);
  const where = '--domain';
  if (name === null)
    note(planning, 'domain', 'refused', { name: typed, where }, 'expected a domain name such as example.org');
  else if (!planning.draft.domains.has(name) && !planning.draft.otherNames.has(name)) {
    addDomain(planning.draft, name);
    note(planning, 'domain', 'added', { name, where });
  }
}

/** Whether so much has gone at once that the source itself may be damaged: more than 5 % of what it made. Pure. */
export function isSuspicious(gone: number, made: number): boolean {
  return gone > made * SUSPICIOUS_SHARE;
}

const SUSPICIOUS_SHARE = 0.05;
