// What was handed over is kept beside what mail is sealed with: subkeys that OpenPGP.js does not know, and what is told of them.
// @module-tag slow
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enums, readKey, type SignaturePacket } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonical } from '../../../src/keys/canonical.ts';
import { readComponents, write } from '../../../src/keys/components.ts';
import { originalOf } from '../../../src/keys/export.ts';
import { judgeUpload } from '../../../src/keys/import.ts';
import { originalColumn, readOriginal, writeOriginal } from '../../../src/keys/original.ts';
import { packetPieces } from '../../../src/keys/packet-pieces.ts';
import { unusedSubkeys } from '../../../src/keys/unused.ts';
import { need } from '../../support/needs.ts';
import { curveKey, type Gpg, openGpg } from './gpg.ts';
import { type HandMade, handMade, packet, subkeyBody } from './hand-made.ts';

need('sq', 'gnupg');

const policy = { allowSha1: false };
const ALICE = Buffer.from('Alice <alice@example.org>');
const FOREIGN = Buffer.from('Alice elsewhere <alice@example.net>');

let made: HandMade;
let gpg: Gpg;
let userId: Buffer;
beforeAll(async () => {
  made = await handMade();
  gpg = openGpg();
  userId = await made.userId(ALICE);
});
afterAll(() => gpg.close());

const judge = async (...packets: readonly Uint8Array[]) => {
  const [judged, ...more] = await judgeUpload(Buffer.concat(packets), policy, Date.now());
  expect(more).toEqual([]);
  if (judged === undefined) throw new Error('no judgement');
  return judged;
};
const sentence = async (...packets: readonly Uint8Array[]) => {
  const judged = await judge(...packets);
  return judged.verdict === 'refused' ? judged.refusal.sentence : 'accepted';
};
const tagsOf = (bytes: Uint8Array) => (packetPieces(bytes) ?? []).map(({ tag }) => tag);

/** Those that OpenPGP.js leaves out, and what `key show` says of them. */
const STRANGE: readonly (readonly [name: string, body: Buffer, because: string])[] = [
  [
    'ML-KEM-768+X25519 of RFC 9980',
    subkeyBody(4, 35, 1216),
    'it is not supported here (post-quantum: ML-KEM-768+X25519, version 4)',
  ],
  [
    'ML-KEM-1024+X448',
    subkeyBody(4, 36, 1624),
    'it is not supported here (post-quantum: ML-KEM-1024+X448, version 4)',
  ],
  ["LibrePGP's Kyber", subkeyBody(5, 8, 1200), "it is not supported here (LibrePGP's Kyber, version 5)"],
  [
    'ML-DSA-65+Ed25519',
    subkeyBody(4, 30, 1984),
    'it is not supported here (post-quantum: ML-DSA-65+Ed25519, version 4)',
  ],
  ['version 5', subkeyBody(5, 18, 60), 'it is not supported here (version 5, which is only LibrePGP)'],
  ['an algorithm for tests', subkeyBody(4, 100, 30), 'it is not supported here (algorithm 100)'],
  ['an algorithm without a number', subkeyBody(4, 77, 30), 'it is not supported here (algorithm 77)'],
];

describe('a subkey that is not supported', () => {
  it.each(STRANGE)('is kept, exported, and told of: %s', async (_name, body, because) => {
    const strange = await made.bound(body);
    const judged = await judge(made.primary, userId, strange, made.subkey);
    if (judged.verdict === 'refused') throw new Error(judged.refusal.sentence);
    const original = await originalColumn([judged.given]);
    const certificate = write(await canonical(judged.components, () => true, policy));
    expect(Buffer.from(certificate).includes(body)).toBe(false);
    const exported = Buffer.from(await originalOf({ certificate, original }));
    expect(exported.includes(strange)).toBe(true);
    expect(unusedSubkeys(exported, () => true, judged.components)).toMatchObject([{ because }]);
    expect((await readKey({ binaryKey: exported })).getFingerprint().toUpperCase()).toBe(
      judged.components.fingerprint,
    );
    const file = join(gpg.home, 'exported.pgp');
    writeFileSync(file, exported);
    expect(execFileSync('sq', ['inspect', file]).toString()).toContain('alice@example.org');
    // GnuPG 2.2 reads no certificate that has a part of version 5, as LibrePGP's have.
    if (body[0] === 5) writeFileSync(file, certificate);
    gpg.run(['--import', file]);
    expect(gpg.run(['--with-colons', '--list-keys', judged.components.fingerprint]).toString()).toContain(
      'alice@example.org',
    );
  });

  it.each(STRANGE)('is the reason that is told where there is no other: %s', async (_name, body, because) => {
    const told = await sentence(made.primary, userId, await made.bound(body));
    expect(told).toContain(`cannot be used: ${because}`);
  });
});

