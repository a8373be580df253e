// Telling the server what is delivered, so that it forgets it; and forgetting in turn what was under way.
import { MOST_IN_ONE } from '../../src/queue-api/shapes.ts';
import type { PullContext } from './run.ts';

/** Acknowledges messages that are in the Maildir. */
export async function acknowledge({ server, maildir }: PullContext, ids: readonly string[]): Promise<void> {
  for (const some of slices(ids)) {
    await server.acknowledge(some);
    await maildir.acknowledged(some);
  }
}

/**
 * Acknowledges what an earlier run delivered and could not acknowledge. What this server and this user do not know belongs to
 * another token, whose turn may come again.
 */
export async function acknowledgeEarlier(context: PullContext, ids: readonly string[]): Promise<void> {
  const { server, maildir } = context;
  for (const some of slices(ids)) {
    if ((await server.acknowledge(some)) === some.length) await maildir.acknowledged(some);
    else for (const id of some) await acknowledgeAlone(context, id);
  }
}

async function acknowledgeAlone({ server, maildir }: PullContext, id: string): Promise<void> {
  if ((await server.acknowledge([id])) === 1) await maildir.acknowledged([id]);
  else await maildir.unknown(id);
}

function* slices(ids: readonly string[]): Generator<readonly string[]> {
  for (let from = 0; from < ids.length; from += MOST_IN_ONE) yield ids.slice(from, from + MOST_IN_ONE);
}
