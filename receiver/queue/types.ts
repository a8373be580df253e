// What the two sides of the queue agree on: the receiver that files sealed messages, and everything that lists, fetches and
// acknowledges them. The tables and their promises are described in src/database/schema.ts.
//
// A message has three names on its way through the receiver. A *spool file* is what Postfix delivered: one message for one
// address, in plaintext, known by the file's name. A *parcel* is that message sealed: a copy for each user who reads the
// address, filed together or not at all; by LMTP a message becomes a parcel without having been a spool file. A *queued
// message* is one user's copy once it is committed: ciphertext with an id, which the user's client fetches and acknowledges.
import * as z from 'zod';

/** 32 hexadecimal digits in lower case; opaque to everybody but the receiver, and no secret. */
export type MessageId = string;

export const MESSAGE_ID = /^[0-9a-f]{32}$/;

/** What is known of a queued message without its key. */
export interface QueuedMessage {
  readonly id: MessageId;
  /** Order within one user's queue, and the cursor: commits follow it, so "number > cursor" skips nothing. */
  readonly number: number;
  /** Bytes of the ciphertext. */
  readonly size: number;
  readonly received: Date;
  /** In how many chunks its bytes are; 0: they are one value. */
  readonly chunks: number;
}

/** The channel on which the database tells of a message, once it is committed. */
export const INCOMING_CHANNEL = 'sealpost_incoming';

const arrivalSchema = z.object({
  user: z.int(),
  id: z.string().regex(MESSAGE_ID),
  number: z.int(),
  size: z.int(),
  received: z.string(),
});

/** A notification on {@link INCOMING_CHANNEL}. `received` is RFC 3339 in UTC. */
export type Arrival = Readonly<z.output<typeof arrivalSchema>>;

/** Reads a notification's payload; null for one that is not ours to read. Pure. */
export function parseArrival(payload: string | undefined): Arrival | null {
  try {
    return arrivalSchema.parse(JSON.parse(payload ?? ''));
  } catch {
    return null;
  }
}

/** Messages up to this size (bytes of ciphertext) are one value in `incoming.content`; larger ones are in chunks. */
export const WHOLE_BYTES = 1024 * 1024;

/** Size of a chunk; the last one of a message may be smaller. */
export const CHUNK_BYTES = 512 * 1024;