describe('the true cause is told', () => {
  it('where the key flags of the subkey are missing', async () => {
    const body = (await readKey({ binaryKey: made.secret.toPublic().write() })).subkeys[0]?.keyPacket.write();
    const unflagged = await made.bound(Buffer.from(body ?? ''), null);
    expect(await sentence(made.primary, userId, unflagged)).toContain(
      'cannot be used: its key flags are missing, which say what it is for',
    );
  });

  it('where the primary key alone could encrypt and has no key flags', async () => {
    const rsa = gpg.make([
      'Key-Type: RSA',
      'Key-Length: 2048',
      'Key-Usage: sign',
      'Name-Email: r@example.org',
    ]);
    expect(await sentence(gpg.exportKey(rsa))).toContain('none of its keys may encrypt');
  });

  it('where the subkey is of another version', async () => {
    const v6 = await made.bound(subkeyBody(6, 25, 32));
    expect(await sentence(made.primary, userId, v6)).toContain(
      'cannot be used: it is of version 6, its primary key of version 4',
    );
  });

  it('where the key has not signed the subkey', async () => {
    const other = await handMade();
    expect(await sentence(made.primary, userId, other.subkey)).toContain(
      'cannot be used: the key has not signed it',
    );
  });

  it('where the subkey only signs, though its flags say that it encrypts', async () => {
    const ed25519 = await made.bound(subkeyBody(4, 27, 32));
    expect(await sentence(made.primary, userId, ed25519)).toContain('which ed25519 cannot');
  });

  it.each([
    [4, 30, 'post-quantum: ML-DSA-65+Ed25519, version 4'],
    [6, 31, 'post-quantum: ML-DSA-87+Ed448, version 6'],
    [6, 32, 'post-quantum: SLH-DSA-SHAKE-128s, version 6'],
    [5, 22, 'version 5, which is only LibrePGP'],
  ])('where the primary key is of version %i and algorithm %i', async (version, algorithm, what) => {
    const told = await sentence(packet(enums.packet.publicKey, subkeyBody(version, algorithm, 64)));
    expect(told).toBe(
      `this key has a version or an algorithm that is not supported (${what}); version 4 and 6 keys are`,
    );
  });

  it('where a designated revoker has revoked it, which nobody here can check', async () => {
    const revoker = await handMade();
    const fill = (signature: SignaturePacket) => {
      signature.revocationKeyClass = 0x80;
      signature.revocationKeyAlgorithm = enums.publicKey.ecdsa;
      signature.revocationKeyFingerprint = Buffer.from(revoker.secret.getFingerprint(), 'hex');
    };
    // As GnuPG names one; in a certification of a user ID nobody here can read it.
    const named = Buffer.concat([await made.sign(enums.signature.key, {}, fill), userId]);
    expect(await sentence(made.primary, await made.userId(ALICE, 3, fill), made.subkey)).toContain(
      'where it certifies its user IDs, which is not supported here',
    );
    const byRevoker = await revoker.sign(enums.signature.keyRevocation, { key: made.secret.keyPacket });
    expect(await sentence(made.primary, named, made.subkey)).toBe('accepted');
    expect(await sentence(made.primary, byRevoker, userId, made.subkey)).toBe('accepted');
    expect(await sentence(made.primary, byRevoker, named, made.subkey)).toContain(
      `carries a revocation by ${revoker.secret.getFingerprint().toUpperCase()}, whom its owner named as revoker`,
    );
  });
});

