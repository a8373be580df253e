// A queued message as the HTTP interface and the command line tell of it.

import type { Waiting } from '../../src/queue-api/shapes.ts';
import type { QueuedMessage } from '../queue/types.ts';

export function waitingOf({ id, size, received }: QueuedMessage): Waiting {
  return { id, size, received: received.toISOString() };
}
