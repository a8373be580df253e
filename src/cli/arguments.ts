// Arguments that several commands read alike. What makes no sense is wrong usage: exit 2.
import { userInfo } from 'node:os';
import { parseSize } from '../config/units.ts';
import { WrongUsage } from '../host/exit-codes.ts';
import { fieldsNamed, fieldValue, splitMessage } from '../message/header.ts';

/** Bytes, or null for `none`. @throws WrongUsage */
export function readQuota(text: string): number | null {
  if (/^(?:none|unlimited)?$/i.test(text.trim())) return null;
  const parsed = parseSize(text);
  if (!parsed.ok)
    throw new WrongUsage(`--quota: found ${JSON.stringify(text)}, expected ${parsed.expected}, or "none"`);
  return parsed.value;
}

/** A number of messages, or null for `none`. @throws WrongUsage */
export function readMessageQuota(text: string): number | null {
  if (/^(?:none|unlimited)?$/i.test(text.trim())) return null;
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count)) {
    throw new WrongUsage(
      `--quota-messages: found ${JSON.stringify(text)}, expected a number such as 100000, or "none"`,
    );
  }
  return count;
}

export const SENDER_HELP =
  'the envelope sender, for rules; "<>" is the null sender; default: the Return-Path field of the message';

/**
 * The raw path of the envelope sender, as rules want it: what was typed, else what a delivered message says of it itself
 * (RFC 5321, section 4.4). null where neither is there.
 */
export function readSender(typed: string | undefined, message: Buffer): string | null {
  const [field] = fieldsNamed(splitMessage(message), 'return-path');
  const text =
    typed === undefined
      ? field === undefined
        ? null
        : fieldValue(field)
      : Buffer.from(typed).toString('latin1');
  return text === null ? null : text.trim().replace(/^<(.*)>$/, '$1');
}

/** Who types, for the audit of key changes. */
export function cliActor(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    // A uid without a passwd entry.
    return `cli:${process.getuid?.() ?? 'unknown'}`;
  }
}
