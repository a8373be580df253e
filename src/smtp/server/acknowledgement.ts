// Whether the client is known to have our replies. Only then may the memory of what was accepted be dropped: a client
// that missed them sends the message again.

/** One answered transaction. */
interface Answered {
  readonly tell: (reached: boolean) => void;
  /** The operating system has taken all of the reply, and what had arrived by then has been read. */
  flushed: boolean;
  provable: boolean;
}

/**
 * Follows the replies of one connection. Proof is either
 * - input that arrives after the replies were flushed, QUIT excepted: Postfix pipelines that behind the final dot
 *   without waiting; or
 * - QUIT, and the client closing its side after they were flushed, and the connection ending without an error: a close
 *   with unread data would have reset it. A close without QUIT may be the end of a process that was killed before it
 *   wrote down what it had read.
 */
export interface Acknowledgements {
  /**
   * A transaction has been answered.
   * @param tell called exactly once: true when the replies have reached the client, false when that stays unknown
   * @returns to be called when the replies were flushed
   */
  answered(tell: (reached: boolean) => void): () => void;
  /** Bytes have arrived. @param fresh whether they begin a command, and everything before them was dealt with */
  heard(bytes: Buffer, fresh: boolean): void;
  /** The client has said QUIT. */
  quit(): void;
  /** The client has closed its side. */
  ended(): void;
  /** The connection is gone. */
  closed(withError: boolean): void;
}

/** What is known of the replies of one connection. */
interface Replies {
  /** Answered, and not yet told of; in order. */
  waiting: Answered[];
  /** Those that were flushed when the client closed its side. */
  endedInTime: ReadonlySet<Answered>;
  saidQuit: boolean;
  over: boolean;
}

export function createAcknowledgements(): Acknowledgements {
  const replies: Replies = { waiting: [], endedInTime: NONE, saidQuit: false, over: false };
  return {
    answered: (tell) => answered(replies, tell),
    heard(bytes, fresh) {
      if (replies.waiting.length === 0 || !fresh || beginsWithQuit(bytes)) return;
      const reached = replies.waiting.filter((entry) => entry.provable);
      settle(replies, reached, true);
    },
    quit() {
      replies.saidQuit = true;
    },
    ended() {
      replies.endedInTime = new Set(replies.waiting.filter((entry) => entry.flushed));
    },
    closed: (withError) => closed(replies, withError),
  };
}

const NONE: ReadonlySet<Answered> = new Set();

function answered(replies: Replies, tell: Answered['tell']): () => void {
  if (replies.over) {
    tell(false);
    return () => undefined;
  }
  const entry: Answered = { tell, flushed: false, provable: false };
  replies.waiting.push(entry);
  return () => {
    entry.flushed = true;
    // What was already on its way is read within this turn of the event loop.
    setImmediate(() => {
      entry.provable = true;
    });
  };
}

function closed(replies: Replies, withError: boolean): void {
  replies.over = true;
  const { waiting, endedInTime, saidQuit } = replies;
  const reached = withError || !saidQuit ? [] : waiting.filter((entry) => endedInTime.has(entry));
  settle(replies, reached, true);
  settle(replies, replies.waiting, false);
}

function settle(replies: Replies, these: readonly Answered[], reached: boolean): void {
  if (these.length === 0) return;
  replies.waiting = replies.waiting.filter((entry) => !these.includes(entry));
  for (const entry of these) entry.tell(reached);
}

/** Whether the bytes are QUIT, or a beginning of it. */
function beginsWithQuit(bytes: Buffer): boolean {
  const start = bytes.subarray(0, 4).toString('latin1').toUpperCase();
  return start.length > 0 && 'QUIT'.startsWith(start);
}
