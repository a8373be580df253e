// A revocation certificate by itself: a signature packet, as gpg keeps it beside a new key. It says nothing without the certificate
// that it is about, so it is put where it belongs in each that may be meant; whether it is really the key's own, judging tells.
// What a revoked key or subkey does: timeline.ts leaves it out, inspect.ts and choose.ts say what follows.
import { enums } from 'openpgp';
import { armorBlocks } from './armor-blocks.ts';
import { joinPieces, type PacketPiece, packetPieces } from './packet-pieces.ts';

/**
 * Copies of certificates with the revocation of an upload in them.
 * @param upload armored or binary; only its first packet counts
 * @param stored certificates in binary, as they were given where that is known
 * @returns one for each of them that can be read; none where the upload holds no signature
 */
export function revokedCopies(
  upload: Buffer,
  stored: readonly { readonly original: Uint8Array | null; readonly certificate: Uint8Array }[],
): readonly Buffer[] {
  const [block] = armorBlocks(upload.toString('latin1'));
  const [revocation] = packetPieces(block?.bytes ?? upload) ?? [];
  if (revocation?.tag !== enums.packet.signature) return [];
  return stored.flatMap(({ original, certificate }) => {
    const pieces = packetPieces(original ?? certificate);
    return pieces === null || pieces.length === 0 ? [] : [withRevocation(pieces, revocation)];
  });
}

/** Right behind the primary key (RFC 9580, section 10.1.1). */
function withRevocation([primary, ...rest]: readonly PacketPiece[], revocation: PacketPiece): Buffer {
  return joinPieces([...(primary === undefined ? [] : [primary]), revocation, ...rest]);
}
