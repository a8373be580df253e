// The longest answer that each protocol carries. Pure.
import type { Answer } from './facts.ts';
import { LONGEST_REPLY, socketmapReplyBytes } from './socketmap-codec.ts';
import { LONGEST_LINE, tcpReplyBytes } from './tcp-table-codec.ts';

export type LookupProtocol = 'tcp_table' | 'socketmap' | 'policy' | 'command';

interface ReplyLimit {
  /** Bytes. */
  readonly longest: number;
  readonly bytesOf: (value: string) => number;
}

/** null: no answer is as long as that. */
const LIMITS: Readonly<Record<LookupProtocol, ReplyLimit | null>> = {
  tcp_table: { longest: LONGEST_LINE, bytesOf: tcpReplyBytes },
  socketmap: { longest: LONGEST_REPLY, bytesOf: socketmapReplyBytes },
  policy: null,
  command: null,
};

/** An answer below this is not measured: its characters are at most three bytes of UTF-8, and each of them %XX. */
const SURELY_FITS = Math.floor(LONGEST_LINE / 10);

/** @returns what an answer would need and what there is, in bytes, where the protocol cannot carry it; else null */
export function overReplyLimit(
  protocol: LookupProtocol,
  answer: Answer,
): { readonly bytes: number; readonly longest: number } | null {
  const limit = LIMITS[protocol];
  if (answer.kind !== 'found' || answer.value.length < SURELY_FITS || limit === null) return null;
  const bytes = limit.bytesOf(answer.value);
  return bytes > limit.longest ? { bytes, longest: limit.longest } : null;
}
