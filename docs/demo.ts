// What the quickstart and `npm run dev` start: a private mail system in one temporary folder, a real `sealpost serve` with an
// embedded database, a Postfix wired by postfix-examples/ where there is one, and a mail store that keeps what it gets.
import { existsSync } from 'node:fs';
import { allocatePlaces, exampleSubstitutions, freePorts, type Places } from '../test/support/places.ts';
import { type PrivatePostfix, startPostfix } from '../test/support/private-postfix.ts';
import {
  createSealpost,
  type SealpostOptions,
  type SealpostProcess,
} from '../test/support/sealpost-process.ts';
import { type Sink, startSink } from '../test/support/sink.ts';

const EXAMPLE = 'delivery-lmtp';
/** Alice hands over a key, Bob has none. */
export const ALICE = 'alice@example.org';
export const BOB = 'bob@example.org';

/** What postfix-examples and the sources decide: all that a restart makes anew. */
export interface DemoParts {
  readonly sealpost: SealpostProcess;
  readonly postfix: PrivatePostfix | undefined;
}

export interface Demo extends DemoParts {
  readonly places: Places;
  readonly mailboxes: Sink;
  /** Ports of the lookup daemons, by map. */
  readonly lookups: Readonly<Record<'check_recipient' | 'virtual_alias', number>>;
  /** Where the pages for users answer. */
  readonly portal: string;
}

/** Chooses folder and ports, and starts the mail store. */
export async function prepareDemo(): Promise<Omit<Demo, keyof DemoParts>> {
  const places = await allocatePlaces();
  const [recipientPort = 0, aliasPort = 0, portalPort = 0] = await freePorts(3);
  const mailboxes = await startSink({ protocol: 'lmtp', listen: { path: places.dovecotSocket } });
  const lookups = { check_recipient: recipientPort, virtual_alias: aliasPort };
  return { places, mailboxes, lookups, portal: `http://127.0.0.1:${portalPort}` };
}

/** Writes the configuration, and makes the database's tables unless told otherwise. */
export function configureDemo(
  { places, lookups, portal }: Pick<Demo, 'places' | 'lookups' | 'portal'>,
  options: Pick<SealpostOptions, 'commands' | 'from' | 'migrate'>,
): Promise<SealpostProcess> {
  return createSealpost({
    ...options,
    places,
    example: EXAMPLE,
    substitutions: exampleSubstitutions(places),
    config: {
      portal: { listen: new URL(portal).host, url: portal },
      policy: {
        tcp: {
          check_recipient: `127.0.0.1:${lookups.check_recipient}`,
          virtual_alias: `127.0.0.1:${lookups.virtual_alias}`,
        },
      },
    },
  });
}

/** Starts Postfix with the example's files; undefined where there is none, or where this is not root. */
export async function startDemoPostfix(places: Places): Promise<PrivatePostfix | undefined> {
  if (!existsSync('/usr/sbin/postfix') || process.getuid?.() !== 0) return undefined;
  return startPostfix({
    places,
    example: EXAMPLE,
    substitutions: exampleSubstitutions(places),
    mailboxes: 'error:no mail leaves this machine',
    domains: ['example.org'],
  });
}

/** The way of the mail, in a line. */
export function describeDemo({ postfix, places }: Pick<Demo, 'postfix' | 'places'>): string {
  return postfix
    ? `Postfix on ${postfix.submitPort} -> sealpost (LMTP ${places.lmtpPort}) -> mail store (LMTP)`
    : `no Postfix here (it needs root and Debian's package): mail goes straight to sealpost (LMTP ${places.lmtpPort}) -> mail store (LMTP)`;
}

/** The swaks line that sends Alice a letter. */
export function swaksLine({ postfix, places }: Pick<Demo, 'postfix' | 'places'>): string {
  const protocol = postfix ? '' : ' --protocol LMTP';
  return `swaks --server 127.0.0.1:${postfix?.submitPort ?? places.lmtpPort}${protocol} --to ${ALICE}`;
}

/** Ends everything, and removes the folder. */
export async function stopDemo({ postfix, sealpost, mailboxes, places }: Demo): Promise<void> {
  await postfix?.stop();
  await sealpost.close();
  await mailboxes.stop();
  await places.remove();
}
