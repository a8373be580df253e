// The verdict fields: what `pull` found out about mail that its own sender had encrypted or signed (docs/pull.md lists the
// values). Fields of these names that came with the mail are forged, and go. Everything else of the mail stays as it is.
import { withoutQuotedText } from '../../src/message/comment.ts';
import { fieldsNamed, fieldValue, lineEndingOf, splitMessage } from '../../src/message/header.ts';
import { stripFields } from '../../src/message/sealpost-fields.ts';
import { type Decryptor, KeyNotUsable } from './decryptor.ts';
import type { SignatureStatus } from './gpg-status.ts';
import { type SenderParts, senderParts } from './sender-parts.ts';

const ENCRYPTION = 'Sealpost-Encryption';
const SIGNATURE = 'Sealpost-Signature';
const NAMES: ReadonlySet<string> = new Set([ENCRYPTION.toLowerCase(), SIGNATURE.toLowerCase()]);

/** What a sender's encryption may hold: a mail of this size would not have been accepted. */
const MOST_INSIDE = 256 * 1024 * 1024;

export interface Verdict {
  /** Field bodies; see docs/pull.md. */
  readonly encryption: string;
  readonly signature: string;
}

/**
 * Judges a decrypted mail and puts the verdict at its top.
 * @returns the very same buffer for mail that is neither encrypted nor signed by its sender and carries no forged verdict
 */
export async function withVerdict(mail: Buffer, decryptor: Decryptor): Promise<Buffer> {
  const honest = stripFields(mail, (from, nameEnd) =>
    NAMES.has(mail.toString('latin1', from, nameEnd).toLowerCase()),
  );
  const verdict = await judge(honest, decryptor);
  if (verdict === null) return honest;
  const eol = lineEndingOf(honest);
  const fields = `${ENCRYPTION}: ${verdict.encryption}${eol}${SIGNATURE}: ${verdict.signature}${eol}`;
  const { preamble } = splitMessage(honest);
  return Buffer.concat([preamble, Buffer.from(fields, 'latin1'), honest.subarray(preamble.length)]);
}

/** The verdict on a mail; null where its sender neither encrypted nor signed it. */
export async function judge(mail: Buffer, decryptor: Decryptor): Promise<Verdict | null> {
  const parts = senderParts(mail);
  if (parts.kind === 'plain') return null;
  const sender = fromAddress(mail);
  if (parts.kind !== 'encrypted') {
    return {
      encryption: parts.kind === 'other' && parts.encrypted ? `unchecked; type=${parts.type}` : 'none',
      signature: await signatureOf(parts, sender, decryptor),
    };
  }
  const { type } = parts;
  const opened = await decryptor
    // A stranger's mail must not make a window ask for a passphrase.
    .open(once(parts.message), parts.message.length, MOST_INSIDE, false)
    .catch((error: unknown) => {
      // Another key than the one that the mail was sealed to: not a reason to hold it back.
      if (error instanceof KeyNotUsable) return { ok: false, reason: 'secret key not usable' } as const;
      throw error;
    });
  if (!opened.ok) {
    return {
      encryption: `failed; type=${type}; reason=${opened.reason.replaceAll(' ', '-')}`,
      signature: 'unchecked; reason=not-decrypted',
    };
  }
  const encryption = `decrypted; type=${type}`;
  if (opened.signatures.length > 0) {
    return { encryption, signature: await describe(opened.signatures, type, sender, decryptor) };
  }
  // RFC 3156, section 6.1: signed first, then encrypted. Inline has no structure inside.
  const inside = type === 'pgp-mime' ? senderParts(opened.plaintext) : { kind: 'plain' as const };
  return { encryption, signature: await signatureOf(inside, sender, decryptor) };
}

async function signatureOf(parts: SenderParts, sender: string | null, decryptor: Decryptor): Promise<string> {
  if (parts.kind === 'plain' || parts.kind === 'encrypted') return 'none';
  if (parts.kind === 'other') return parts.signed ? `unchecked; type=${parts.type}` : 'none';
  const found =
    parts.kind === 'signed'
      ? await decryptor.verify(parts.signed, parts.signature)
      : await decryptor.verifyCleartext(parts.text);
  if (found === null) return `unchecked; type=${parts.type}; reason=no-keyring`;
  return describe(found, parts.type, sender, decryptor);
}

/** One field body for all signatures: the worst of them decides. */
async function describe(
  signatures: readonly SignatureStatus[],
  type: string,
  sender: string | null,
  decryptor: Decryptor,
): Promise<string> {
  const [first] = signatures;
  if (first === undefined) return `invalid; type=${type}; reason=malformed`;
  for (const [state, text] of [
    ['bad', 'invalid; reason=bad'],
    ['revoked', 'invalid; reason=revoked-key'],
    ['error', 'invalid; reason=malformed'],
    ['expired', 'invalid; reason=expired'],
    ['missing', 'unchecked; reason=no-key'],
  ] as const) {
    const found = signatures.find((signature) => signature.state === state);
    if (found !== undefined) return `${text}; type=${type}${keyOf(found)}`;
  }
  const addresses = first.fingerprint === null ? [] : await decryptor.addressesOf(first.fingerprint);
  const word = sender !== null && addresses.includes(sender) ? 'valid' : 'mismatch';
  return `${word}; type=${type}${keyOf(first)}; trust=${first.trust ?? 'unknown'}`;
}

function keyOf({ fingerprint, keyId }: SignatureStatus): string {
  const key = fingerprint ?? keyId;
  return key !== null && /^[0-9A-F]{16,64}$/i.test(key) ? `; key=${key.toUpperCase()}` : '';
}

/** The one address in the one From field, in lower case; null where there is none, or more than one. Pure. */
export function fromAddress(mail: Buffer): string | null {
  const [field, ...more] = fieldsNamed(splitMessage(mail), 'from');
  if (field === undefined || more.length > 0) return null;
  // Quoted strings and comments hold whatever their writer likes.
  const words = withoutQuotedText(fieldValue(field)).split(/[\s<>,;:"()]+/);
  const found = words.filter((word) => word.indexOf('@', 1) !== -1 && !word.endsWith('@'));
  return found.length === 1 ? (found[0]?.toLowerCase() ?? null) : null;
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
