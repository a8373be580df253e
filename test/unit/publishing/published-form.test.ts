// What everybody may have of a certificate: the owner's, byte for byte, and not one byte of anybody else.
// @module-tag slow
import { execFileSync } from 'node:child_process';
import { enums, readKey, SignaturePacket } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { originalColumn } from '../../../src/keys/original.ts';
import { packetPieces } from '../../../src/keys/packet-pieces.ts';
import { publishedForm } from '../../../src/publishing/published-form.ts';
import { need } from '../../support/needs.ts';
import { type Gpg, openGpg } from '../keys/gpg.ts';
import { type HandMade, handMade, packet, subkeyBody } from '../keys/hand-made.ts';

need('sq', 'gnupg');

const ALICE = Buffer.from('Alice <alice@example.org>');
const FOREIGN = Buffer.from('Alice elsewhere <alice@example.net>');
const hers = async (address: string) => address.toLowerCase() === 'alice@example.org';

let made: HandMade;
let mallory: HandMade;
let gpg: Gpg;
let userId: Buffer;
beforeAll(async () => {
  [made, mallory] = [await handMade(), await handMade('mallory@example.net')];
  gpg = openGpg();
  userId = await made.userId(ALICE);
});
afterAll(() => gpg.close());

/** As it is stored, and published from there. */
async function published(...packets: readonly Uint8Array[]): Promise<Buffer | null> {
  const stored = await originalColumn([Buffer.concat(packets)]);
  return stored === null ? null : publishedForm(stored, hers);
}

/** A signature with subpackets in its unhashed part. */
function withUnhashed(signed: Buffer, more: readonly { type: number; body: Uint8Array }[]): Buffer {
  const [uid, signature] = packetPieces(signed) ?? [];
  if (uid === undefined || signature === undefined) throw new Error('no signature');
  const read = new SignaturePacket() as SignaturePacket & { unhashedSubpackets: object[] };
  read.read(signature.body);
  read.unhashedSubpackets = more.map((each) => ({ ...each, critical: false }));
  return Buffer.concat([uid.bytes, packet(enums.packet.signature, read.write())]);
}

