// What every page of the portal needs.
import { isIP } from 'node:net';
import { normalizeIP } from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../../src/config/schema.ts';
import type { Database } from '../../src/database/open.ts';
import type { Session } from '../../src/enrolment/sessions.ts';
import type { Asker, FlowContext, Language } from '../../src/enrolment/types.ts';
import type { Logger } from '../../src/observe/log.ts';
import type { Internet } from '../fetch/https.ts';
import type { askImap } from '../sign-in/imap.ts';
import type { OwnOrigin } from './hosts.ts';
import type { PageValues, Render } from './render.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is signed in, and the cookie's secret; null: nobody. */
    signedIn: { readonly secret: string; readonly session: Session } | null;
    language: Language;
  }
}

/** Where a proxy that signs users in connects; null: this listener believes nobody's field. */
export interface ProxyDoor {
  readonly field: string;
  /** null: a unix socket, which only the proxy can open. */
  readonly secret: string | null;
}

export interface PortalContext {
  readonly flow: FlowContext;
  readonly database: Pick<Database, 'orm' | 'pool'>;
  readonly config: () => Config;
  readonly logger: Logger;
  readonly own: OwnOrigin;
  readonly render: Render;
  readonly door: ProxyDoor | null;
  /** Replaced in tests. */
  readonly outside: { readonly internet: Internet; readonly askImap: typeof askImap };
}

/** Which entry of the menu a page belongs to. */
export type MenuEntry = '' | 'home' | 'key' | 'settings' | 'devices' | 'history' | 'leave';

export interface Page {
  readonly template: string;
  readonly here: MenuEntry;
  readonly values?: PageValues;
  readonly status?: number;
}

/** Sends a page as who asks for it sees it. */
export function sendPage(
  { render }: Pick<PortalContext, 'render'>,
  request: FastifyRequest,
  reply: FastifyReply,
  { template, here, values, status = 200 }: Page,
): FastifyReply {
  const { signedIn, language } = request;
  const path = pathOf(request);
  const csrf = reply.generateCsrf({ userInfo: boundTo(request) });
  const frame = { language, csrf, signedIn: signedIn?.session.address ?? null, here, path };
  return reply
    .code(status)
    .type('text/html; charset=utf-8')
    .send(render(template, frame, values));
}

/**
 * Where the page can be asked for in another language. The answer to a POST has no address of its own, a page that is not there
 * may have a path that is an address of somebody else's (`//evil.example`), and a request may name a whole address (RFC 9112,
 * section 3.2.2), whose host nobody has compared with ours.
 */
function pathOf({ method, url, routeOptions }: FastifyRequest): string {
  if (method !== 'GET' || routeOptions.url === undefined || !url.startsWith('/')) return '/';
  return url.split('?')[0] ?? '/';
}

/** What the token of a form is bound to: the session, so that a token from before signing in counts no more after it. */
export function boundTo({ signedIn }: FastifyRequest): string {
  return signedIn?.secret ?? 'nobody';
}

/** A page that says one thing, and leads back. `key`: the texts `message.KEY` and `message.KEY_title`. */
export function sendMessage(
  context: Pick<PortalContext, 'render'>,
  request: FastifyRequest,
  reply: FastifyReply,
  message: {
    readonly status: number;
    readonly key: string;
    readonly values?: Readonly<Record<string, string>>;
  },
): FastifyReply {
  const { status, key, values = {} } = message;
  return sendPage(context, request, reply, {
    template: 'message',
    here: '',
    status,
    values: { key, messageValues: values, failed: status >= 400 },
  });
}

/** Who asks the flow. Only for pages behind {@link needsSession}. */
export function askerOf(request: FastifyRequest): Asker {
  const { session } = signedIn(request);
  const { userId, proof } = session;
  return { userId, proof, name: 'portal', language: request.language, client: clientOf(request) };
}

/** The session of a page that is shown to nobody else. @throws Error where a page forgot to ask for one */
export function signedIn(request: FastifyRequest): NonNullable<FastifyRequest['signedIn']> {
  if (request.signedIn === null) throw new Error('the page needs a session');
  return request.signedIn;
}

/** As some proxies write a client into X-Forwarded-For: with its port. */
const WITH_PORT = /^(?:\[([\da-f:.]+)\]|(\d+(?:\.\d+){3}))(?::\d{1,5})?$/i;

/**
 * The person's address, for limits and the mail server. `unix`: not known. What stands in X-Forwarded-For and is no address is
 * not known either: it would be a new client with every request, and it goes to the mail server.
 */
export function clientOf({ ip }: { readonly ip: string | undefined }): string {
  const [, ipv6, ipv4] = WITH_PORT.exec(ip ?? '') ?? [];
  const address = ipv6 ?? ipv4 ?? ip ?? '';
  return isIP(address) === 0 ? 'unix' : address;
}

/** Of IPv6 a whole network counts as one client: whoever has one address of it has them all. */
const IPV6_SUBNET = 64;

/** Whose requests are counted together, for limits. */
export function limitedClient(request: { readonly ip: string | undefined }): string {
  const client = clientOf(request);
  return client === 'unix' ? client : normalizeIP(client, IPV6_SUBNET);
}
