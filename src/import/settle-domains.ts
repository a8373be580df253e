// The last step of an import: domains that are here already, and what leads into them. Others add users and aliases, and change a
// domain's keys, until then; for this moment they wait.
import type pg from 'pg';
import { partsOf } from '../address/normalise.ts';
import { ChangeRefused } from '../directory/refused.ts';
import type { DraftDomain, DraftUser } from './draft.ts';
import { loadUnlinked } from './load.ts';
import type { Plan } from './plan.ts';
import { linksTo } from './plan-aliases.ts';
import { idOf, inBulk, OVERTAKEN, type Written } from './write.ts';

type Client = Pick<pg.ClientBase, 'query'>;

/**
 * Changes domains, and lets targets of aliases name users by number: also where the alias, or the user, was added meanwhile by
 * somebody else.
 * @throws ChangeRefused where a domain is another one by now
 */
export async function settleDomains(client: Client, { draft }: Plan, written: Written): Promise<void> {
  const linked = new Set<DraftDomain>();
  for (const { domain } of written.users.keys()) linked.add(domain);
  for (const domain of openTargets(draft)) linked.add(domain);
  const changed = [...draft.domains.values()].filter(({ id, changed: is }) => id !== null && is);
  await holdDomains(
    client,
    [...new Set([...linked, ...changed])].filter(({ id }) => id !== null),
  );
  await inBulk(
    client,
    `UPDATE domains AS d SET class = r.class, local = r.local
       FROM jsonb_to_recordset($1::jsonb) AS r (id integer, class text, local boolean) WHERE d.id = r.id`,
    changed,
    ({ id, class: kind, local }) => ({ id, class: kind, local }),
  );
  if (linked.size === 0) return;
  await linkTargets(client, draft, written);
  await client.query(
    `UPDATE alias_targets AS t SET target_user_id = a.user_id FROM addresses AS a
      WHERE t.target_user_id IS NULL AND a.address = t.target AND a.kind = 'user' AND a.domain = ANY ($1::text[])`,
    [[...linked].map(({ name }) => name)],
  );
}

/** Domains of ours that new targets lead to, and to nobody there who was known when the plan was made. */
function* openTargets({ addresses, domains }: Plan['draft']): Generator<DraftDomain> {
  for (const found of addresses.values()) {
    if (found.kind !== 'alias' || (found.alias.id !== null && !found.alias.changed)) continue;
    for (const { target, user } of found.alias.targets) {
      const domain = user === null ? domains.get(partsOf(target).domain) : undefined;
      if (domain !== undefined) yield domain;
    }
  }
}

/** @throws ChangeRefused where one of them is folded or named in another way than the plan has it */
async function holdDomains(client: Client, domains: readonly DraftDomain[]): Promise<void> {
  if (domains.length === 0) return;
  const { rows } = await client.query<{ id: number; name: string; fold: boolean }>(
    `SELECT id, name, fold_local_part AS fold FROM domains WHERE id = ANY ($1::int[]) ORDER BY id FOR NO KEY UPDATE`,
    [domains.map(({ id }) => id)],
  );
  const now = new Map(rows.map((row) => [row.id, row]));
  const isAsPlanned = domains.every(({ id, name, fold }) => {
    const row = now.get(id ?? 0);
    return row?.name === name && row.fold === fold;
  });
  if (!isAsPlanned) throw new ChangeRefused(OVERTAKEN);
}

async function linkTargets(client: Client, draft: Plan['draft'], written: Written): Promise<void> {
  const isNew = (user: DraftUser): boolean => user.id === null;
  await inBulk(
    client,
    `UPDATE alias_targets AS t SET target_user_id = r.user_id
       FROM jsonb_to_recordset($1::jsonb) AS r (alias_id integer, position integer, user_id integer)
      WHERE t.alias_id = r.alias_id AND t.position = r.position AND t.target_user_id IS NULL`,
    linksTo(draft, await loadUnlinked(client), isNew),
    ({ aliasId, position, user }) => ({
      alias_id: aliasId,
      position,
      user_id: idOf(written.users, user),
    }),
  );
}
