// Writes the keys of a plan, many rows in each statement, and what the source is remembered to have made. Nothing here decides
// anything.
import type pg from 'pg';
import type { Orm } from '../directory/find.ts';
import { insertKeys, type KeyColumns, ownerColumns } from '../keys/insert.ts';
import type { Draft, DraftOwner } from './draft.ts';
import type { KeyColumnsOf } from './key-columns.ts';
import type { MadeRow, PlannedKey } from './planning.ts';
import { idOf, inBulk, type Written } from './write.ts';

/** Rows of keys in one statement: each may be 256 KiB. */
const KEYS_AT_ONCE = 200;

/** The numbers in the database of keys that were written, by {@link keyPlace}. */
export type KeyIds = Map<string, number>;

/** A key that somebody gets. */
type OwnedKey = PlannedKey & { readonly owner: DraftOwner };

/** Inserts keys that their owners have not got. */
export async function writeKeys(
  orm: Orm,
  keys: readonly PlannedKey[],
  {
    draft,
    written,
    columns,
  }: { readonly draft: Draft; readonly written: Written; readonly columns: KeyColumnsOf },
  onPiece: (count: number) => void,
): Promise<KeyIds> {
  const ids: KeyIds = new Map();
  for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) {
    const piece = keys.slice(at, at + KEYS_AT_ONCE);
    const rows: (OwnedKey & { readonly stored: KeyColumns })[] = [];
    for (const key of piece) if (isOwned(key)) rows.push({ ...key, stored: await columns.of(key, draft) });
    const inserted = await insertKeys(
      orm,
      rows.map(({ key, fingerprint, owner, stored, isKeptDisabled = false }) => ({
        owner: storedOwner(owner, written),
        fingerprint,
        kind: key.kind,
        source: 'import',
        status: isKeptDisabled ? 'disabled' : 'active',
        columns: stored,
      })),
    );
    for (const { id, fingerprint, ...owned } of inserted) ids.set(keyPlace(fingerprint, owned), id);
    onPiece(piece.length);
  }
  return ids;
}

function isOwned(key: PlannedKey): key is OwnedKey {
  return key.owner !== null;
}

function storedOwner(owner: DraftOwner, { users, contacts, domains }: Written) {
  const { kind } = owner;
  switch (kind) {
    case 'user':
      return { kind, id: idOf(users, owner.user), name: owner.user.address };
    case 'contact': {
      const { address: name, domain } = owner.contact;
      return { kind, id: idOf(contacts, owner.contact), name, domain };
    }
    case 'domain':
      return { kind, id: idOf(domains, owner.domain), name: owner.domain.name };
  }
}

/** A name for the row of a certificate and one owner. */
function keyPlace(
  fingerprint: string,
  { user_id, contact_id, domain_id }: ReturnType<typeof ownerColumns>,
): string {
  return `${fingerprint} ${user_id ?? ''}/${contact_id ?? ''}/${domain_id ?? ''}`;
}

/** Remembers what the source made. */
export async function writeMade(
  client: Pick<pg.ClientBase, 'query'>,
  source: string,
  made: readonly MadeRow[],
  { written, keys }: { readonly written: Written; readonly keys: KeyIds },
): Promise<void> {
  const keyId = ({ owner, fingerprint }: PlannedKey): number | undefined =>
    owner === null ? undefined : keys.get(keyPlace(fingerprint, ownerColumns(storedOwner(owner, written))));
  await inBulk(
    client,
    `INSERT INTO imported (source, kind, name, user_id, address_id, key_id)
     SELECT source, kind, name, user_id, address_id, key_id FROM jsonb_to_recordset($1::jsonb)
         AS r (source text, kind text, name text, user_id integer, address_id integer, key_id integer)
     ON CONFLICT (source, kind, name) DO UPDATE
       SET user_id = excluded.user_id, address_id = excluded.address_id, key_id = excluded.key_id`,
    made,
    (row) => {
      const { kind, name } = row;
      const ids = {
        user_id: row.kind === 'user' ? idOf(written.users, row.user) : null,
        address_id: row.kind === 'alias' ? idOf(written.aliases, row.alias) : null,
        key_id: row.kind === 'key' ? (keyId(row.key) ?? null) : null,
      };
      // A key that somebody else has stored meanwhile is not ours.
      return Object.values(ids).some((id) => id !== null) ? { source, kind, name, ...ids } : null;
    },
  );
}
