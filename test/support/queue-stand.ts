// A sealpost with users, keys, tokens and an HTTP interface, whose queue a test fills itself: sealed messages go straight into
// the database, as the receiver files them.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { CHUNK_BYTES, WHOLE_BYTES } from '../../receiver/queue/types.ts';
import { createSealer } from '../../src/sealing/pool.ts';
import { createGpgHome, type GpgHome, makeKey, type TestKey } from './keys.ts';
import { allocatePlaces, freePorts, type Places } from './places.ts';
import { type PrivatePostgres, startPostgres } from './private-postgres.ts';
import { createSealpost, type SealpostProcess } from './sealpost-process.ts';

export interface QueueUser {
  readonly address: string;
  readonly id: number;
  readonly key: TestKey;
  readonly token: string;
}

export interface QueueStand {
  readonly places: Places;
  readonly sealpost: SealpostProcess;
  readonly postgres: PrivatePostgres;
  /** The users' own GnuPG home, with their secret keys. */
  readonly home: GpgHome;
  /** http://127.0.0.1:PORT of the interface. */
  readonly url: string;
  readonly pool: pg.Pool;
  user(address: string): Promise<QueueUser>;
  /** Runs a command that must end with 0. */
  readonly must: SealpostProcess['must'];
  /** Seals messages to a user's key and files them in one transaction. @returns their ids */
  file(user: QueueUser, messages: readonly Buffer[]): Promise<readonly string[]>;
  /** Files bytes as they are. */
  fileRaw(user: QueueUser, sealed: readonly Uint8Array[]): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Files sealed bytes in one transaction, as the receiver does. @returns their ids */
export async function fileInQueue(
  pool: Pick<pg.Pool, 'connect'>,
  user: Pick<QueueUser, 'id'>,
  sealed: readonly Uint8Array[],
): Promise<readonly string[]> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('INSERT INTO incoming_counts (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING', [
      user.id,
    ]);
    const { rows } = await client.query<{ last_number: string }>(
      'SELECT last_number FROM incoming_counts WHERE user_id = $1 FOR UPDATE',
      [user.id],
    );
    let number = Number(rows[0]?.last_number ?? 0);
    const ids: string[] = [];
    for (const bytes of sealed) {
      const id = randomBytes(16).toString('hex');
      const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      number += 1;
      const chunks = content.length > WHOLE_BYTES ? Math.ceil(content.length / CHUNK_BYTES) : 0;
      await client.query(
        'INSERT INTO incoming (id, user_id, number, size, content, chunks) VALUES ($1, $2, $3, $4, $5, $6)',
        [id, user.id, number, content.length, chunks === 0 ? content : null, chunks],
      );
      for (let chunk = 0; chunk < chunks; chunk += 1) {
        const piece = content.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
        await client.query('INSERT INTO incoming_chunks (id, chunk, content) VALUES ($1, $2, $3)', [
          id,
          chunk,
          piece,
        ]);
      }
      ids.push(id);
    }
    await client.query('COMMIT');
    return ids;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

/** Starts everything; `serve` runs with the part `receiver` and the metrics server. */
export async function createQueueStand(api: Readonly<Record<string, unknown>> = {}): Promise<QueueStand> {
  const places = await allocatePlaces();
  const [port = 0] = await freePorts(1);
  const postgres = await startPostgres();
  const home = await createGpgHome();
  const sealer = createSealer({ workers: 0 });
  const sealpost = await createSealpost({
    places,
    example: null,
    substitutions: {},
    config: {
      database: { url: postgres.url },
      filter: { listen: [] },
      receiver: { api: { listen: `127.0.0.1:${port}`, ...api } },
    },
  });
  await sealpost.start();
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
  pool.on('error', () => undefined);

  const { must } = sealpost;
  const stand: QueueStand = {
    places,
    sealpost,
    postgres,
    home,
    url: `http://127.0.0.1:${port}`,
    pool,
    must,
    async user(address) {
      await sealpost.cli(['domain', 'add', address.split('@')[1] ?? '']);
      const added = await must(['user', 'add', address, '--json']);
      const key = await makeKey(home, address);
      await must(['key', 'import', '-'], key.publicKey);
      const { token } = (await must(['token', 'add', address, '--json'])).json as { token: string };
      return { address, id: (added.json as { id: number }).id, key, token };
    },
    async file(user, messages) {
      const { rows } = await pool.query<{ fingerprint: string; certificate: Buffer }>(
        'SELECT fingerprint, certificate FROM keys WHERE user_id = $1',
        [user.id],
      );
      const keys = rows.map((row) => ({ ...row, at: Date.now() }));
      const sealed: Uint8Array[] = [];
      for (const plaintext of messages)
        sealed.push(await sealer.encrypt({ plaintext, keys, hideKeyIds: false, format: 'binary' }));
      return stand.fileRaw(user, sealed);
    },
    fileRaw: (user, sealed) => fileInQueue(pool, user, sealed),
    async close() {
      await pool.end();
      await sealpost.close();
      await sealer.close();
      await home.close();
      await postgres.remove();
      await places.remove();
    },
  };
  return stand;
}

/** A Maildir path of a test, inside the stand's folder. */
export function maildirIn(stand: QueueStand, name: string): string {
  return join(stand.places.dir, name);
}
