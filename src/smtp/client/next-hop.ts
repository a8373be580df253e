// The next-hop client: hands one message to the next hop over SMTP or LMTP and tells what became of every recipient.
// It never throws for trouble on the network: everything unexpected is a temporary outcome.
import type { FilterConfig } from '../../config/schema.ts';
import { formatNextHop, type NextHop } from '../../config/units.ts';
import type { Logger } from '../../observe/log.ts';
import { classOf } from '../replies.ts';
import type { Envelope, Reply, Xforward } from '../types.ts';
import { planTransaction } from './extensions.ts';
import { createPool } from './pool.ts';
import type { NoSession } from './session.ts';
import { type LateResult, type RecipientResult, runTransaction } from './transaction.ts';

/** The settings that the client takes from [filter]; durations in milliseconds. */
export type NextHopTimeouts = Pick<
  FilterConfig,
  'connect_timeout' | 'command_timeout' | 'next_hop_connections' | 'next_hop_idle' | 'next_hop_max_age'
>;

export interface NextHopClientOptions {
  readonly nextHop: NextHop;
  /** Our name in EHLO or LHLO. */
  readonly hostname: string;
  readonly config: NextHopTimeouts;
  readonly logger: Logger;
  /** Default: `config.next_hop_connections`. */
  readonly maxConnections?: number;
  /** Milliseconds after which an unused connection is closed; default: `config.next_hop_idle`. */
  readonly idleMs?: number;
  /** Milliseconds that a reply is waited for after the deadline; default 15 minutes. */
  readonly lateMs?: number;
  /** Told whenever a session was asked for, and whether there was one. */
  readonly onSession?: (had: boolean) => void;
}

export interface SendRequest {
  /** SIZE in its parameters is replaced by the real size. */
  readonly envelope: Envelope;
  readonly xforward: Xforward;
  /** CRLF line ends only, dot-stuffing not yet done; a missing last CRLF is added. */
  readonly message: Uint8Array | readonly Uint8Array[];
  /** Unix milliseconds by which the result is there. */
  readonly deadline: number;
  /**
   * Asked right before the final dot, where it is given. Where it says no, the connection is given up without the dot, and every
   * recipient gets CLAIM_LOST.
   */
  readonly mayFinish?: (() => Promise<boolean>) | undefined;
  /**
   * Called for each recipient (index in the envelope) as soon as the next hop has accepted it within the deadline.
   * `send` waits for what it returns; should it throw, the acceptance stands.
   */
  readonly onAccepted?: (recipientIndex: number, reply: Reply) => void | Promise<void>;
}

export interface SendResult {
  /** One for each recipient of the envelope, in order. */
  readonly recipients: readonly RecipientResult[];
  /**
   * Present when the deadline came between the final dot and its reply: those recipients are temporary in
   * `recipients`, and this gives the replies that came after all (none for a recipient: they never came).
   */
  readonly late?: Promise<readonly LateResult[]>;
}

export interface NextHopClient {
  /** Sends one message. Never throws. */
  send(request: SendRequest): Promise<SendResult>;
  /** Opens a session for the first message, so that it need not wait for one. Never throws. @returns why there is none */
  prepare(): Promise<Reply | null>;
  /** Connections that are open or being opened. */
  readonly connections: number;
  /** Ends idle connections with QUIT and waits for the messages that are being sent. */
  close(): Promise<void>;
  /** Cuts every connection. */
  destroy(): void;
}

const LATE_MS = 15 * 60_000;

export function createNextHopClient(options: NextHopClientOptions): NextHopClient {
  const { nextHop, hostname, config, logger } = options;
  const name = formatNextHop(nextHop);
  const pool = createPool({
    nextHop,
    hostname,
    connectTimeoutMs: config.connect_timeout,
    commandTimeoutMs: config.command_timeout,
    maxConnections: options.maxConnections ?? config.next_hop_connections,
    idleMs: options.idleMs ?? config.next_hop_idle,
    maxAgeMs: config.next_hop_max_age,
  });
  const sending = new Set<Promise<SendResult>>();

  async function acquire(deadline: number, fresh: boolean): ReturnType<typeof pool.acquire> {
    const session = await pool.acquire(deadline, fresh);
    options.onSession?.('channel' in session);
    return session;
  }

  async function attempt(request: SendRequest, fresh: boolean): Promise<SendResult> {
    const { envelope, deadline } = request;
    const session = await acquire(deadline, fresh);
    if (!('channel' in session)) {
      logger.warn(
        { event: 'next_hop_refuses', next_hop: name, stage: session.stage, reply: session.reply.text },
        'no session with the next hop',
      );
      return { recipients: envelope.recipients.map(() => resultOf(session)) };
    }
    const { channel, extensions } = session;
    const { reused } = session;
    const recording: Promise<void>[] = [];
    const message = request.message instanceof Uint8Array ? [request.message] : request.message;
    const outcome = await runTransaction(channel, {
      protocol: nextHop.protocol,
      name,
      pipelining: extensions.pipelining,
      preamble: session.unfinished ? ['RSET'] : [],
      commands: planTransaction(envelope, request.xforward, message, extensions, name),
      recipients: envelope.recipients.length,
      message,
      commandTimeoutMs: config.command_timeout,
      deadline,
      lateMs: options.lateMs ?? LATE_MS,
      mayFinish: request.mayFinish ?? null,
      accepted: (index, reply) => recording.push(record(request, index, reply)),
    });
    // Said nothing, it stays as it was.
    if (outcome.connection !== 'clean' || !outcome.unanswered)
      session.unfinished = outcome.connection === 'unfinished';
    if (outcome.late === undefined) pool.release(session);
    else void outcome.late.finally(() => pool.release(session));
    // A connection that the next hop closed while it was idle says nothing about this message.
    if (reused && outcome.connection === 'done' && outcome.unanswered && Date.now() < deadline) {
      return attempt(request, true);
    }
    await Promise.all(recording);
    return { recipients: outcome.results, ...(outcome.late === undefined ? {} : { late: outcome.late }) };
  }

  async function record(request: SendRequest, index: number, reply: Reply): Promise<void> {
    try {
      await request.onAccepted?.(index, reply);
    } catch (error) {
      logger.error(
        { event: 'acceptance_unrecorded', err: error instanceof Error ? error.message : 'unknown' },
        'an acceptance could not be recorded',
      );
    }
  }

  return {
    send(request) {
      const result = attempt(request, false).finally(() => sending.delete(result));
      sending.add(result);
      return result;
    },
    async prepare() {
      const session = await acquire(Date.now() + config.connect_timeout + config.command_timeout, false);
      if (!('channel' in session)) return session.reply;
      pool.release(session);
      return null;
    },
    get connections() {
      return pool.connections;
    },
    async close() {
      while (sending.size > 0) await Promise.allSettled([...sending]);
      pool.close();
    },
    destroy: () => pool.destroy(),
  };
}

function resultOf(none: NoSession): RecipientResult {
  return { reply: none.reply, class: classOf(none.reply), stage: none.stage };
}