describe('the published form', () => {
  it('is the very bytes where there is nothing to leave out, with subkeys that OpenPGP.js does not know', async () => {
    const strange = await made.bound(subkeyBody(4, 35, 1216));
    const whole = Buffer.concat([made.primary, userId, strange, made.subkey]);
    expect((await published(whole))?.equals(whole)).toBe(true);
  });

  it('has no user ID of another address, though the owner signed it', async () => {
    const form = await published(made.primary, userId, await made.userId(FOREIGN), made.subkey);
    expect(form?.includes(ALICE)).toBe(true);
    expect(form?.includes('example.net')).toBe(false);
  });

  it('is nothing where no user ID is left', async () => {
    expect(await published(made.primary, await made.userId(FOREIGN), made.subkey)).toBeNull();
  });

  it.each([
    'Alice <mallory@example.net> <alice@example.org>',
    'alice@example.org <mallory@example.net>',
    'alice@example.org mallory@example.net',
    'no address',
  ])('does not take %j for hers', async (text) => {
    const form = await published(made.primary, userId, await made.userId(Buffer.from(text)), made.subkey);
    expect(form?.includes(text)).toBe(false);
  });

  it('has nothing that somebody else added: certifications, pictures, unsigned packets', async () => {
    const strangers = await mallory.sign(enums.signature.certGeneric, {
      key: made.secret.keyPacket,
      userID: { write: () => ALICE },
    });
    const picture = packet(enums.packet.userAttribute, Buffer.from('STRANGE-PICTURE'));
    const unsigned = packet(enums.packet.userID, Buffer.from('Unsigned <alice@example.org>'));
    const experimental = packet(60, Buffer.from('STRANGE-PACKET'));
    const form = await published(
      made.primary,
      userId,
      strangers,
      picture,
      unsigned,
      experimental,
      made.subkey,
    );
    expect(form?.equals(Buffer.concat([made.primary, userId, made.subkey]))).toBe(true);
  });

  it('has no unhashed subpacket but the issuer’s own', async () => {
    const id = Buffer.from(made.secret.getKeyID().toHex(), 'hex');
    const fingerprint = Buffer.from(`04${made.secret.getFingerprint()}`, 'hex');
    const [, strange] = packetPieces(await mallory.userId(ALICE)) ?? [];
    const strangers = Buffer.from(strange?.body ?? []);
    const written = withUnhashed(userId, [
      { type: 20, body: Buffer.from('STRANGE-NOTATION') },
      { type: 16, body: Buffer.from('STRANGER') },
      { type: 16, body: id },
      { type: 33, body: Buffer.concat([Buffer.from([9]), fingerprint.subarray(1)]) },
      { type: 16, body: id },
      { type: 33, body: fingerprint },
      { type: 32, body: strangers },
      { type: 100, body: Buffer.from('STRANGE-PRIVATE') },
    ]);
    const form = await published(made.primary, written, made.subkey);
    const expected = withUnhashed(userId, [
      { type: 16, body: id },
      { type: 33, body: fingerprint },
    ]);
    expect(form?.includes('STRANGE')).toBe(false);
    expect(form?.includes(strangers)).toBe(false);
    const [, , signature] = packetPieces(form ?? Buffer.alloc(0)) ?? [];
    const [, wanted] = packetPieces(expected) ?? [];
    expect(Buffer.compare(signature?.body ?? Buffer.alloc(0), wanted?.body ?? Buffer.alloc(0))).toBe(0);
    expect((await readKey({ binaryKey: form ?? Buffer.alloc(0) })).users).toHaveLength(1);
  });

  it('keeps what GnuPG leaves unhashed: the signature of a signing subkey; gpg and sq take it', async () => {
    const fingerprint = gpg.make([
      'Key-Type: eddsa',
      'Key-Curve: ed25519',
      'Key-Usage: cert',
      'Subkey-Type: eddsa',
      'Subkey-Curve: ed25519',
      'Subkey-Usage: sign',
      'Name-Real: Alice',
      'Name-Email: Alice@Example.org',
    ]);
    gpg.run(['--quick-add-uid', fingerprint, 'Other <alice@example.net>']);
    gpg.run(['--quick-add-key', fingerprint, 'cv25519', 'encr']);
    const form = await published(gpg.exportKey(fingerprint));
    if (form === null) throw new Error('nothing is published');
    expect(form.includes('example.net')).toBe(false);
    const reader = openGpg();
    try {
      reader.run(['--import'], form);
      const listed = reader.run(['--with-colons', '--list-keys', fingerprint]).toString();
      expect(listed.match(/^uid:/gm)).toHaveLength(1);
      // A signing subkey whose own signature were gone would be listed as one that cannot sign.
      expect(listed.match(/^sub:[^ri].*:s:/gm)).toHaveLength(1);
      expect(listed.match(/^sub:[^ri].*:e:/gm)).toHaveLength(1);
    } finally {
      reader.close();
    }
    const inspected = execFileSync('sq', ['inspect'], { input: form }).toString();
    expect(inspected).toContain('Alice@Example.org');
    expect(inspected).not.toMatch(/Invalid|Bad|example\.net/);
  });

  it('tells of a revocation', async () => {
    const revocation = await made.sign(enums.signature.keyRevocation, {}, (signature) => {
      signature.reasonForRevocationFlag = enums.reasonForRevocation.keyCompromised;
      signature.reasonForRevocationString = 'lost';
    });
    const form = await published(made.primary, revocation, userId, made.subkey);
    const key = await readKey({ binaryKey: form ?? Buffer.alloc(0) });
    expect(await key.isRevoked()).toBe(true);
  });
});
