// Whether notifications come back: a nonce goes out through the pool, and has to arrive on the connection that listens. A
// pooler in transaction mode between them, or a dead listener, lets it disappear without an error.
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { within } from '../pacing/within.ts';

export interface Echo {
  /** To be listened to; of this process alone. */
  readonly channel: string;
  onPayload(payload: string): void;
  /** @returns false when the nonce does not come back in time. @throws what the pool throws */
  hears(): Promise<boolean>;
}

const PATIENCE_MS = 5000;

/** @param patienceMs milliseconds */
export function createEcho(pool: Pick<Pool, 'query'>, patienceMs = PATIENCE_MS): Echo {
  const channel = `sealpost_echo_${randomBytes(8).toString('hex')}`;
  const waiting = new Map<string, () => void>();
  return {
    channel,
    onPayload: (payload) => waiting.get(payload)?.(),
    async hears() {
      const nonce = randomBytes(8).toString('hex');
      const heard = new Promise<true>((resolve) => waiting.set(nonce, () => resolve(true)));
      try {
        await pool.query('SELECT pg_notify($1, $2)', [channel, nonce]);
        return await within(patienceMs, heard, false);
      } finally {
        waiting.delete(nonce);
      }
    },
  };
}
