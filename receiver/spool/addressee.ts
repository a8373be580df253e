// Whose a spool file is: the fields that Postfix's virtual(8) and local(8) put on top of what they write (mail_copy(3)):
// Return-Path, X-Original-To, Delivered-To. Below them everything comes from the sender, and may be forged. Pure.
import { fieldValue, walkHeader } from '../../src/message/header.ts';
import type { RawPath } from '../../src/smtp/types.ts';

export interface Addressee {
  /** The address that Postfix delivered to, such as `id_12@example.org`. */
  readonly recipient: RawPath;
  /** The address that the sender's server named, before aliases were expanded; null where Postfix wrote none. */
  readonly original: RawPath | null;
  /** The envelope sender; '' is the null sender, null means that none was written. */
  readonly sender: RawPath | null;
}

type Kind = 'return-path' | 'x-original-to' | 'delivered-to';

/**
 * Reads the topmost run of these fields that names a recipient. In a run Delivered-To counts before X-Original-To, and the
 * first one of each name: what stands further down is not Postfix's.
 * @returns null where no recipient is named
 */
export function readAddressee(message: Buffer): Addressee | null {
  const run = new Map<Kind, RawPath>();
  const complete = (): boolean => run.has('delivered-to') || run.has('x-original-to');
  walkHeader(message, (from, nameEnd, end) => {
    const name = message.toString('latin1', from, nameEnd).toLowerCase();
    if (name === 'return-path' || name === 'x-original-to' || name === 'delivered-to') {
      if (!run.has(name)) run.set(name, pathOf(fieldValue({ name, raw: message.subarray(from, end) })));
      return true;
    }
    if (complete()) return false;
    run.clear();
    return true;
  });
  const original = run.get('x-original-to') || null;
  const recipient = run.get('delivered-to') || original;
  if (recipient === null) return null;
  return { recipient, original, sender: run.get('return-path') ?? null };
}

function pathOf(value: string): RawPath {
  return value.startsWith('<') && value.endsWith('>') ? value.slice(1, -1) : value;
}
