// What the HTTP interface takes and gives (docs/pull.md), as schemas: the server checks requests and makes its OpenAPI document
// from them, the client checks answers.
import * as z from 'zod';

/** A message that waits, as list, events and batch tell of it. Nothing in here comes from the message itself. */
export const waitingSchema = z.object({
  id: z.string().meta({ description: 'no meaning, no secret; at most 64 of A-Z a-z 0-9 _ -' }),
  size: z.number().int().nonnegative().meta({ description: 'bytes of the stored OpenPGP message' }),
  received: z.string().meta({ description: 'RFC 3339' }),
});
export type Waiting = Readonly<z.output<typeof waitingSchema>>;

export const listSchema = z.object({
  messages: z.array(waitingSchema).meta({ description: 'oldest first' }),
  next: z
    .string()
    .nullable()
    .meta({ description: 'what to give as "after" for what follows; null when this list is empty' }),
});

/** Messages in one list, batch or acknowledgement at most. */
export const MOST_IN_ONE = 1000;

export const idsSchema = z.object({
  ids: z.array(z.string().min(1).max(64)).min(1).max(MOST_IN_ONE),
});

export const acknowledgedSchema = z.object({
  acknowledged: z
    .number()
    .int()
    .meta({ description: 'how many of them are gone now, those acknowledged before included' }),
});

export const errorSchema = z.object({ error: z.string() });

/** The media type of one stored message: binary OpenPGP packets. */
export const MESSAGE_TYPE = 'application/pgp-encrypted';

/** The media type of several in one answer; see frames.ts. */
export const BATCH_TYPE = 'application/vnd.sealpost.batch';

/** What a client may be asked to take for an id: it becomes part of a file's name. */
export const ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
