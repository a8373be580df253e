// What the routes of the HTTP interface stand on.
import type pg from 'pg';
import type { ReceiverConfig } from '../../src/config/schema.ts';
import type { Logger } from '../../src/observe/log.ts';
import type { Bearer } from '../queue/tokens.ts';
import type { Arrivals } from './arrivals.ts';

export interface ApiContext {
  readonly database: Pick<pg.Pool, 'query'>;
  readonly config: ReceiverConfig['api'];
  /** Our own name. */
  readonly hostname: string;
  readonly logger: Logger;
  readonly arrivals: Arrivals;
  /** Milliseconds between the comments that keep an event stream alive. */
  readonly heartbeat: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every route that wants a token. */
    bearer: Bearer | null;
  }
}
