// Aliases of a source compared with ours. Pure.
import { toAddress } from '../address/normalise.ts';
import {
  answering,
  type Draft,
  type DraftAlias,
  type DraftTarget,
  type DraftUser,
  readAddress,
} from './draft.ts';
import type { AliasRow } from './formats/rows.ts';
import { note, type Planning, placeOf, shown } from './planning.ts';
import type { UnlinkedTarget } from './snapshot.ts';

/**
 * The alias is added, or changed. Of an alias that the source made the source says all targets; one that was here before only
 * gets more.
 */
export function planAlias(planning: Planning, row: AliasRow): void {
  const { draft, made } = planning;
  const place = placeOf(planning, row);
  if (place === null) return;
  const { address, domain } = place;
  const told = { name: address, where: row.where };
  const refuse = (because: string): void => note(planning, 'alias', 'refused', told, because);
  const targets = readTargets(planning, row, address);
  if (typeof targets === 'string') {
    refuse(targets);
    return;
  }
  const found = draft.addresses.get(address);
  if (found !== undefined && found.kind !== 'alias') {
    refuse(
      found.kind === 'user'
        ? `it is taken by a user; see "sealpost user show ${address}"`
        : `it is known as a contact with keys; remove them first, see "sealpost key list ${address}"`,
    );
    return;
  }
  if (found !== undefined && found.alias.where !== null) {
    refuse(`it is there twice: ${found.alias.where} has it already`);
    return;
  }
  if (found === undefined) {
    const alias: DraftAlias = {
      id: null,
      own: true,
      address,
      domain,
      targets,
      where: row.where,
      changed: false,
    };
    draft.addresses.set(address, { kind: 'alias', alias });
    made.push({ kind: 'alias', name: address, alias });
    note(planning, 'alias', 'added', told, targets.map(({ target }) => target).join(', '));
    return;
  }
  const { alias } = found;
  alias.where = row.where;
  const before = alias.targets;
  const missing = targets.filter((each) => !before.some((other) => isSame(each, other)));
  const extra = alias.own ? before.filter((each) => !targets.some((other) => isSame(each, other))) : [];
  if (missing.length === 0 && extra.length === 0) {
    note(planning, 'alias', 'same', told);
    return;
  }
  alias.targets = [...before.filter((each) => !extra.includes(each)), ...missing].map((each) =>
    linked(planning, each),
  );
  alias.changed = true;
  const words = [...missing.map(({ target }) => `+${target}`), ...extra.map(({ target }) => `-${target}`)];
  note(planning, 'alias', 'changed', told, words.join(' '));
}

function isSame(a: DraftTarget, b: DraftTarget): boolean {
  return a.target === b.target || (a.user !== null && a.user === b.user);
}

/** @returns a sentence where one of them is none: an alias with fewer readers would lose mail */
function readTargets(planning: Planning, row: AliasRow, own: string): readonly DraftTarget[] | string {
  const targets = new Map<string, DraftTarget>();
  for (const typed of row.targets) {
    const read = readAddress(planning.draft, typed);
    if (read === null || read.parts.local === '')
      return `found the target ${JSON.stringify(shown(typed))}, expected an address such as alice@example.org`;
    const target = toAddress(read.parts, read.domain?.fold ?? false);
    if (read.domain !== null && read.address === own) return 'it leads to itself: its mail would be deferred';
    targets.set(target, { target, user: read.domain === null ? null : userAt(planning, read) });
  }
  return targets.size === 0 ? 'it leads nowhere' : [...targets.values()];
}

function userAt({ draft }: Pick<Planning, 'draft'>, read: Parameters<typeof answering>[1]): DraftUser | null {
  const found = answering(draft, read);
  return found?.kind === 'user' ? found.user : null;
}

/** The target with the user that it leads to, if there is one by now. */
function linked(planning: Planning, each: DraftTarget): DraftTarget {
  const read = each.user === null ? readAddress(planning.draft, each.target) : null;
  return read === null || read.domain === null ? each : { ...each, user: userAt(planning, read) };
}

/** A target that was here before its user, and names that user by id from now on. */
export interface Link {
  readonly aliasId: number;
  readonly position: number;
  readonly user: DraftUser;
}

/** Which targets of aliases that are here lead to users whom this is true of. */
export function linksTo(
  draft: Draft,
  unlinked: readonly UnlinkedTarget[],
  isMeant: (user: DraftUser) => boolean,
): readonly Link[] {
  return unlinked.flatMap(({ aliasId, position, target }) => {
    const read = readAddress(draft, target);
    const user = read === null || read.domain === null ? null : userAt({ draft }, read);
    return user !== null && isMeant(user) ? [{ aliasId, position, user }] : [];
  });
}
