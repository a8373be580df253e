// The statements over the tables `deliveries`, `claims` and `nodes`. Hashes come as two arrays of hexadecimal texts, as `unnest`
// takes them.
//
// Two nodes may hold the same letters, in any order. So that they never wait for each other in a circle: a statement that waits for
// rows takes them in the order of their keys, and one that removes rows takes only those that it need not wait for, and takes
// them last. A row that stays for that is removed with those that are too old.
import { VERSION_SQL } from '../database/directory-version.ts';

/**
 * Commits without waiting for the disk. A killed sealpost loses nothing by it; when PostgreSQL crashes or the power
 * fails, the last half second of acceptances may be delivered once more, as with Postfix's own marks in its queue files,
 * which are not flushed either. Waiting would cost every message a disk's latency.
 */
export const WITHOUT_FLUSH = `(SELECT set_config('synchronous_commit', 'off', true))`;

/** A parameter in milliseconds, such as `$4`, as an interval. */
export const milliseconds = (parameter: string): string =>
  `(${parameter}::float8 * interval '1 millisecond')`;

/** Asks for message hashes ($1) and recipient hashes ($2). */
export const RECALL = `SELECT m AS message, r AS recipient, reply
                         FROM deliveries, unnest($1::text[], $2::text[]) AS asked(m, r)
                        WHERE message_key = decode(m, 'hex') AND recipient_key = decode(r, 'hex')`;

/**
 * Whether this process ($3, of the node $4) has a lease, and how many processes of other nodes have one. A lease of which less
 * than a third ($5 is all of it) is left counts as none: what rests on the answer is done before it has run out.
 */
const NODES = `(SELECT coalesce(bool_or(n.id = $3::uuid AND n.expires_at > now() + ${milliseconds('$5')} / 3), false) || ' '
                    || count(*) FILTER (WHERE n.node <> $4::uuid AND n.expires_at > now()) FROM nodes AS n)`;

/** Rows of three kinds: what is recalled, what was claimed, and one with the version of the directory. */
const recallOf = (
  nodes: string,
  claimed = '',
): string => `SELECT message, recipient, reply, NULL AS claimed, NULL AS directory, NULL AS nodes FROM (${RECALL}) AS known
             UNION ALL SELECT NULL, NULL, NULL, NULL, ${VERSION_SQL}, ${nodes} ${claimed}`;

/** For who keeps no claims. */
export const RECALL_ALONE = recallOf('NULL');

/** For a node that is alone, as far as it knows: {@link NODES} says whether it is. */
export const RECALL_AMONG_NODES = recallOf(NODES);

/** The claim `c` may be taken: it is ours, or neither its own lease nor its holder's has any time left. */
const FREE = `(c.holder = excluded.holder OR (c.expires_at <= now()
                AND NOT EXISTS (SELECT FROM nodes AS h WHERE h.id = c.holder AND h.expires_at > now())))`;

/**
 * Recalls, and claims in the same statement those of $6 and $7. A claim that another process holds is marked: its holder does not
 * forget the acceptance that we shall ask for.
 *
 * Its `deliveries` are those of the moment when the statement began. A claim that is free a moment later stands for no acceptance
 * that is missing in them: a holder leaves its claim with an acceptance, and removes it only where there is none, or when the
 * client has its reply.
 */
