// Whether what the keeping sink has got is what was sent: everything once, sealed where it must be, and a sample of it opens
// to the bytes that went in.
import type { Decrypt } from '../test/support/keys.ts';
import {
  armoredPart,
  fieldValues,
  firstDifference,
  looksSealed,
  splitMessage,
  unseal,
} from '../test/support/unseal.ts';
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
  for await (const each of captured) {
    const id = fieldValues(splitMessage(each.head).fields, 'Message-ID').join();
    pairs.push(...each.recipients.map((recipient) => `${id} ${recipient}`));
    if (looksSealed(each.head) !== sealed)
      throw new Error(`${what}: a message came out ${sealed ? 'unsealed' : 'sealed'}`);
    if (!sealed) compare(expected, splitMessage(await each.message()).body);
    else if (seen % step === 0) compare(expected, await openBody(expected, await each.message(), decrypt));
    else await expectSealed(what, each);
    seen += 1;
  }
  if (pairs.length !== copies)
    throw new Error(`${what}: ${copies} copies were expected, ${pairs.length} arrived`);
  if (new Set(pairs).size !== copies)
    throw new Error(`${what}: a copy arrived twice, and another one not at all`);
}

/** Up to here the whole structure of every message is looked at; it takes time. */
const SMALL = 2 ** 20;

async function expectSealed(what: string, { bytes, head, tail, message }: Captured): Promise<void> {
  if (bytes <= SMALL) armoredPart(await message());
  else if (!head.includes('-----BEGIN PGP MESSAGE-----') || !tail.includes('-----END PGP MESSAGE-----'))
    throw new Error(`${what}: a sealed message holds no whole armor`);
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
