// Users of a source compared with ours. Pure.
import { toAddress } from '../address/normalise.ts';
import { SETTING_NAMES, type SettingsOverride } from '../config/settings.ts';
import { addUser, type DraftUser, readAddress, touch } from './draft.ts';
import type { UserRow } from './formats/rows.ts';
import { note, type Planning, placeOf, shown } from './planning.ts';

/** The user is added, or gets what the source says of it. */
export function planUser(planning: Planning, row: UserRow): void {
  const { draft, snapshot, made } = planning;
  const place = placeOf(planning, row);
  if (place === null) return;
  const { address, domain } = place;
  const told = { name: address, where: row.where };
  // A user who was renamed here is the same user still.
  const found = draft.addresses.get(address);
  const renamed = draft.users.get(snapshot.renamed.get(address) ?? -1);
  const user = found?.kind === 'user' ? found.user : renamed;
  if (user === undefined && found?.kind === 'alias') {
    note(planning, 'user', 'refused', told, `it is taken by an alias; see "sealpost alias list ${address}"`);
    return;
  }
  if (user?.where != null && update({ ...user }, { ...row, forwards: undefined }).length === 0) {
    note(planning, 'user', 'same', told);
    return;
  }
  if (user?.where != null) {
    const because = `it is there twice, and not alike: ${user.where} has it already`;
    note(planning, 'user', 'refused', told, because);
    return;
  }
  const placed = user ?? addUser(draft, address, domain, row.where);
  placed.where = row.where;
  touch(placed);
  const forwards = forwardsOf(planning, row, address);
  const changes = update(placed, forwards === undefined ? row : { ...row, forwards });
  if (user === undefined) {
    made.push({ kind: 'user', name: address, user: placed });
    const keys = placed.contactId === null ? [] : ['its keys were a contact’s'];
    note(planning, 'user', 'added', told, [...changes, ...keys].join(' ') || null);
  } else if (changes.length === 0) note(planning, 'user', 'same', told);
  else {
    placed.changed = true;
    note(planning, 'user', 'changed', told, changes.join(' '));
  }
}

/** Outside addresses only; of the others it is told. */
function forwardsOf(planning: Planning, row: UserRow, name: string): readonly string[] | undefined {
  if (row.forwards === undefined) return undefined;
  const outside: string[] = [];
  for (const typed of row.forwards) {
    const read = readAddress(planning.draft, typed);
    if (read !== null && read.parts.local !== '' && read.domain === null)
      outside.push(toAddress(read.parts, false));
    else {
      note(
        planning,
        'setting',
        'left',
        { name, where: row.where },
        `copies to ${shown(typed)}: only outside addresses can be a user's forward; Postfix's own virtual_alias_maps go on sending them`,
      );
    }
  }
  return [...new Set(outside)].sort();
}

/** Takes over what the row says. @returns what changed, in words */
function update(user: DraftUser, row: UserRow): string[] {
  const changes: string[] = [];
  if (row.quota !== undefined && row.quota !== user.quota) {
    changes.push(`quota=${row.quota ?? 'none'}`);
    user.quota = row.quota;
  }
  if (row.status !== undefined && row.status !== user.status) {
    changes.push(`status=${row.status}`);
    user.status = row.status;
  }
  if (row.transport !== undefined && row.transport !== user.transport) {
    changes.push(`transport=${row.transport ?? ''}`);
    user.transport = row.transport;
  }
  if (row.forwards !== undefined && row.forwards.join() !== [...user.forwards].sort().join()) {
    changes.push(`forward=${row.forwards.join(',')}`);
    user.forwards = row.forwards;
  }
  const settings: SettingsOverride = row.settings ?? {};
  for (const name of SETTING_NAMES) {
    const value = settings[name];
    if (value === undefined || value === user.settings[name]) continue;
    changes.push(`${name}=${value === true ? 'on' : value === false ? 'off' : value}`);
    user.settings = { ...user.settings, [name]: value };
  }
  return changes;
}
