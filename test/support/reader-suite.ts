// The tests of a mail program: each message of the set is opened, and what is seen is compared with what was sent.
import { expect } from 'vitest';
import { claimedSight } from './reader-claims.ts';
import type { SealedLetter, Seen, Sight } from './reader-letters.ts';

/** How a program shows some of the messages, by their names, where it is not as they were sent. */
export type Differences = Readonly<Record<string, Partial<Sight>>>;

/**
 * Compares them. Where the documentation says that the program does not open a message, nothing of it may be seen: a program that
 * has learned it fails here, so that the documentation follows.
 */
export function expectSight(
  program: string,
  sealed: SealedLetter,
  seen: Seen,
  differences: Differences = {},
): void {
  const claimed = claimedSight(program, sealed);
  if (claimed === null) {
    for (const text of sealed.sight.texts) expect(seen.text).not.toContain(text);
    for (const name of sealed.sight.attachments) expect(seen.attachments).not.toContain(name);
    return;
  }
  const sight = { ...claimed, ...differences[sealed.name] };
  const { subject, attachments } = seen;
  expect({ subject, attachments }).toEqual({ subject: sight.subject, attachments: sight.attachments });
  for (const text of sight.texts) expect(seen.text).toContain(text);
  if (!sight.texts.some(isSource)) expect(isSource(seen.text)).toBe(false);
}

/** HTML as its author wrote it, and not as it is meant to be seen. */
function isSource(text: string): boolean {
  return text.includes('<p>');
}
