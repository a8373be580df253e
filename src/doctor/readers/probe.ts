// `--probe`: a letter on the road that mail takes, and how often it came through sealpost.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/schema.ts';
import { formatNextHop } from '../../config/units.ts';
import { findEvents } from '../../database/events.ts';
import type { Database } from '../../database/open.ts';
import { hashedMessageId } from '../../delivery/tell.ts';
import { createLogger } from '../../observe/log.ts';
import { pseudonymKey } from '../../observe/pseudonym.ts';
import { createNextHopClient } from '../../smtp/client/next-hop.ts';
import { formatReply } from '../../smtp/replies.ts';
import { type Ask, type DirectoryFacts, type ProbeFacts, type Reader, Unseen } from '../facts.ts';

const SEND_MS = 6000;
/** Events are written within a quarter of a second; a letter that goes round comes again at once. */
const FOLLOW_MS = 2500;
const LOOK_MS = 100;

/** The administrator of the notices, else a postmaster who is somebody. */
function recipientOf({ notices }: Config, { duties }: DirectoryFacts): string {
  const [postmaster] = [...duties].filter(([address, known]) => known && address.startsWith('postmaster@'));
  const to = notices.administrator || postmaster?.[0];
  if (to === undefined)
    throw new Unseen('nobody can be written to: set notices.administrator, or add postmaster@ of a domain');
  return to;
}

function letter(hostname: string, recipient: string, messageId: string): Buffer {
  return Buffer.from(
    [
      `From: sealpost doctor <postmaster@${hostname}>`,
      `To: <${recipient}>`,
      'Subject: sealpost doctor --probe',
      `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
      `Message-ID: <${messageId}>`,
      'Auto-Submitted: auto-generated',
      '',
      'This letter shows that mail finds its way through sealpost. It can be deleted.',
      '',
    ].join('\r\n'),
  );
}

/** @param wanted --probe was given: nothing is sent unasked */
export const probeReader =
  (wanted: boolean, open: (ask: Ask) => Promise<Database>): Reader<'probe'> =>
  async (ask): Promise<ProbeFacts> => {
    if (!wanted) throw new Unseen('--probe was not given', true);
    const [{ config }, directory, database] = await Promise.all([ask('config'), ask('directory'), open(ask)]);
    const recipient = recipientOf(config, directory);
    const messageId = `doctor-${randomBytes(12).toString('hex')}@${config.hostname}`;
    const { reply, accepted } = await send(config, recipient, messageId);
    const seen = !accepted || config.trace.keep === 0 ? null : await follow(config, database, messageId);
    return { recipient, reply, accepted, seen };
  };

async function send(config: Config, recipient: string, messageId: string) {
  const [listener] = config.filter.listen;
  if (listener === undefined) throw new Unseen('the filter has no listener');
  const nextHop = { protocol: listener.protocol, endpoint: listener.address };
  const client = createNextHopClient({
    nextHop,
    hostname: config.hostname,
    config: config.filter,
    logger: createLogger({ level: 'silent' }),
    maxConnections: 1,
  });
  try {
    const { recipients } = await client.send({
      // The null sender: nobody is told should it not be deliverable.
      envelope: { sender: '', parameters: [], recipients: [{ path: recipient, parameters: [] }] },
      xforward: {},
      message: letter(config.hostname, recipient, messageId),
      deadline: Date.now() + SEND_MS,
    });
    const [result] = recipients;
    if (result === undefined) throw new Unseen(`${formatNextHop(nextHop)} gave no reply`);
    return { reply: formatReply(result.reply), accepted: result.class === 'accepted' };
  } finally {
    client.destroy();
  }
}

/** Waits for the event of the letter, and a while longer for a second one. */
async function follow(config: Config, { pool }: Database, messageId: string): Promise<number> {
  const hashed = hashedMessageId(pseudonymKey(config.state_dir), messageId);
  const since = Date.now() - 60_000;
  const until = Date.now() + FOLLOW_MS;
  for (;;) {
    const events = await findEvents(pool, { messageId: hashed, since, limit: 100 });
    const rounds = new Set(events.map(({ transaction }) => transaction)).size;
    if (rounds > 1 || Date.now() > until) return rounds;
    await sleep(LOOK_MS);
  }
}
