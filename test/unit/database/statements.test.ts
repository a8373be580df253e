// Connections of a pool, asked again and again in whatever order the pool gives them, before PostgreSQL and before old poolers.
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { DeadlineClient } from '../../../src/database/client.ts';
import { losesStatements } from '../../../src/database/statements.ts';

/** What a session has prepared, by name. */
type Session = Map<string, string>;

function databaseError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Keeps by itself what it has prepared, as pg does: a name stands for one statement as long as the connection lives. */
class Connection extends DeadlineClient {
  readonly #told: number;
  readonly #session: () => Session;
  readonly #parsed = new Map<string, string>();

  constructor(told: number, session: () => Session) {
    super();
    this.#told = told;
    this.#session = session;
  }

  override get told(): number {
    return this.#told;
  }

  override async probe({ name = '', text }: pg.QueryConfig): Promise<pg.QueryResult> {
    const known = this.#parsed.get(name);
    if (known !== undefined && known !== text) throw new Error('Prepared statements must be unique');
    const session = this.#session();
    if (known === undefined) {
      if (session.has(name)) throw databaseError('42P05');
      session.set(name, text);
      this.#parsed.set(name, text);
    }
    const found = /'(.*)'/.exec(session.get(name) ?? '')?.[1];
    if (found === undefined) throw databaseError('26000');
    return { rows: [{ said: found }], rowCount: 1, command: 'SELECT', oid: 0, fields: [] };
  }
}

/** @param sessions for the questions of a connection, in the order in which they come */
function poolOf(sessions: readonly (() => Session)[]) {
  const connections = sessions.map((session, at) =>
    Object.assign(new Connection(at - 1, session), { release: () => undefined }),
  );
  const given: number[] = [];
  return {
    /** The order in which the connections are given next. */
    order: (...next: readonly number[]) => given.push(...next),
    pool: {
      options: { max: sessions.length } as pg.PoolOptions,
      connect: async () => connections[given.shift() ?? 0] as unknown as pg.PoolClient,
    } as unknown as Pick<pg.Pool, 'connect' | 'options'>,
  };
}

const ORDERS = [
  [0, 1],
  [1, 0],
  [2, 0],
  [1, 2],
  [0, 2],
  [2, 1],
] as const;

describe('whether prepared statements are kept', () => {
  it('is yes of PostgreSQL itself, whichever connections are given', async () => {
    const { pool, order } = poolOf([0, 1, 2].map(() => new Map()).map((own) => () => own));
    for (const each of ORDERS) {
      order(...each);
      expect(await losesStatements(pool), `${each}`).toBe(false);
    }
  });

  it.each([
    ['takes one session for all', 1],
    ['goes on to its next session each time', 2],
  ])('is no of an old pooler that %s, each time', async (_, count) => {
    const sessions: readonly Session[] = Array.from({ length: count }, () => new Map());
    let asked = 0;
    const next = () => sessions[asked++ % count] ?? new Map();
    const { pool, order } = poolOf([next, next, next]);
    for (const each of ORDERS) {
      order(...each);
      expect(await losesStatements(pool), `${each}`).toBe(true);
    }
  });

  it('is not asked of a pool of one connection', async () => {
    const { pool } = poolOf([() => new Map()]);
    expect(await losesStatements(pool)).toBe(false);
  });
});
