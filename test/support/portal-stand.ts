// The portal over the real flow, a real database and an engine whose next hop keeps what it gets; the clock can be moved.
import type { FastifyInstance } from 'fastify';
import type { PrivateKey } from 'openpgp';
import { INTERNET } from '../../portal/fetch/https.ts';
import type { PortalContext } from '../../portal/frame/context.ts';
import { createRenderer } from '../../portal/frame/render.ts';
import { originOf } from '../../portal/portal.ts';
import { createPortal } from '../../portal/server.ts';
import { askImap, type Credentials, type PasswordVerdict } from '../../portal/sign-in/imap.ts';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import type { Database } from '../../src/database/open.ts';
import { type EnrolmentStand, type Letter, openEnrolmentStand, tokenIn } from './enrolment-stand.ts';
import { decryptWith } from './make-keys.ts';
import { type PlainBrowser, plainBrowser } from './portal-browser.ts';
import { mail, textOf } from './trial.ts';

export const PORTAL_HOST = 'keys.example.org';

/** A portal of its own over the same site. */
export interface PortalNode {
  readonly server: FastifyInstance;
  readonly context: PortalContext;
  /** @param client whom the proxy names; default: the proxy itself */
  browser(client?: string): PlainBrowser;
}

export interface PortalStand extends PortalNode {
  readonly enrolment: EnrolmentStand;
  /** What the site's mail server says of every password from now on. */
  imap: PasswordVerdict;
  /** What it was asked. */
  readonly asked: Credentials[];
  /** One more node, with connections of its own; whoever opens it closes its server. */
  node(database: Database): Promise<PortalNode>;
  /** Delivers a letter to an address, and gives what the next hop got. */
  deliver(address: string, body: string): Promise<string>;
  close(): Promise<void>;
}

/**
 * Opens everything but a socket.
 * @param imap the site's real mail server, as portal.imap names it; without it {@link PortalStand.imap} answers
 */
export async function openPortalStand(imap?: string): Promise<PortalStand> {
  const enrolment = await openEnrolmentStand(
    [registerAlias, registerDomain, registerUser, registerKey],
    `imap = "${imap ?? 'imaps://127.0.0.1:993'}"\n`,
  );
  const { trial, engine, hop, context: flow } = enrolment;
  const asked: Credentials[] = [];
  const node = async (database: Database): Promise<PortalNode> => {
    const context: PortalContext = {
      flow: { ...flow, database },
      database,
      config: () => trial.config,
      logger: flow.logger,
      own: originOf(trial.config.portal),
      render: createRenderer(),
      door: null,
      outside: {
        internet: INTERNET,
        askImap: async (server, credentials, ...more) => {
          asked.push(credentials);
          return imap === undefined ? stand.imap : askImap(server, credentials, ...more);
        },
      },
    };
    const server = await createPortal(context, { listen: { kind: 'unix', path: '/' }, listed: [] });
    const browser = (client?: string): PlainBrowser =>
      plainBrowser(server, PORTAL_HOST, client === undefined ? {} : { 'x-forwarded-for': client });
    return { server, context, browser };
  };
  const first = await node(engine.database);
  const stand: PortalStand = {
    ...first,
    enrolment,
    imap: 'wrong',
    asked,
    node,
    async deliver(address, body) {
      const before = hop.sent.length;
      await engine.deliverer.deliver(mail(`Subject: hello\r\n\r\n${body}\r\n`, address));
      const [request] = hop.sent.slice(before);
      if (request === undefined) throw new Error(`nothing was sent to ${address}`);
      return textOf(request);
    },
    async close() {
      await first.server.close();
      await enrolment.close();
    },
  };
  return stand;
}

/** Whether a delivered letter is sealed, and this key opens it to what was sent. */
export async function opens(secret: PrivateKey, delivered: string, body: string): Promise<boolean> {
  const at = delivered.indexOf('-----BEGIN PGP MESSAGE');
  if (at === -1 || delivered.includes(body)) return false;
  try {
    const inside = await decryptWith(secret, Buffer.from(delivered.slice(at), 'latin1'));
    return inside.toString().includes(body);
  } catch {
    return false;
  }
}

/** The link of an action in the one letter of these that has it. @param secret opens the sealed ones */
export async function linkIn(
  letters: readonly Letter[],
  action: string,
  secret?: PrivateKey,
): Promise<string> {
  const texts = await Promise.all(
    letters.map(async (letter) => {
      try {
        return await letter.text(secret);
      } catch {
        return '';
      }
    }),
  );
  const [text, ...more] = texts.filter((one) => one.includes(`/${action}/`));
  if (text === undefined || more.length > 0)
    throw new Error(
      `${letters.length} letters, and ${more.length + (text === undefined ? 0 : 1)} with a link to ${action}`,
    );
  return `/${action}/${tokenIn(text, action)}`;
}
