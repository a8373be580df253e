// The statements over the table `nodes`: the lease of a process, and what it sees of the processes of other nodes.
import { readFileSync, readlinkSync } from 'node:fs';
import type { Pool } from 'pg';
import { removeOld } from '../database/remove-old.ts';
import { isAlive, ownIdentity, parseIdentity } from '../host/process-lock.ts';
import { milliseconds, WITHOUT_FLUSH } from './acceptance-sql.ts';

/** Whose row it is. */
export interface NodeRow {
  readonly id: string;
  /** Of the serve, shared by its workers. */
  readonly node: string;
  readonly leaseMs: number;
}

/** A row that nobody has renewed stays for so long, or until another process of its machine sees that it is gone. */
const KEPT = "interval '1 hour'";

/** Begins a lease. @throws what the pool throws, as all of these */
export async function enterRow(pool: Pool, { id, node, leaseMs }: NodeRow): Promise<void> {
  await pool.query(
    `INSERT INTO nodes (id, node, process, expires_at, claims_all) VALUES ($1, $2, $3, now() + ${milliseconds('$4')}, true)
     ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, claims_all = true`,
    [id, node, OWN_PROCESS, leaseMs],
  );
}

/** Removes the rows of processes that were on this machine and are no more, with what they had in hand. */
export async function removeGone(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ id: string; process: string }>('SELECT id, process FROM nodes');
  const gone = rows.filter(({ process }) => isGone(process, OWN_PROCESS)).map(({ id }) => id);
  if (gone.length === 0) return;
  await pool.query('DELETE FROM nodes WHERE id = ANY ($1::uuid[])', [gone]);
  await removeOld(pool, { table: 'claims', condition: 'holder = ANY ($1::uuid[])', values: [gone] });
}

/** @returns how many processes of other nodes have a lease, and how many of them have unclaimed mail in hand */
export async function lookAtOthers(
  pool: Pool,
  node: string,
): Promise<{ readonly others: number; readonly unseeing: number }> {
  const { rows } = await pool.query<{ others: number; unseeing: number }>(
    `SELECT count(*)::int AS others, count(*) FILTER (WHERE NOT claims_all)::int AS unseeing
       FROM nodes WHERE node <> $1 AND expires_at > now()`,
    [node],
  );
  return rows[0] ?? { others: 1, unseeing: 1 };
}

/**
 * Renews a lease of which a third is left.
 * @returns how many processes of other nodes have one; null: ours has ended
 */
export async function renewRow(
  pool: Pool,
  { id, node, leaseMs }: NodeRow,
  claimsAll: boolean,
): Promise<number | null> {
  const { rows } = await pool.query<{ others: number }>({
    name: 'sealpost-lease',
    text: `UPDATE nodes SET expires_at = now() + ${milliseconds('$2')}, claims_all = $3
            WHERE id = $1 AND expires_at > now() + ${milliseconds('$2')} / 3 AND ${WITHOUT_FLUSH} IS NOT NULL
           RETURNING (SELECT count(*)::int FROM nodes AS o WHERE o.node <> $4 AND o.expires_at > now()) AS others`,
    values: [id, leaseMs, claimsAll, node],
  });
  return rows[0]?.others ?? null;
}

export async function leaveRow(pool: Pool, id: string): Promise<void> {
  await pool.query('DELETE FROM nodes WHERE id = $1', [id]);
}

/** Removes what nobody has renewed for long: some rows at a time, one node at a time. */
export async function expireNodes(pool: Pool): Promise<void> {
  const condition = `expires_at < now() - ${KEPT}`;
  await removeOld(pool, { table: 'claims', condition, values: [] });
  await removeOld(pool, { table: 'nodes', condition, values: [] });
}

/** This process, with the PID namespace in which its number counts. */
const OWN_PROCESS = ownProcess();

function ownProcess(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')} ${JSON.stringify(ownIdentity())}`;
  } catch {
    // Not Linux: nobody can tell that it is gone.
    return '';
  }
}

/** Whether the process of a row was on this machine, and is no more. @param own as the row of who asks has it */
export function isGone(process: string, own: string): boolean {
  const [boot, namespace] = own.split(' ');
  const [theirBoot, theirNamespace, ...identity] = process.split(' ');
  if (own === '' || boot !== theirBoot || namespace !== theirNamespace) return false;
  const parsed = parseIdentity(identity.join(' '));
  return parsed !== null && !isAlive(parsed);
}