describe('what is exported', () => {
  it("has neither foreign user IDs nor user attributes nor other people's certifications", async () => {
    const other = await handMade();
    const third = await other.sign(enums.signature.certGeneric, {
      key: made.secret.keyPacket,
      userID: { write: () => ALICE },
    });
    const foreign = await made.userId(FOREIGN);
    const picture = packet(enums.packet.userAttribute, Buffer.from([2, 1, 0]));
    const judged = await judge(made.primary, userId, third, foreign, picture, made.subkey);
    if (judged.verdict === 'refused') throw new Error(judged.refusal.sentence);
    const original = await originalColumn([judged.given]);
    const own = await canonical(judged.components, (address) => address === 'alice@example.org', policy);
    const exported = Buffer.from(await originalOf({ certificate: write(own), original }));
    expect(tagsOf(exported)).toEqual([6, 13, 2, 14, 2]);
    expect(exported.equals(Buffer.concat([made.primary, userId, made.subkey]))).toBe(true);
  });

  it('is the reduced form where nothing else is kept', async () => {
    const certificate = Buffer.concat([made.primary, userId, made.subkey]);
    expect(await originalOf({ certificate, original: null })).toBe(certificate);
    expect(await originalOf({ certificate, original: Buffer.from('damaged') })).toBe(certificate);
  });
});

describe('copies are put together', () => {
  it('with every subkey, and none of it twice', async () => {
    const strange = await made.bound(subkeyBody(4, 35, 1216));
    const first = Buffer.concat([made.primary, userId, strange, made.subkey]);
    const second = Buffer.concat([
      made.primary,
      userId,
      made.subkey,
      await made.bound(subkeyBody(5, 8, 900)),
    ]);
    const both = await originalColumn([first, second]);
    expect(tagsOf(both ?? Buffer.alloc(0))).toEqual([6, 13, 2, 14, 2, 14, 2, 14, 2]);
    expect(await originalColumn([both ?? first, second])).toEqual(both);
    expect(await originalColumn([both ?? first, first])).toEqual(both);
  });

  it('so that an older copy undoes no revocation and no expiry, whatever order they come in', async () => {
    const owner = gpg.make(curveKey({ address: 'o@example.org' }));
    const older = gpg.exportKey(owner);
    gpg.run([
      '--faked-system-time',
      `${new Date(Date.now() + 5000).toISOString().slice(0, 19).replace(/[-:]/g, '')}!`,
      '--quick-set-expire',
      owner,
      '1y',
    ]);
    const newer = gpg.exportKey(owner);
    for (const copies of [
      [older, newer],
      [newer, older],
    ]) {
      const both = (await originalColumn(copies)) ?? Buffer.alloc(0);
      const { expirationTime } = {
        expirationTime: await (await readKey({ binaryKey: both })).getExpirationTime(),
      };
      expect(expirationTime).toEqual(await (await readKey({ binaryKey: newer })).getExpirationTime());
    }
  });

  it('and of an endless one only the reduced form stays', async () => {
    const large = await Promise.all(
      [1, 2, 3, 4, 5].map((each) => made.bound(subkeyBody(4, 100 + each, 60_000))),
    );
    expect(await originalColumn([Buffer.concat([made.primary, userId, made.subkey, ...large])])).toBeNull();
  });

  it('signatures that nobody made stay outside', async () => {
    const forged = Buffer.from(await made.bound(subkeyBody(4, 35, 1216)));
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    const bytes = Buffer.concat([made.primary, userId, forged, made.subkey]);
    expect(tagsOf(writeOriginal(await readOriginal(bytes)))).toEqual([6, 13, 2, 14, 2]);
    expect((await readComponents(bytes)).subkeys).toHaveLength(1);
  });
});
