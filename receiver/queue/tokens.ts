// Bearer tokens of the HTTP interface: made, listed, revoked, recognised. Only their hash is kept, so a token is shown once.
import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';

type Queries = Pick<pg.Pool, 'query'>;

/** A token as its user's page shows it. Times are RFC 3339. */
export interface Device {
  readonly id: number;
  readonly name: string;
  readonly created: string;
  /** To the minute at best; null: never. */
  readonly last_used: string | null;
}

/** A token as `token list` shows it, with the address of its user. */
export interface TokenListed extends Device {
  readonly address: string;
  readonly revoked: string | null;
}

/** Who speaks. */
export interface Bearer {
  readonly tokenId: number;
  readonly userId: number;
}

/** Recognised by people and by scanners for leaked secrets. */
const PREFIX = 'sealpost_';
const RANDOM_BYTES = 32;
const TOKEN = /^sealpost_[A-Za-z0-9_-]{43}$/;

/** `last_used_at` is no log: it is written once a minute at most. */
const USED_EVERY = '1 minute';

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token, 'latin1').digest();
}

/**
 * Makes a token for a user.
 * @param name what a person calls the device
 * @returns the token itself, which is nowhere else
 */
export async function addToken(
  database: Queries,
  userId: number,
  name: string,
): Promise<{ readonly id: number; readonly token: string }> {
  const token = `${PREFIX}${randomBytes(RANDOM_BYTES).toString('base64url')}`;
  const { rows } = await database.query<{ id: number }>(
    'INSERT INTO api_tokens (user_id, name, token_hash) VALUES ($1, $2, $3) RETURNING id',
    [userId, name, hashOf(token)],
  );
  return { id: rows[0]?.id ?? 0, token };
}

interface DeviceRow {
  readonly id: number;
  readonly name: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
}

function deviceOf({ id, name, created_at, last_used_at }: DeviceRow): Device {
  return {
    id,
    name,
    created: created_at.toISOString(),
    last_used: last_used_at?.toISOString() ?? null,
  };
}

/**
 * Reads at most `count` tokens behind a number, the revoked ones included, oldest first.
 * @param userId null: of everybody
 */
export async function tokensAfter(
  database: Queries,
  userId: number | null,
  after: number | null,
  count: number,
): Promise<readonly TokenListed[]> {
  const { rows } = await database.query<
    DeviceRow & { readonly address: string; readonly revoked_at: Date | null }
  >(
    `SELECT api_tokens.id, address, name, api_tokens.created_at, last_used_at, revoked_at
       FROM api_tokens JOIN addresses ON addresses.user_id = api_tokens.user_id AND addresses.kind = 'user'
      WHERE ($1::int IS NULL OR api_tokens.user_id = $1) AND api_tokens.id > $2
      ORDER BY api_tokens.id LIMIT $3`,
    [userId, after ?? 0, count],
  );
  return rows.map(({ address, revoked_at, ...row }) => {
    const { id, ...device } = deviceOf(row);
    return { id, address, ...device, revoked: revoked_at?.toISOString() ?? null };
  });
}

/**
 * Revokes a token; revoked before is no failure.
 * @returns null when there is no token with that number
 */
export async function revokeToken(database: Queries, id: number): Promise<{ readonly id: number } | null> {
  const { rows } = await database.query<{ id: number }>(
    'UPDATE api_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING id',
    [id],
  );
  return rows[0] ?? null;
}

/** A user's good tokens, oldest first, at most `count` of them. */
export async function devicesOf(
  database: Queries,
  userId: number,
  count: number,
): Promise<readonly Device[]> {
  const { rows } = await database.query<DeviceRow>(
    `SELECT id, name, created_at, last_used_at FROM api_tokens
      WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id LIMIT $2`,
    [userId, count],
  );
  return rows.map(deviceOf);
}

/**
 * Revokes one of a user's tokens.
 * @returns false where the user has none with that number; another user's is one that there is not
 */
export async function revokeDevice(database: Queries, userId: number, id: number): Promise<boolean> {
  const { rowCount } = await database.query(
    'UPDATE api_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 AND user_id = $2',
    [id, userId],
  );
  return rowCount === 1;
}

/**
 * Who a token belongs to; null when it is no token, unknown or revoked, which nobody is told apart.
 *
 * The hash is what is compared, in an index: how long that takes tells nothing of a token of 256 random bits.
 * @throws the database's error: absence is not failure
 */
export async function recognise(database: Queries, token: string): Promise<Bearer | null> {
  if (!TOKEN.test(token)) return null;
  const { rows } = await database.query<{ id: number; user_id: number; stale: boolean }>({
    name: 'sealpost_recognise',
    text: `SELECT id, user_id, last_used_at IS NULL OR last_used_at < now() - interval '${USED_EVERY}' AS stale
             FROM api_tokens WHERE token_hash = $1 AND revoked_at IS NULL`,
    values: [hashOf(token)],
  });
  const [row] = rows;
  if (row === undefined) return null;
  if (row.stale) {
    // Whether this works is nothing to the request.
    database
      .query('UPDATE api_tokens SET last_used_at = now() WHERE id = $1', [row.id])
      .catch(() => undefined);
  }
  return { tokenId: row.id, userId: row.user_id };
}

/** Which of these tokens are good at this moment. */
export async function stillGood(database: Queries, ids: readonly number[]): Promise<ReadonlySet<number>> {
  const { rows } = await database.query<{ id: number }>(
    'SELECT id FROM api_tokens WHERE id = ANY ($1) AND revoked_at IS NULL',
    [ids],
  );
  return new Set(rows.map(({ id }) => id));
}
