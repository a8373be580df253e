// Opens the portal: its listener for browsers behind the site's TLS proxy, and where one is asked for, another for a proxy that
// signs users in.
import { readFileSync } from 'node:fs';
import type { Config } from '../src/config/schema.ts';
import type { Endpoint } from '../src/config/units.ts';
import type { Database } from '../src/database/open.ts';
import { type HttpListener, listenHttp } from '../src/http/server.ts';
import type { Logger } from '../src/observe/log.ts';
import { INTERNET } from './fetch/https.ts';
import type { PortalContext, ProxyDoor } from './frame/context.ts';
import { type OwnOrigin, ownOrigin } from './frame/hosts.ts';
import { createRenderer } from './frame/render.ts';
import { createPortal } from './server.ts';
import { askImap } from './sign-in/imap.ts';

/** The names of the listeners in /status, and the FileDescriptorName of their sockets. */
export const PORTAL_LISTENER = 'portal';
export const PROXY_LISTENER = 'portal.trusted';

/** Of the unix socket for browsers' requests: who connects has to sign in. */
const OPEN_MODE = '0666';
/** Of the one whose field is believed. */
const PROXY_MODE = '0660';
const SHORTEST_SECRET = 32;

export interface PortalOptions {
  /** The configuration as it is now. */
  readonly current: () => Config;
  readonly database: Database;
  readonly logger: Logger;
  /** File descriptors from systemd, by the name of the listener. */
  readonly passed: ReadonlyMap<string, number>;
  /** Unix milliseconds; replaced in tests. */
  readonly now?: () => number;
  readonly outside?: PortalContext['outside'];
}

type PortalConfig = Config['portal'];

/**
 * How the proxy that signs users in proves itself; null: there is none. Pure but for the file of the secret.
 * @throws Error with a sentence for the administrator, where anybody could claim to be that proxy
 */
export function proxyDoor(
  { trusted_header, trusted_listen, trusted_secret_file }: PortalConfig,
  readSecret: (path: string) => string,
): ProxyDoor | null {
  if (trusted_header === '' && trusted_listen === null) return null;
  if (trusted_listen === null)
    throw new Error('portal.trusted_header is believed on portal.trusted_listen only, which is not set');
  if (trusted_header === '') throw new Error('portal.trusted_listen needs portal.trusted_header');
  if (trusted_secret_file === '') {
    if (trusted_listen.kind === 'unix') return { field: trusted_header, secret: null };
    throw new Error(
      'portal.trusted_listen is a TCP port, which every local user can open: it needs portal.trusted_secret_file, or has to be a unix socket',
    );
  }
  const secret = readSecret(trusted_secret_file).trim();
  if (secret.length < SHORTEST_SECRET)
    throw new Error(`portal.trusted_secret_file holds fewer than ${SHORTEST_SECRET} characters`);
  return { field: trusted_header, secret };
}

function readSecretFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(
      `portal.trusted_secret_file cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** @throws Error with a sentence for the administrator, where no portal could live at portal.url */
export function originOf({ url }: Pick<PortalConfig, 'url'>): OwnOrigin {
  if (url === '')
    throw new Error(
      'portal.listen needs portal.url: links in letters, and the names that are answered, come from it',
    );
  const own = ownOrigin(url);
  if (own === null)
    throw new Error(
      `portal.url: found ${JSON.stringify(url)}, expected an address without a path, such as "https://keys.example.org"`,
    );
  return own;
}

/**
 * Opens all listeners.
 * @throws Error with one sentence for the administrator; nothing is left open then
 */
export async function startPortal(options: PortalOptions): Promise<readonly HttpListener[]> {
  const { portal } = options.current();
  if (portal.listen === null) throw new Error('the portal has no address');
  const own = originOf(portal);
  const door = proxyDoor(portal, readSecretFile);
  const common = contextOf(options, own);
  const opened: HttpListener[] = [];
  try {
    opened.push(await open(options, { ...common, door: null }, PORTAL_LISTENER, portal.listen, OPEN_MODE));
    if (door !== null && portal.trusted_listen !== null) {
      const mode = portal.trusted_mode ?? PROXY_MODE;
      const { trusted_group: group } = portal;
      opened.push(
        await open(options, { ...common, door }, PROXY_LISTENER, portal.trusted_listen, mode, group),
      );
    }
  } catch (error) {
    for (const listener of opened) await listener.close(0);
    throw error;
  }
  return opened;
}

function contextOf(options: PortalOptions, own: OwnOrigin): Omit<PortalContext, 'door'> {
  const { current, database, logger, now = Date.now, outside = { internet: INTERNET, askImap } } = options;
  return {
    flow: { database, config: current, now },
    database,
    config: current,
    logger,
    own,
    render: createRenderer(),
    outside,
  };
}

async function open(
  { logger, passed }: PortalOptions,
  context: PortalContext,
  name: string,
  endpoint: Endpoint,
  mode: string,
  group?: string,
): Promise<HttpListener> {
  const server = await createPortal(context, {
    listen: endpoint,
    listed: context.config().portal.trusted_proxies,
  });
  const title = `the listener ${name}`;
  return listenHttp(server, { name, title, endpoint, mode, group, fd: passed.get(name), logger });
}