export const RECALL_AND_CLAIM = `WITH claimed AS (
               INSERT INTO claims AS c (message_key, recipient_key, holder, expires_at)
               SELECT DISTINCT decode(m, 'hex'), decode(r, 'hex'), $3::uuid, now() + ${milliseconds('$5')}
                 FROM unnest($6::text[], $7::text[]) AS asked(m, r)
                WHERE ${WITHOUT_FLUSH} IS NOT NULL
                ORDER BY 1, 2
                ON CONFLICT (message_key, recipient_key) DO UPDATE SET (holder, expires_at, wanted) = (
                  SELECT CASE WHEN free THEN excluded.holder ELSE c.holder END,
                         CASE WHEN free THEN excluded.expires_at ELSE c.expires_at END,
                         NOT free OR (c.wanted AND c.holder = excluded.holder)
                    FROM (SELECT ${FREE} AS free) AS judged)
                RETURNING message_key, recipient_key, holder
             ) ${recallOf(
               NODES,
               `UNION ALL SELECT encode(k.message_key, 'hex'), encode(k.recipient_key, 'hex'), NULL,
                    CASE WHEN k.holder <> $3::uuid THEN 'elsewhere' WHEN b.holder <> k.holder THEN 'taken over' ELSE 'ours' END, NULL, NULL
               FROM claimed AS k LEFT JOIN claims AS b USING (message_key, recipient_key)`,
             )}`;

/** Removes these. @param messages the parameter, such as `$1`, with an array of hashes; so is `recipients` */
export const forgetSql = (messages: string, recipients: string): string =>
  `DELETE FROM deliveries USING unnest(${messages}::text[], ${recipients}::text[]) AS told(m, r)
    WHERE message_key = decode(m, 'hex') AND recipient_key = decode(r, 'hex') AND ${WITHOUT_FLUSH} IS NOT NULL`;

const REMEMBER = `INSERT INTO deliveries (message_key, recipient_key, reply)
               SELECT decode(m, 'hex'), decode(r, 'hex'), reply
                 FROM unnest($1::text[], $2::text[], $3::text[]) AS accepted(m, r, reply)
                WHERE ${WITHOUT_FLUSH} IS NOT NULL
                ORDER BY 1, 2
                ON CONFLICT (message_key, recipient_key) DO NOTHING`;

/** Remembers ($1 to $3), and forgets ($4, $5). Both read the table as it was before. */
export const WRITE = `WITH remembered AS (${REMEMBER}) ${forgetSql('$4', '$5')}`;

/**
 * As {@link WRITE}; also what was claimed by us ($6) is given up: with what is forgotten, and where $7 is false the claim alone.
 *
 * An acceptance stays whose claim is ours and wanted: whoever was told to wait asks for it. One whose claim was another's and wanted
 * is what we ourselves asked for, and waited for. The mark may come while we look: then the claim's row is not
 * removed, and so the acceptance stays, too.
 */
export const WRITE_AND_GIVE_UP = `WITH remembered AS (${REMEMBER} RETURNING 1
             ), told AS MATERIALIZED (
               SELECT decode(m, 'hex') AS message_key, decode(r, 'hex') AS recipient_key, forget
                 FROM unnest($4::text[], $5::text[], $7::boolean[]) AS told(m, r, forget)
             ), given_up AS (
               DELETE FROM claims WHERE ctid = ANY (ARRAY(
                 SELECT c.ctid FROM claims AS c JOIN told USING (message_key, recipient_key)
                  WHERE CASE WHEN forget THEN (c.holder = $6::uuid) <> c.wanted ELSE c.holder = $6::uuid END
                    AND (SELECT count(*) FROM remembered) >= 0
                    FOR UPDATE OF c SKIP LOCKED))
               RETURNING message_key, recipient_key
             )
             DELETE FROM deliveries WHERE ctid = ANY (ARRAY(
               SELECT d.ctid FROM deliveries AS d JOIN told USING (message_key, recipient_key)
                WHERE forget AND ${WITHOUT_FLUSH} IS NOT NULL AND (SELECT count(*) FROM given_up) >= 0
                  AND (NOT EXISTS (SELECT FROM claims AS c WHERE c.message_key = d.message_key AND c.recipient_key = d.recipient_key)
                       OR EXISTS (SELECT FROM given_up AS g WHERE g.message_key = d.message_key AND g.recipient_key = d.recipient_key))
                  FOR UPDATE OF d SKIP LOCKED))`;
