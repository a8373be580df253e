// Acceptances that are forgotten once the client has our reply, so that the same message once more is another message. What a
// database that is away has not forgotten yet is known here until it has.
import type { Pool } from 'pg';
import { forgetSql } from '../../src/delivery/acceptance-sql.ts';
import { createBatcher } from '../../src/pacing/group-commit.ts';
import { type Acceptance, acceptanceName } from './filing.ts';

export interface Forgetting {
  /** The client has the replies to these. */
  begin(acceptances: readonly Acceptance[]): void;
  /**
   * Waits until an acknowledged acceptance is forgotten.
   * @throws what the database fails with: then it cannot be told whether this is a repetition
   */
  done(acceptance: Acceptance): Promise<void>;
}

/** Acceptances that are not forgotten yet; beyond that the oldest are given up. */
const MOST_FORGETTING = 100_000;

export function createForgetting(pool: Pick<Pool, 'query'>): Forgetting {
  const underWay = new Map<string, Promise<void>>();
  const forget = createBatcher<Acceptance, void>(async (rows) => {
    await pool.query({
      name: 'sealpost-queue-forget',
      text: forgetSql('$1', '$2'),
      values: [rows.map(({ message }) => message), rows.map(({ recipient }) => recipient)],
    });
    return rows.map(() => undefined);
  });

  return {
    begin(acceptances) {
      for (const acceptance of acceptances) {
        const name = acceptanceName(acceptance);
        const done = forget(acceptance).then(() => void underWay.delete(name));
        // It stays in the map, so that the same message is not taken for a repetition before its row is gone.
        done.catch(() => undefined);
        underWay.set(name, done);
      }
      for (const name of underWay.keys()) {
        if (underWay.size <= MOST_FORGETTING) break;
        underWay.delete(name);
      }
    },

    async done(acceptance) {
      const name = acceptanceName(acceptance);
      const before = underWay.get(name);
      if (before === undefined) return;
      await before.catch(() => forget(acceptance));
      if (underWay.get(name) === before) underWay.delete(name);
    },
  };
}
