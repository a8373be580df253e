// The sealing engine: what it writes, and that it refuses rather than leaves a key out.
import { decryptSessionKeys, enums, generateKey, type PrivateKey, readMessage, revokeKey } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { encryptedMessageKeyIds } from '../../../src/openpgp/encrypted-message.ts';
import { createEngine } from '../../../src/openpgp/engine.ts';
import type { EncryptionJob } from '../../../src/openpgp/types.ts';
import { noise } from '../../fixtures/corpus.ts';
import { decryptWith, type KeyKind, makeKey, recipientOf, type TestKey } from '../../support/make-keys.ts';

const KINDS: readonly KeyKind[] = ['rsa3072', 'curve25519-legacy', 'curve25519-v6', 'p256'];
const keys = new Map<KeyKind, TestKey>();
const encrypt = createEngine();

function key(kind: KeyKind): TestKey {
  const found = keys.get(kind);
  if (found === undefined) throw new Error(`no ${kind} key`);
  return found;
}

function job(recipients: readonly TestKey[], changes: Partial<EncryptionJob> = {}): EncryptionJob {
  return {
    plaintext: Buffer.from('Hello Bob'),
    keys: recipients.map(({ recipient }) => recipient),
    hideKeyIds: false,
    format: 'binary',
    ...changes,
  };
}

interface Packet {
  readonly tag: number;
  readonly version?: number;
  readonly publicKeyID?: { toHex(): string };
  readonly cipherAlgorithm?: number;
  readonly aeadAlgorithm?: number;
}

async function packetsOf(sealed: Uint8Array): Promise<readonly Packet[]> {
  const { packets } = await readMessage({ binaryMessage: sealed });
  return [...packets].map((packet) =>
    Object.assign(Object.create(null), packet, {
      tag: (packet.constructor as unknown as { tag: number }).tag,
    }),
  );
}

beforeAll(async () => {
  for (const kind of KINDS) keys.set(kind, await makeKey(kind));
});

