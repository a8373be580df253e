// What the three protocols have in common on the wire: bytes are pushed in, and come out as requests or as errors.

export type Decoded<R> =
  | { readonly kind: 'request'; readonly request: R }
  /** `reply`: what is sent for it, null: nothing. `close`: the stream can no longer be read, or must not be answered. */
  | {
      readonly kind: 'error';
      readonly reply: Buffer | null;
      readonly reason: string;
      readonly close: boolean;
    };

/** Reads one connection. Memory is bounded by the protocol's limits and one chunk. */
export interface Decoder<R> {
  push(chunk: Buffer): void;
  /** The next request or error; null: more bytes are needed. Not to be called after an error with `close`. */
  next(): Decoded<R> | null;
  /** Bytes that have been pushed and not yet taken. */
  buffered(): number;
}
