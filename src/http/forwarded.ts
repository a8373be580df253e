// X-Forwarded-For from somebody who is not trusted: believed by nobody, and said, since a proxy that was not named makes one client
// of all.
import type { FastifyInstance } from 'fastify';
import { trustedClients } from '../host/trusted-clients.ts';
import type { Logger } from '../observe/log.ts';
import { seldom } from '../pacing/ration.ts';

export interface ForwardedOptions {
  /** Addresses and networks. */
  readonly trusted: readonly string[];
  /** The key of sealpost.toml that names them. */
  readonly setting: string;
  readonly logger: Logger;
}

/** Logs a line where the field comes from elsewhere; the request is served. */
export function warnOfForwarded(
  server: FastifyInstance,
  { trusted, setting, logger }: ForwardedOptions,
): void {
  const isTrusted = trustedClients(trusted);
  const ration = seldom();
  server.addHook('onRequest', async ({ headers, socket: { remoteAddress } }) => {
    if (headers['x-forwarded-for'] === undefined || isTrusted(remoteAddress)) return;
    const leftOut = ration.next(Date.now());
    if (leftOut === null) return;
    logger.warn(
      { event: 'proxy_not_believed', client: remoteAddress, not_logged: leftOut },
      `X-Forwarded-For is not believed from this client; where it is your proxy, name it in ${setting}: its users count as one until then`,
    );
  });
}
