// Whether what the keeping sink has got is what was sent: everything once, sealed where it must be, and a sample of it opens
// to the bytes that went in.
import type { Decrypt } from '../test/e2e/support/keys.ts';
import {
  armoredPart,
  fieldValues,
  firstDifference,
  looksSealed,
  splitMessage,
  unseal,
} from '../test/e2e/support/unseal.ts';
import type { Captured } from './next-hop.ts';

export interface Expected {
  /** Named in the error. */
  readonly what: string;
  /** Message and recipient: each pair must have come exactly once. */
  readonly copies: number;
  readonly sealed: boolean;
  /** The body that went in. */
  readonly body: Buffer;
  /** How many are decrypted. */
  readonly sample: number;
  /**
   * Mail programs in Python encrypt with LF as line end, and add or drop empty lines at the end of the body: neither counts
   * as a difference.
   */
  readonly loosely?: boolean;
}

/** @throws Error that names what was expected of which message */
export async function checkCaptured(
  captured: AsyncIterable<Captured>,
  expected: Expected,
  decrypt: Decrypt,
): Promise<void> {
  const { what, copies, sealed, sample } = expected;
  const pairs: string[] = [];
  const step = Math.max(1, Math.floor(copies / sample));
  let seen = 0;
  for await (const { message, recipients } of captured) {
    const id = fieldValues(splitMessage(message.subarray(0, MOST_HEADER)).fields, 'Message-ID').join();
    pairs.push(...recipients.map((recipient) => `${id} ${recipient}`));
    const chosen = seen % step === 0;
    seen += 1;
    if (!sealed) {
      if (looksSealed(message)) throw new Error(`${what}: a message came out sealed`);
      compare(expected, splitMessage(message).body);
    } else if (chosen) compare(expected, await openBody(expected, message, decrypt));
    else expectSealed(what, message);
  }
  if (pairs.length !== copies)
    throw new Error(`${what}: ${copies} copies were expected, ${pairs.length} arrived`);
  if (new Set(pairs).size !== copies)
    throw new Error(`${what}: a copy arrived twice, and another one not at all`);
}

const MOST_HEADER = 65_536;
/** Up to here the whole structure of every message is looked at; it takes time. */
const SMALL = 2 ** 20;

function expectSealed(what: string, message: Buffer): void {
  const head = message.subarray(0, MOST_HEADER);
  if (!looksSealed(head) || !head.includes('-----BEGIN PGP MESSAGE-----'))
    throw new Error(`${what}: a message came out unsealed`);
  if (message.length <= SMALL) armoredPart(message);
  else if (!message.subarray(-1024).includes('-----END PGP MESSAGE-----'))
    throw new Error(`${what}: a sealed message has no end`);
}

async function openBody({ loosely }: Expected, message: Buffer, decrypt: Decrypt): Promise<Buffer> {
  if (!loosely) return (await unseal(message, decrypt)).body;
  const opened = await decrypt(armoredPart(message));
  return splitMessage(Buffer.from(opened.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1')).body;
}

function compare({ what, body, loosely = false }: Expected, found: Buffer): void {
  const trimmed = (bytes: Buffer): Buffer =>
    loosely ? Buffer.from(bytes.toString('latin1').trimEnd(), 'latin1') : bytes;
  const difference = firstDifference(trimmed(body), trimmed(found));
  if (difference !== null) throw new Error(`${what}: the body is not the one that was sent: ${difference}`);
}
