// Takes the server that `database.url` leads to now for the right one, whatever was known of another one.
import { mkdir } from 'node:fs/promises';
import type { Config } from '../config/schema.ts';
import { within } from '../pacing/within.ts';
import { connectClient } from './client.ts';
import { findDatabase, unavailable } from './connection.ts';
import { askIdentity, createFence, type ServerIdentity } from './fence.ts';

export interface AcceptedServer {
  readonly before: ServerIdentity | null;
  readonly now: ServerIdentity;
}

/**
 * @returns null where nothing has to be accepted: the embedded server, or a state_dir that everybody may write
 * @throws DatabaseUnavailable, also of a server that takes no writes
 */
export async function acceptServer(config: Config): Promise<AcceptedServer | null> {
  if (config.database.url.startsWith('embedded:')) return null;
  await mkdir(config.state_dir, { recursive: true, mode: 0o700 });
  const fence = createFence(config, true);
  if (fence === null) return null;
  const target = await findDatabase(config, {});
  try {
    const client = await connectClient(target.settings).catch((error: unknown) => {
      throw unavailable(target, error, config.database.connect_timeout);
    });
    try {
      const now = await askIdentity(client);
      return { before: await fence.accept(now), now };
    } finally {
      await within(1000, client.end(), undefined).catch(() => undefined);
      client.destroy();
    }
  } finally {
    await target.release();
  }
}
