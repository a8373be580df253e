// Certificates that no program makes, packet by packet, signed with a key of OpenPGP.js.
import { config, enums, generateKey, type PrivateKey, type SecretKeyPacket, SignaturePacket } from 'openpgp';

export interface HandMade {
  readonly secret: PrivateKey;
  /** The packets of the public key, its user ID and its encryption subkey, each with its signature, in binary. */
  readonly primary: Buffer;
  readonly subkey: Buffer;
  userId(text: Buffer, flags?: number | null, extra?: (signature: SignaturePacket) => void): Promise<Buffer>;
  /** A subkey of any kind: only what RFC 9580, section 5.2.4, hashes matters. */
  bound(body: Buffer, flags?: number | null): Promise<Buffer>;
  /** Any signature of the primary key. */
  sign(type: enums.signature, data: object, fill?: (signature: SignaturePacket) => void): Promise<Buffer>;
}

export function packet(tag: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(6);
  head[0] = 0xc0 | tag;
  head[1] = 0xff;
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

const CERTIFY_AND_SIGN = 0x03;
const ENCRYPT = 0x0c;
const MADE = new Date(Date.now() - 60_000);

/** @param address of the user ID that OpenPGP.js insists on, which is not in what comes of it */
export async function handMade(address = 'nobody@example.org'): Promise<HandMade> {
  const { privateKey: secret } = await generateKey({
    userIDs: [{ email: address }],
    type: 'ecc',
    curve: 'nistP256',
    format: 'object',
    date: MADE,
  });
  const key = secret.keyPacket as SecretKeyPacket;
  const publicKey = secret.toPublic();
  const subkey = publicKey.subkeys[0];
  const sign = async (
    type: enums.signature,
    data: object,
    fill: (signature: SignaturePacket) => void = () => {},
  ): Promise<Buffer> => {
    const signature = new SignaturePacket();
    signature.signatureType = type;
    signature.publicKeyAlgorithm = key.algorithm;
    signature.hashAlgorithm = enums.hash.sha256;
    fill(signature);
    // The fifth argument is missing from OpenPGP.js's types.
    const signing = signature as unknown as {
      sign(
        key: SecretKeyPacket,
        data: object,
        date: Date,
        detached: boolean,
        settings: typeof config,
      ): Promise<void>;
    };
    await signing.sign(key, { key, ...data }, MADE, false, config);
    return packet(enums.packet.signature, signature.write());
  };
  const flagged = (flags: number | null) => (signature: SignaturePacket) => {
    signature.keyFlags = flags === null ? null : new Uint8Array([flags]);
  };
  return {
    secret,
    primary: packet(enums.packet.publicKey, publicKey.keyPacket.write()),
    subkey: Buffer.concat([
      packet(enums.packet.publicSubkey, subkey?.keyPacket.write() ?? Buffer.alloc(0)),
      ...(subkey?.bindingSignatures ?? []).map((each) => packet(enums.packet.signature, each.write())),
    ]),
    sign,
    userId: async (text, flags = CERTIFY_AND_SIGN, extra = () => {}) =>
      Buffer.concat([
        packet(enums.packet.userID, text),
        await sign(enums.signature.certGeneric, { userID: { write: () => text } }, (signature) => {
          flagged(flags)(signature);
          extra(signature);
        }),
      ]),
    bound: async (body, flags = ENCRYPT) =>
      Buffer.concat([
        packet(enums.packet.publicSubkey, body),
        await sign(
          enums.signature.subkeyBinding,
          { bind: { writeForHash: () => hashed(body) } },
          flagged(flags),
        ),
      ]),
  };
}

function hashed(body: Buffer): Buffer {
  const version = body[0] ?? 4;
  const head = Buffer.alloc(version >= 5 ? 5 : 3);
  head[0] = 0x95 + version;
  if (version >= 5) head.writeUInt32BE(body.length, 1);
  else head.writeUInt16BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** The body of a subkey packet with so many bytes of key material that nobody reads. */
export function subkeyBody(version: number, algorithm: number, material: number): Buffer {
  const head = Buffer.alloc(6);
  head[0] = version;
  head.writeUInt32BE(Math.floor(MADE.getTime() / 1000), 1);
  head[5] = algorithm;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(material);
  return Buffer.concat([head, ...(version >= 5 ? [length] : []), Buffer.alloc(material, 0x55)]);
}
