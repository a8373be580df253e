// The end of a spool file that cannot be filed: returned to its sender where that may be, set aside in failed/ where not. It
// is removed only once the next hop has taken the bounce.
import { createHash } from 'node:crypto';
import { userIdOf } from '../../src/address/id-address.ts';
import { parsePath } from '../../src/address/normalise.ts';
import { buildBounce } from '../../src/delivery/bounce.ts';
import type { Engine } from '../../src/delivery/engine.ts';
import { findMessageId, findQueueId } from '../../src/message/received.ts';
import { withoutAddresses } from '../../src/observe/log.ts';
import { logReply } from '../../src/smtp/log-reply.ts';
import { ourEnvelope } from '../../src/smtp/our-envelope.ts';
import { BOUNCE_WITHOUT_OUTCOME, givenUp } from '../../src/smtp/our-replies.ts';
import { pathOfAddress } from '../../src/smtp/paths.ts';
import { classOf, formatReply } from '../../src/smtp/replies.ts';
import type { RawPath, Reply, Transaction } from '../../src/smtp/types.ts';
import { type Addressee, readAddressee } from './addressee.ts';
import { claimFiles, forgetAttempts, nameHash, withClaims } from './attempts.ts';
import type { BatchContext, Unfiled } from './batch.ts';
import { readSpoolFile, removeFiled, setAside } from './maildir.ts';
import { returnable } from './returnable.ts';
import { transactionOf } from './told.ts';

export interface GiveUpContext extends BatchContext {
  readonly engine: Pick<Engine, 'directory' | 'decider' | 'sealer' | 'deliverer' | 'refresh' | 'tell'>;
  readonly hostname: string;
  readonly maxReceived: () => number;
}

/** `again`: the bounce found no way now. */
export type GivenUp = 'bounced' | 'set aside' | 'gone' | 'again';

const BOUNCE_DEADLINE_MS = 120_000;
/** A loop would be recognised by its header; the body is not returned. */
const WITHHELD = 'undisclosed-recipient';

/**
 * Ends one file.
 * @throws what the database and the file system fail with; the file is where it was then
 */
export async function giveUp(unfiled: Unfiled, context: GiveUpContext): Promise<GivenUp> {
  const { name } = unfiled;
  const ended = await withClaims(context.pool, async (client) => {
    const { claimed } = await claimFiles(client, [name], new Set([name]));
    const outcome = claimed.length === 0 ? 'again' : await end(unfiled, context);
    if (outcome !== 'again') await forgetAttempts(client, [name]);
    return outcome;
  });
  if (ended === 'bounced') await removeFiled(context.spool, [name]);
  return ended;
}

async function end(unfiled: Unfiled, context: GiveUpContext): Promise<GivenUp> {
  const { name, because, reply } = unfiled;
  const { logger, metrics, spool } = context;
  const aside = async (reason: string): Promise<GivenUp> => {
    await setAside(spool, name, reason);
    metrics.receiverFailed.inc({ because });
    logger.warn(
      { event: 'spool_file_failed', file: name, reason: withoutAddresses(reason) },
      'a spool file was set aside in failed/',
    );
    return 'set aside';
  };
  const said = formatReply(reply);
  const read = await readSpoolFile(
    spool,
    name,
    context.timing().most,
    context.admit,
    Number.POSITIVE_INFINITY,
  );
  if (read.kind === 'gone') return 'gone';
  if (read.kind === 'no room') return 'again';
  if (read.kind === 'read error') return aside(`${because}: ${said}`);
  if (read.kind === 'broken') return aside(read.because);
  try {
    const addressee = readAddressee(read.head);
    if (addressee === null) return await aside('no Delivered-To or X-Original-To names a recipient');
    const may = returnable(read.head, addressee, context.maxReceived());
    if (!may.ok) return await aside(`${because}: ${said}; not returned, since ${may.because}`);
    const recipient = await shownRecipient(addressee, context);
    const identity = bounceHash(name, read.head);
    const reportsOn = { queueId: findQueueId(read.head), messageId: findMessageId(read.head) };
    const bounce = bounceFor(unfiled, may, recipient, reportsOn, context.hostname, identity);
    const answer = await send(bounce, context);
    if (classOf(answer) === 'temporary') {
      logger.warn(
        { event: 'bounce_postponed', file: name, reply: logReply(answer) },
        'a bounce was not accepted yet',
      );
      return 'again';
    }
    if (classOf(answer) === 'permanent') {
      return await aside(`${because}: ${said}; the bounce was refused: ${formatReply(answer)}`);
    }
    metrics.receiverBounced.inc({ because });
    logger.warn(
      { event: 'spool_file_returned', file: name, because },
      'a spool file was returned to its sender',
    );
    return 'bounced';
  } finally {
    read.lease?.release();
  }
}

/** The address that the sender knows: never the internal id. */
async function shownRecipient(addressee: Addressee, context: GiveUpContext): Promise<RawPath> {
  const known = addressee.original ?? addressee.recipient;
  if (!isInternal(known)) return known;
  const { resolution } = await context.engine.directory.recipient(known);
  const [reader] = 'readers' in resolution ? resolution.readers : [];
  if (reader?.kind === 'user') return pathOfAddress(reader.user.address);
  return isInternal(addressee.recipient) ? WITHHELD : addressee.recipient;
}

function isInternal(path: RawPath): boolean {
  const parts = parsePath(path, 'localhost');
  return parts !== null && userIdOf(parts.local.split(/[^\w]/, 1)[0] ?? '') !== null;
}

function bounceFor(
  unfiled: Unfiled,
  may: { readonly to: RawPath; readonly header: Buffer },
  recipient: RawPath,
  reportsOn: NonNullable<Transaction['reportsOn']>,
  hostname: string,
  identity: string,
): Transaction {
  const boundary = `sealpost-${identity.slice(0, 30)}`;
  return {
    id: `${transactionOf(unfiled.name)}-bounce`,
    identity,
    reportsOn,
    envelope: ourEnvelope(may.to),
    xforward: {},
    message: buildBounce({
      reportingMta: hostname,
      sender: may.to,
      queueId: '',
      refused: [{ recipient, reply: finalReply(unfiled) }],
      originalMessageId: reportsOn.messageId,
      originalHeader: may.header,
      date: new Date(),
      boundary,
    }),
    deadline: Date.now() + BOUNCE_DEADLINE_MS,
  };
}

function finalReply({ reply, arrived }: Unfiled): Reply {
  if (classOf(reply) === 'permanent') return reply;
  const hours = Math.round((Date.now() - arrived.getTime()) / 3_600_000);
  return givenUp(reply, hours);
}

/** Through the filter's own delivery: the sender may have a key, too. By its identity a crash does not send it twice. */
async function send(bounce: Transaction, { engine }: GiveUpContext): Promise<Reply> {
  const { outcomes } = await engine.deliverer.deliver(bounce);
  return outcomes[0]?.reply ?? BOUNCE_WITHOUT_OUTCOME;
}

/** What the bounce of a file is remembered by. */
function bounceHash(name: string, message: Uint8Array): string {
  return createHash('sha256')
    .update(`sealpost spool bounce ${nameHash(name)} `)
    .update(message)
    .digest('hex');
}