describe('the engine', () => {
  it.each(KINDS)(
    'seals for a %s key, armored and binary, and its owner reads the same bytes',
    { tags: ['slow'] },
    async (kind) => {
      for (const plaintext of [Buffer.alloc(0), Buffer.from('x'), noise(5000), noise(100_000)]) {
        for (const format of ['armor', 'binary'] as const) {
          const sealed = await encrypt(job([key(kind)], { plaintext, format }));
          expect((await decryptWith(key(kind).secret, sealed)).equals(plaintext)).toBe(true);
        }
      }
    },
  );

  it('seals a large binary message in pieces, with and without AEAD, and its owner reads the same bytes', {
    tags: ['slow'],
  }, async () => {
    const plaintext = Buffer.concat([noise(5 * 2 ** 20), Buffer.from('the end')]);
    for (const kind of ['curve25519-legacy', 'curve25519-v6'] as const) {
      const sealed = await encrypt(job([key(kind)], { plaintext }));
      expect(sealed.length / plaintext.length, kind).toBeLessThan(1.01);
      expect(encryptedMessageKeyIds(sealed), kind).toHaveLength(1);
      expect((await decryptWith(key(kind).secret, sealed)).equals(plaintext), kind).toBe(true);
    }
  });

  it('seals one message for several keys, and each of them opens it', async () => {
    const all = KINDS.map(key);
    const sealed = await encrypt(job(all));
    for (const { secret, kind } of all)
      expect((await decryptWith(secret, sealed)).toString(), kind).toBe('Hello Bob');
  });

  it('uses AES-256 for every kind of key', async () => {
    for (const kind of KINDS) {
      const sealed = await encrypt(job([key(kind)]));
      const message = await readMessage({ binaryMessage: sealed });
      const [sessionKey] = await decryptSessionKeys({ message, decryptionKeys: key(kind).secret });
      expect(sessionKey?.data.length, kind).toBe(32);
      const data = (await packetsOf(sealed)).at(-1);
      // A v6 session key packet leaves the cipher to the data packet.
      expect(sessionKey?.algorithm ?? enums.read(enums.symmetric, data?.cipherAlgorithm ?? 0), kind).toBe(
        'aes256',
      );
    }
  });

  it('uses AEAD (SEIPD version 2) only if every key announces it', async () => {
    const aead = await packetsOf(await encrypt(job([key('curve25519-v6')])));
    expect(aead.at(-1)).toMatchObject({ tag: enums.packet.symEncryptedIntegrityProtectedData, version: 2 });
    const mixed = await packetsOf(await encrypt(job([key('curve25519-v6'), key('rsa3072')])));
    expect(mixed.at(-1)).toMatchObject({ tag: enums.packet.symEncryptedIntegrityProtectedData, version: 1 });
  });

  it('takes OCB and still AES-256 for a key that announces AEAD and lists neither', async () => {
    const modest = await makeKey('curve25519-v6', {
      preferredAEADAlgorithm: enums.aead.ocb,
      preferredSymmetricAlgorithm: enums.symmetric.aes128,
    });
    const sealed = await encrypt(job([modest]));
    const data = (await packetsOf(sealed)).at(-1);
    expect(data).toMatchObject({ version: 2, cipherAlgorithm: enums.symmetric.aes256 });
    expect((await decryptWith(modest.secret, sealed)).toString()).toBe('Hello Bob');
  });

  it('names no key when key IDs are to be hidden, and its owner opens it all the same', async () => {
    for (const kind of KINDS) {
      const sealed = await encrypt(job([key(kind)], { hideKeyIds: true }));
      const message = await readMessage({ binaryMessage: sealed });
      expect(message.getEncryptionKeyIDs().map((id) => id.toHex())).toEqual(['0000000000000000']);
      expect(
        Buffer.from(sealed).includes(Buffer.from(key(kind).recipient.fingerprint, 'hex').subarray(-8)),
      ).toBe(false);
      expect((await decryptWith(key(kind).secret, sealed)).toString()).toBe('Hello Bob');
    }
  });

  it('does not compress, name a file, or tell the time', async () => {
    const plaintext = Buffer.alloc(10_000, 'a');
    const sealed = await encrypt(job([key('rsa3072')], { plaintext }));
    expect(sealed.length).toBeGreaterThan(plaintext.length);
    const message = await readMessage({ binaryMessage: sealed });
    const opened = await message.decrypt([key('rsa3072').secret]);
    expect(
      [...opened.packets].map((packet) => (packet.constructor as unknown as { tag: number }).tag),
    ).toEqual([enums.packet.literalData]);
    expect(opened.getFilename() ?? '').toBe('');
    expect(opened.packets[0]).toMatchObject({ date: new Date(0) });
  });

  it('uses a fresh session key each time', async () => {
    const one = await encrypt(job([key('curve25519-legacy')]));
    const two = await encrypt(job([key('curve25519-legacy')]));
    expect(Buffer.from(one).equals(Buffer.from(two))).toBe(false);
  });

  it('seals to an expired key as of a moment at which it was valid, and to no expired key as of now (lesson 1)', async () => {
    const expired = await expiredKey();
    const { createdAt, secret } = expired;
    const then = recipientOf(secret, createdAt + 1000);
    const sealed = await encrypt({ ...job([]), keys: [then] });
    expect((await decryptWith(secret, sealed)).toString()).toBe('Hello Bob');
    await expect(encrypt({ ...job([]), keys: [recipientOf(secret)] })).rejects.toThrow(
      /expired|primary key/i,
    );
  });

  it('gives each key its own moment', async () => {
    const { createdAt, secret } = await expiredKey();
    const sealed = await encrypt({
      ...job([]),
      keys: [recipientOf(secret, createdAt + 1000), key('p256').recipient],
    });
    expect((await decryptWith(secret, sealed)).toString()).toBe('Hello Bob');
    expect((await decryptWith(key('p256').secret, sealed)).toString()).toBe('Hello Bob');
  });

  it('rejects when one of several keys cannot be used, and leaves none out', async () => {
    const revoked = await revokeKey({ key: key('p256').secret, format: 'object' });
    const bad = { ...key('p256').recipient, certificate: revoked.publicKey.write() };
    await expect(encrypt({ ...job([]), keys: [key('rsa3072').recipient, bad] })).rejects.toThrow();
    await expect(
      encrypt({ ...job([]), keys: [key('rsa3072').recipient, { ...bad, certificate: noise(100) }] }),
    ).rejects.toThrow();
  });

  it('rejects a job without keys: it would be a message that nobody reads', async () => {
    await expect(encrypt(job([]))).rejects.toThrow('no key was given');
  });

  it('rejects a certificate that is not the one it was said to be, and a secret key', async () => {
    const { recipient, secret } = key('p256');
    const other = { ...recipient, certificate: key('rsa3072').recipient.certificate };
    await expect(encrypt({ ...job([]), keys: [other] })).rejects.toThrow('is that of');
    await expect(
      encrypt({ ...job([]), keys: [{ ...recipient, certificate: secret.write() }] }),
    ).rejects.toThrow('a secret key was given');
  });

  it('seals to a key whose self-signatures rest on SHA-1, since keys/ decides whether such a key is used', async () => {
    const old = await makeKey('rsa3072', {
      preferredHashAlgorithm: enums.hash.sha1,
      rejectHashAlgorithms: new Set(),
      nonDeterministicSignaturesViaNotation: false,
    });
    expect(old.secret.users[0]?.selfCertifications[0]?.hashAlgorithm).toBe(enums.hash.sha1);
    const sealed = await encrypt(job([old]));
    expect((await decryptWith(old.secret, sealed)).toString()).toBe('Hello Bob');
  });
});

/** A key that was valid for ten seconds, an hour ago. */
async function expiredKey(): Promise<{ secret: PrivateKey; createdAt: number }> {
  const createdAt = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;
  const { privateKey } = await generateKey({
    userIDs: [{ email: 'expired@example.net' }],
    type: 'ecc',
    curve: 'curve25519Legacy',
    date: new Date(createdAt),
    keyExpirationTime: 10,
    format: 'object',
  });
  return { secret: privateKey, createdAt };
}
