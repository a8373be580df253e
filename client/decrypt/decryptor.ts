// What opens sealed mail with the user's own secret key: GnuPG (gpg.ts) or a key file (key-file.ts).
import type { SignatureStatus } from './gpg-status.ts';

export type Opened =
  | {
      readonly ok: true;
      readonly plaintext: Buffer;
      /** Signatures inside the encryption; none for what sealpost itself has sealed. */
      readonly signatures: readonly SignatureStatus[];
    }
  | { readonly ok: false; readonly reason: 'no secret key' | 'damaged' | 'too large' };

export interface Decryptor {
  /**
   * Opens an OpenPGP message, armored or binary. Nothing of it is given out before its integrity is proved.
   * @param sizeHint bytes that the plaintext will about have
   * @param most the plaintext's bytes at most; beyond them it is `too large`
   * @param ask whether the user may be asked for a passphrase
   * @throws KeyNotUsable when the secret key is there and cannot be used (no passphrase, no agent)
   */
  open(message: AsyncIterable<Uint8Array>, sizeHint: number, most: number, ask: boolean): Promise<Opened>;
  /** Judges a detached signature; null where no keys of senders are known at all. */
  verify(signed: Buffer, signature: Buffer): Promise<readonly SignatureStatus[] | null>;
  /** Judges a cleartext-signed text (RFC 9580, section 7); null as in `verify`. */
  verifyCleartext(text: Buffer): Promise<readonly SignatureStatus[] | null>;
  /** The addresses among the valid user IDs of a sender's key, in lower case. */
  addressesOf(fingerprint: string): Promise<readonly string[]>;
}

/** The next message would fail alike: stop, and say why. */
export class KeyNotUsable extends Error {
  override readonly name = 'KeyNotUsable';
}

/** What is told of a size is a hint: so much is set aside for it at most. */
const LARGEST_START = 64 * 1024 * 1024;

/** Gathers bytes into one buffer without keeping a second copy of what grows large. */
export function createCollector(sizeHint: number, most: number) {
  let held = Buffer.allocUnsafe(Math.min(Math.max(sizeHint, 1024), LARGEST_START, most));
  let length = 0;
  return {
    /** @returns false when that is more than allowed; nothing is kept of it then */
    add(bytes: Uint8Array): boolean {
      if (length + bytes.length > most) return false;
      if (length + bytes.length > held.length) {
        const grown = Buffer.allocUnsafe(Math.min(most, Math.max(held.length * 2, length + bytes.length)));
        held.copy(grown, 0, 0, length);
        held = grown;
      }
      held.set(bytes, length);
      length += bytes.length;
      return true;
    },
    bytes: (): Buffer => held.subarray(0, length),
  };
}
