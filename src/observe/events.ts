// What became of a message, as the log and `sealpost trace` name it: one code for each fate.

/** Every code, with what it means: docs/log-events.md says the same. */
export const EVENTS = {
  sealed: 'a sealed copy was accepted by the next hop',
  passed: 'a copy was accepted by the next hop as it came in',
  deferred: 'the recipient was answered with a temporary failure: Postfix keeps the mail and tries again',
  refused: 'the recipient was answered with a permanent failure: Postfix returns the mail',
  duplicate: 'the next hop had accepted this recipient before: nothing was sent again',
  filed: 'a sealed copy is in the encrypted queue of its reader',
  key_letter: 'a letter to the key address was read for keys: nothing was sent on',
  returned: 'a notification of non-delivery was accepted by the next hop',
} as const;

export type EventCode = keyof typeof EVENTS;

/** One message and one recipient: plain data, for the log and for the table `events`. */
export interface MessageEvent {
  readonly event: EventCode;
  /** Unix milliseconds. */
  readonly at: number;
  /** Postfix's queue ID; '' where there is none. */
  readonly queueId: string;
  /** Our own name of the transaction: unique in this process. */
  readonly transaction: string;
  /** As the message has it; '' where there is none. Asked only where events are kept. Never logged. */
  readonly messageId: () => string;
  /** By which listener it came in, for the metrics; absent: by none. */
  readonly listener?: string | undefined;
  /** Raw, without angle brackets, one character per byte; '' where the message was refused before one was named. */
  readonly recipient: string;
  /** Whether the recipient is in a domain of ours. */
  readonly ours: boolean;
  /** One or a few words, of a list that does not grow with the mail. */
  readonly because: string;
  /** One sentence: no address, no content. */
  readonly reason: string;
  /** Fingerprints of the keys that the copy is sealed to. */
  readonly keys: readonly string[];
  /** Bytes, as the message came. */
  readonly size: number;
  /** Milliseconds from the end of the message to the outcome. */
  readonly duration: number;
  /** What the client is answered, on one line and without addresses. */
  readonly reply: string;
}

/** The word that stands for a recipient in the log: `log.addresses`. */
export type AddressForm = (path: string, ours: boolean) => string;

/** The fields of an event's line in the log. */
export function eventFields(told: MessageEvent, form: AddressForm): Readonly<Record<string, unknown>> {
  const recipient = told.recipient === '' ? '' : form(told.recipient, told.ours);
  return {
    event: told.event,
    queue_id: told.queueId,
    transaction: told.transaction,
    ...(recipient === '' ? {} : { recipient }),
    because: told.because,
    ...(told.keys.length === 0 ? {} : { keys: told.keys }),
    size: told.size,
    ms: told.duration,
    reply: told.reply,
  };
}
