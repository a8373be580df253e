// Subkeys that mail is not sealed to although they look as if it were, each with the reason: a key whose owner counts on a
// post-quantum subkey is told that it is not used.
import { createHash } from 'node:crypto';
import { enums } from 'openpgp';
import type { Components } from './components.ts';
import { hashedKey } from './original.ts';
import { packetPieces } from './packet-pieces.ts';
import { ENCRYPTING, mayEncrypt } from './signatures.ts';
import { unsupportedInWords } from './unsupported.ts';

export interface UnusedSubkey {
  /** Upper-case hexadecimal digits; null for versions without one that can be computed. */
  readonly fingerprint: string | null;
  readonly because: string;
}

/**
 * Those that are not used. Subkeys for signing and authentication are not among them, nor are revoked and expired ones.
 * @param given the certificate as it was given or kept
 * @param vouched whether the primary key has signed that subkey packet
 */
export function unusedSubkeys(
  given: Uint8Array,
  vouched: (body: Uint8Array) => boolean,
  components: Components,
): readonly UnusedSubkey[] {
  const unused = new Map<string, UnusedSubkey>();
  for (const { tag, body } of packetPieces(given) ?? []) {
    if (tag !== enums.packet.publicSubkey) continue;
    const fingerprint = fingerprintOf(body);
    const because = reasonOf(body, fingerprint, vouched(body), components);
    if (because !== null) unused.set(fingerprint ?? because, { fingerprint, because });
  }
  return [...unused.values()];
}

function reasonOf(
  body: Uint8Array,
  fingerprint: string | null,
  isBound: boolean,
  { primary, subkeys }: Components,
): string | null {
  const unsupported = unsupportedInWords(body);
  if (unsupported !== null) return `it is not supported here (${unsupported})`;
  if (fingerprint === null) return `it is not supported here (version ${body[0] ?? 0})`;
  if (!isBound) return 'the key has not signed it';
  if (body[0] !== primary.version)
    return `it is of version ${body[0]}, its primary key of version ${primary.version}`;
  const subkey = subkeys.find((each) => each.fingerprint === fingerprint);
  if (subkey === undefined) return 'it cannot be read';
  const canEncrypt = ENCRYPTING.has(subkey.packet.algorithm);
  if (canEncrypt && subkey.bindings.every(({ keyFlags }) => keyFlags === null)) {
    return 'its key flags are missing, which say what it is for';
  }
  if (!canEncrypt && subkey.bindings.some(mayEncrypt)) {
    return `its key flags say that it encrypts, which ${subkey.packet.getAlgorithmInfo().algorithm} cannot`;
  }
  return null;
}

/** RFC 9580, section 5.5.4; version 5 as LibrePGP has it. */
function fingerprintOf(body: Uint8Array): string | null {
  const version = body[0] ?? 0;
  if (version < 4 || version > 6) return null;
  const hash = createHash(version === 4 ? 'sha1' : 'sha256');
  return hash.update(hashedKey(body, version)).digest('hex').toUpperCase();
}

/** Why a certificate cannot be encrypted to, where one of these is the reason; null where none is. */
export function unusedInWords(unused: readonly UnusedSubkey[]): string | null {
  if (unused.length === 0) return null;
  return unused
    .slice(0, 3)
    .map(
      ({ fingerprint, because }) =>
        `its subkey ${fingerprint ?? 'without a fingerprint'} cannot be used: ${because}`,
    )
    .join('; ');
}
