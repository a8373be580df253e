// Who is in the directory, and what their keys are worth.
import type { Config } from '../../config/schema.ts';
import type { Database } from '../../database/open.ts';
import { listDomains } from '../../directory/domains.ts';
import { KEYED_USERS } from '../../directory/keyed-users.ts';
import { keysAfter, type OwnedKey } from '../../keys/rows.ts';
import { viewKey } from '../../keys/view.ts';
import { type Ask, type DirectoryFacts, type KeyFacts, type Reader, Unseen } from '../facts.ts';

/** More keyed addresses are not compared with aliases and transports one by one. */
const MOST_KEYED = 20_000;
/** Users who lack a key, to be named. */
const MOST_LACKING = 1000;
/** To inspect keys; below the time limit of the facts. Milliseconds. */
const INSPECTION_MS = 6000;
const KEYS_AT_ONCE = 500;

type Open = (ask: Ask) => Promise<Database>;

const KEYED = `WITH keyed AS (${KEYED_USERS})
  SELECT a.address FROM addresses AS a WHERE a.user_id IN (SELECT id FROM keyed)
   UNION SELECT a.address FROM addresses AS a JOIN alias_targets AS t ON t.alias_id = a.id
          WHERE t.target_user_id IN (SELECT id FROM keyed)
   UNION SELECT a.address FROM addresses AS a JOIN keys AS k ON k.contact_id = a.id AND k.status = 'active'
   ORDER BY address LIMIT $1`;

const LACKING = `WITH keyed AS (${KEYED_USERS})
  SELECT a.address FROM users AS u JOIN domains AS d ON d.id = u.domain_id
    JOIN addresses AS a ON a.user_id = u.id AND a.kind = 'user'
   WHERE u.status = 'active' AND u.id NOT IN (SELECT id FROM keyed)
     AND coalesce(u.settings->>'on_missing_key', d.settings->>'on_missing_key', $2) IN ('defer', 'reject')
     AND coalesce(u.settings->>'encrypt', d.settings->>'encrypt', $3)::boolean
   ORDER BY a.address LIMIT $1`;

const DUTIES = `SELECT duty || '@' || d.name AS address,
       EXISTS (SELECT 1 FROM addresses AS a WHERE a.address IN (duty || '@' || d.name, '@' || d.name)) AS known
  FROM domains AS d CROSS JOIN unnest('{postmaster,abuse}'::text[]) AS duty`;

const HIDES = `SELECT EXISTS (SELECT 1 FROM users WHERE settings->>'subject' = 'hide' OR settings->>'header_policy' IN ('baseline', 'shy'))
    OR EXISTS (SELECT 1 FROM domains WHERE settings->>'subject' = 'hide' OR settings->>'header_policy' IN ('baseline', 'shy')) AS hides`;

async function migrated(ask: Ask): Promise<void> {
  if ((await ask('tables')).pending.length > 0) throw new Unseen('tables are missing', true);
}

export const directoryReader =
  (open: Open): Reader<'directory'> =>
  async (ask): Promise<DirectoryFacts> => {
    await migrated(ask);
    const [{ config }, database] = await Promise.all([ask('config'), open(ask)]);
    const { pool } = database;
    const addressesOf = async (text: string, values: readonly unknown[]): Promise<readonly string[]> =>
      (await pool.query<{ address: string }>(text, [...values])).rows.map(({ address }) => address);
    const { on_missing_key, encrypt } = config.encryption;
    const [domains, keyed, lacking, duties, hides] = await Promise.all([
      listDomains(database),
      addressesOf(KEYED, [MOST_KEYED + 1]),
      addressesOf(LACKING, [MOST_LACKING, on_missing_key, String(encrypt)]),
      pool.query<{ address: string; known: boolean }>(DUTIES),
      pool.query<{ hides: boolean }>(HIDES),
    ]);
    return {
      domains: domains.map(({ name, class: kind, local, other_names }) => ({
        name,
        class: kind,
        local,
        otherNames: other_names,
      })),
      users: domains.reduce((sum, { users }) => sum + users, 0),
      keyed: keyed.slice(0, MOST_KEYED),
      cut: keyed.length > MOST_KEYED,
      lacking,
      duties: new Map(duties.rows.map(({ address, known }) => [address, known])),
      hidesSubject: hidesByItself(config) || hides.rows[0]?.hides === true,
    };
  };

function hidesByItself({ encryption }: Config): boolean {
  return encryption.subject === 'hide' || encryption.header_policy !== 'no_confidentiality';
}

export const keysReader =
  (open: Open): Reader<'keys'> =>
  async (ask) => {
    await migrated(ask);
    const [{ config }, database] = await Promise.all([ask('config'), open(ask)]);
    const counted = await database.pool.query<{ stored: number }>(
      'SELECT count(*)::integer AS stored FROM keys',
    );
    const until = Date.now() + INSPECTION_MS;
    const keys: KeyFacts[] = [];
    let after: number | null = null;
    do {
      const page: readonly OwnedKey[] = await keysAfter(database, after, KEYS_AT_ONCE);
      for (const owned of page) {
        if (Date.now() > until) break;
        const view = await viewKey(owned, { allowSha1: config.keys.allow_sha1 }, Date.now());
        const { fingerprint, owner, state, because, expires, unusedSubkeys } = view;
        keys.push({ fingerprint, owner, state, because, expires, unused: unusedSubkeys.length });
      }
      after = page.at(-1)?.row.id ?? null;
    } while (after !== null && Date.now() <= until);
    return { keys, stored: counted.rows[0]?.stored ?? 0 };
  };
