// The packets of an upload, each with its very bytes: what OpenPGP.js does not know it leaves out when it writes a key again.
import { enums } from 'openpgp';
import { nextPacket } from '../openpgp/encrypted-message.ts';

export interface PacketPiece {
  readonly tag: number;
  readonly body: Uint8Array;
  /** Header and body as they were given. */
  readonly bytes: Uint8Array;
}

/** No certificate has as many, and each costs an object. */
const MAX_PACKETS = 20_000;

/** Packets that say nothing to anybody (RFC 9580, sections 5.8, 5.10 and 5.14). */
const SILENT: ReadonlySet<number> = new Set([enums.packet.marker, enums.packet.trust, enums.packet.padding]);

/**
 * Takes binary OpenPGP data apart; markers, trust packets and padding are left out. Linear.
 * @returns null where it is damaged or cut off
 */
export function packetPieces(bytes: Uint8Array): readonly PacketPiece[] | null {
  const pieces: PacketPiece[] = [];
  for (let at = 0, count = 0; at < bytes.length; count += 1) {
    const packet = nextPacket(bytes, at);
    if (packet === null || packet.partial || count >= MAX_PACKETS) return null;
    const { tag, body, end } = packet;
    if (!SILENT.has(tag)) pieces.push({ tag, body, bytes: bytes.subarray(at, end) });
    at = end;
  }
  return pieces;
}

/** Pieces as one certificate in binary. */
export function joinPieces(pieces: readonly PacketPiece[]): Buffer {
  return Buffer.concat(pieces.map(({ bytes }) => bytes));
}
