// Uploads: what is taken in which form, and what is refused with which sentence. Keys are made here, by GnuPG, sq and OpenPGP.js.
// @module-tag slow
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { enums, generateKey, readKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Judged, judgeUpload, lapsedOnly } from '../../../src/keys/import.ts';
import { MAX_UPLOAD } from '../../../src/keys/refusals.ts';
import { need } from '../../support/needs.ts';
import { curveKey, type Gpg, openGpg } from './gpg.ts';

need('sq', 'openssl');

const strict = { allowSha1: false };
const judge = (upload: Uint8Array | string, policy = strict, now = Date.now()) =>
  judgeUpload(typeof upload === 'string' ? Buffer.from(upload) : upload, policy, now);

function sentences(judged: readonly Judged[]): readonly string[] {
  return judged.map((one) =>
    one.verdict === 'refused' ? one.refusal.sentence : `accepted ${one.facts.fingerprint}`,
  );
}

let gpg: Gpg;
let good: string;
let armored: string;

beforeAll(() => {
  gpg = openGpg();
  good = gpg.make(curveKey({ address: 'alice@example.org' }));
  armored = gpg.exportKey(good, '--armor').toString();
});
afterAll(() => gpg.close());

describe('a key is read', () => {
  const forms: readonly (readonly [form: string, make: () => Uint8Array | string])[] = [
    ['binary', () => gpg.exportKey(good)],
    ['armored', () => armored],
    ['with CRLF', () => armored.replace(/\n/g, '\r\n')],
    ['with bare CR', () => armored.replace(/\n/g, '\r')],
    [
      'with Version: and Comment: lines',
      () =>
        armored.replace('\n\n', '\nVersion: GnuPG v2.0.22 (MingW32)\nComment: see https://example.org/\n\n'),
    ],
    ['with Version: and no empty line after it', () => armored.replace('\n\n', '\nVersion: GnuPG v1\n')],
    ['with neither headers nor the empty line', () => armored.replace('\n\n', '\n')],
    ['with prose around it', () => `Hello,\n\nmy key:\n\n${armored}\n-- \nAlice -----\n`],
    ['quoted in a reply', () => armored.replace(/^/gm, '> ')],
    ['with white space around every line', () => armored.replace(/^(.*)$/gm, '   $1  \t')],
    ['with a byte order mark', () => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(armored)])],
    ['without a checksum', () => armored.replace(/\n=[^\n]{4}\n/, '\n')],
    ['without a final newline', () => armored.trimEnd()],
    ['as sq prints it, with a comment', () => execFileSync('sq', ['armor'], { input: gpg.exportKey(good) })],
  ];
  it.each(forms)('%s', async (_form, make) => {
    expect(sentences(await judge(make()))).toEqual([`accepted ${good}`]);
  });

  it('of version 6', async () => {
    const { publicKey } = await generateKey({
      userIDs: [{ email: 'v6@example.org' }],
      type: 'curve25519',
      format: 'binary',
      config: { v6Keys: true, aeadProtect: true },
    });
    const [judged] = await judge(publicKey);
    expect(judged?.facts).toMatchObject({ version: 6, aead: true, flaw: null });
    expect(judged?.facts?.fingerprint).toMatch(/^[0-9A-F]{64}$/);
    expect(judged?.verdict).toBe('accepted');
  });

  it.each([
    ['RSA 2048', { type: 'rsa', rsaBits: 2048 }],
    ['NIST P-256', { type: 'ecc', curve: 'nistP256' }],
    ['NIST P-521', { type: 'ecc', curve: 'nistP521' }],
    ['X25519', { type: 'curve25519' }],
    ['X448', { type: 'curve448' }],
  ] as const)('of algorithm %s', async (_name, options) => {
    const { publicKey } = await generateKey({
      ...options,
      userIDs: [{ email: 'a@example.org' }],
      format: 'binary',
    });
    expect((await judge(publicKey)).map(({ verdict }) => verdict)).toEqual(['accepted']);
  });

  it('of a Brainpool curve', async () => {
    const made = gpg.make([
      'Key-Type: ecdsa',
      'Key-Curve: brainpoolP256r1',
      'Subkey-Type: ecdh',
      'Subkey-Curve: brainpoolP256r1',
      'Name-Email: b@example.org',
    ]);
    expect(sentences(await judge(gpg.exportKey(made)))).toEqual([`accepted ${made}`]);
  });

  it('made by sq', async () => {
    const file = join(gpg.home, 'sq.pgp');
    execFileSync('sq', ['key', 'generate', '--userid', '<sq@example.org>', '--export', file], {
      stdio: 'pipe',
    });
    const [judged] = await judge(execFileSync('sq', ['key', 'extract-cert', file]));
    expect(judged?.verdict).toBe('accepted');
    expect(judged?.facts?.userIds).toEqual([
      { text: '<sq@example.org>', address: 'sq@example.org', revoked: false, valid: true },
    ]);
  });
});

describe('several keys in one upload are judged one by one', () => {
  it('in one block, in several blocks, and with a refused one between', async () => {
    const other = gpg.make(curveKey({ address: 'bob@example.org' }));
    const signOnly = gpg.make([
      'Key-Type: eddsa',
      'Key-Curve: ed25519',
      'Name-Email: s@example.org',
      'Expire-Date: 0',
    ]);
    const binary = Buffer.concat([gpg.exportKey(good), gpg.exportKey(signOnly), gpg.exportKey(other)]);
    const blocks = [armored, 'and', gpg.exportKey(signOnly, '--armor'), gpg.exportKey(other, '--armor')].join(
      '\n',
    );
    for (const upload of [binary, blocks]) {
      expect((await judge(upload)).map(({ verdict, facts }) => [verdict, facts?.fingerprint])).toEqual([
        ['accepted', good],
        ['refused', signOnly],
        ['accepted', other],
      ]);
    }
  });

  it('and a secret key beside a public one is refused without harm to it', async () => {
    const mixed = `${armored}\n${gpg.run(['--armor', '--export-secret-keys', good])}`;
    expect((await judge(mixed)).map(({ verdict }) => verdict)).toEqual(['accepted', 'refused']);
  });
});

const EXPORT = 'gpg --armor --export ADDRESS';
const SECRET =
  'this is a secret key: it was not stored, and nothing of it was logged; ' +
  `hand over the public key only ("${EXPORT}"), and keep the secret one to yourself`;
const DAMAGED = `the OpenPGP data is damaged or cut off; export the key again with "${EXPORT}"`;
const MESSAGE = `this is an OpenPGP message, not a key; expected a public key, as "${EXPORT}" prints it`;
const SIGNATURE = `this is an OpenPGP signature, not a key; expected a public key, as "${EXPORT}" prints it`;
const NOTHING = `no OpenPGP key was found in the input; expected a public key, as "${EXPORT}" prints it`;
const X509 = `this is an X.509 (S/MIME) certificate; expected an OpenPGP public key, as "${EXPORT}" prints it`;
const certificate = () => openssl('-outform', 'PEM');
const openssl = (...args: readonly string[]) =>
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-keyout', '/dev/null', '-subj', '/CN=a', ...args],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );

describe('what is no usable public key is refused with its own sentence:', () => {
  const table: readonly (readonly [what: string, make: () => Uint8Array | string, sentence: string])[] = [
    ['nothing', () => '', `the input is empty; expected an OpenPGP public key, as "${EXPORT}" prints it`],
    [
      'white space',
      () => ' \r\n\t',
      `the input is empty; expected an OpenPGP public key, as "${EXPORT}" prints it`,
    ],
    ['prose', () => 'Dear admin, my key is on my web page.', NOTHING],
    ['an image', () => Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), NOTHING],
    ['a secret key', () => gpg.run(['--export-secret-keys', good]), SECRET],
    ['an armored secret key', () => gpg.run(['--armor', '--export-secret-keys', good]), SECRET],
    [
      'a secret key that is called a public one',
      () => gpg.run(['--armor', '--export-secret-keys', good]).toString().replaceAll('PRIVATE', 'PUBLIC'),
      SECRET,
    ],
    [
      'a secret subkey behind a public key',
      () => Buffer.concat([gpg.exportKey(good), secretSubkeyPacket(gpg.run(['--export-secret-keys', good]))]),
      SECRET,
    ],
    [
      'an encrypted message',
      () => gpg.run(['--armor', '--trust-model', 'always', '-r', good, '-e'], 'x'),
      MESSAGE,
    ],
    [
      'a binary encrypted message',
      () => gpg.run(['--trust-model', 'always', '-r', good, '-e'], 'x'),
      MESSAGE,
    ],
    ['a clear-signed text', () => gpg.run(['-u', good, '--clearsign'], 'x'), MESSAGE],
    ['a detached signature', () => gpg.run(['--armor', '-u', good, '-b'], 'x'), SIGNATURE],
    ['a binary detached signature', () => gpg.run(['-u', good, '-b'], 'x'), SIGNATURE],
    ['an X.509 certificate', () => certificate(), X509],
    ['a binary X.509 certificate', () => openssl('-outform', 'DER'), X509],
    [
      'an SSH key',
      () => 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJ alice@laptop\n',
      `this is an SSH key; expected an OpenPGP public key, as "${EXPORT}" prints it`,
    ],
    ['a key cut off', () => gpg.exportKey(good).subarray(0, 150), DAMAGED],
    ['an armored key without its end', () => armored.slice(0, 300), DAMAGED],
    ['an armored key with other characters in it', () => armored.replace(/\n(.)(.{20})/, '\n$1!$2'), DAMAGED],
    [
      'an armored block without content',
      () => '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n',
      DAMAGED,
    ],
    [
      'too much',
      () => Buffer.alloc(MAX_UPLOAD + 1, 0x20),
      'the input has 262145 bytes, and at most 262144 (256 KiB) are accepted; export a smaller copy with "gpg --armor --export-options export-minimal --export ADDRESS"',
    ],
    [
      'a version 3 key',
      () => Buffer.from('9800990301234567000001000401000f010001'.padEnd(60, '0'), 'hex').subarray(0, 155),
      DAMAGED,
    ],
    [
      'a key of an unknown version',
      () => Buffer.from([0xc6, 8, 9, 0, 0, 0, 0, 1, 0, 0]),
      'this key has a version or an algorithm that is not supported; version 4 and 6 keys are',
    ],
    [
      'a bare revocation certificate',
      () =>
        readFileSync(join(gpg.home, 'openpgp-revocs.d', `${good}.rev`), 'utf8').replace(
          ':-----BEGIN',
          '-----BEGIN',
        ),
      'this is a revocation certificate without its key; import it into the keyring ("gpg --import"), then hand over the revoked key ("gpg --armor --export FINGERPRINT")',
    ],
  ];
  it.each(table)('%s', async (_what, make, sentence) => {
    expect(sentences(await judge(make()))).toEqual([sentence]);
  });

  const CURVE = 'expected RSA with at least 2048 bits, or an elliptic curve such as Curve25519';
  const keys: readonly (readonly [
    what: string,
    make: () => string | Promise<Uint8Array>,
    sentence: string,
  ])[] = [
    [
      'a DSA/ElGamal key',
      () =>
        gpg.make([
          'Key-Type: DSA',
          'Key-Length: 1024',
          'Subkey-Type: ELG-E',
          'Subkey-Length: 1024',
          'Name-Email: d@example.org',
        ]),
      `uses DSA, which is too weak; ${CURVE}`,
    ],
    [
      'RSA 1024',
      () =>
        gpg.make([
          'Key-Type: RSA',
          'Key-Length: 1024',
          'Subkey-Type: RSA',
          'Subkey-Length: 1024',
          'Name-Email: r@example.org',
        ]),
      `uses RSA with 1024 bits, which is too weak; ${CURVE}`,
    ],
    [
      'a weak subkey below a strong key',
      () =>
        gpg.make([
          'Key-Type: RSA',
          'Key-Length: 2048',
          'Key-Usage: sign',
          'Subkey-Type: RSA',
          'Subkey-Length: 1024',
          'Subkey-Usage: encrypt',
          'Name-Email: r@example.org',
        ]),
      `uses RSA with 1024 bits, which is too weak; ${CURVE}`,
    ],
    [
      'an ElGamal subkey below a strong key',
      () =>
        gpg.make([
          'Key-Type: RSA',
          'Key-Length: 2048',
          'Key-Usage: sign',
          'Subkey-Type: ELG-E',
          'Subkey-Length: 1024',
          'Name-Email: r@example.org',
        ]),
      `uses ElGamal, which is too weak; ${CURVE}`,
    ],
    [
      'a key that only signs',
      () => gpg.make(['Key-Type: eddsa', 'Key-Curve: ed25519', 'Name-Email: s@example.org']),
      'cannot be encrypted to: none of its keys may encrypt; its owner can add a subkey with "gpg --quick-add-key FINGERPRINT rsa3072 encr"',
    ],
    [
      'a key of the future',
      () => gpg.make(curveKey({ address: 'f@example.org' }), ['--faked-system-time', '20600101T000000!']),
      'is not valid before 2060-01-01; check the clock of the machine that made it',
    ],
    ['a revoked key', () => revokedKey(), 'is revoked by its owner; ask for the key that replaces it'],
    [
      'SHA-1 alone',
      () => sha1Key(),
      'has self-signatures that rest on SHA-1 or MD5 alone; its owner can renew them by setting the expiry anew with a current GnuPG, or keys.allow_sha1 = true in sealpost.toml accepts them',
    ],
    [
      'SHA-1 below EdDSA, which nothing can accept',
      () => gpg.make(curveKey({ address: 's@example.org' }), ['--cert-digest-algo', 'SHA1']),
      'has self-signatures that rest on SHA-1 or MD5 alone; its owner can renew them by setting the expiry anew with a current GnuPG',
    ],
    [
      'a key without user IDs',
      () => withoutUserIds(),
      'has no valid user ID; it needs at least one that is signed by the key and not revoked',
    ],
  ];
  it.each(keys)('%s', async (_what, make, sentence) => {
    const made = await make();
    const [judged] = await judge(typeof made === 'string' ? gpg.exportKey(made) : made);
    const fingerprint = judged?.facts?.fingerprint ?? '';
    expect(fingerprint).toMatch(/^[0-9A-F]{40}$/);
    expect(sentences(judged === undefined ? [] : [judged])).toEqual([
      `key ${fingerprint} ${sentence.replace('FINGERPRINT', fingerprint)}`,
    ]);
  });

  it('a key to which the trial encryption fails', async () => {
    const [judged] = await judgeUpload(gpg.exportKey(good), strict, Date.now(), () =>
      Promise.reject(new Error('no luck')),
    );
    expect(judged === undefined ? [] : sentences([judged])).toEqual([
      `key ${good} was refused because a trial encryption to it failed: no luck`,
    ]);
  });
});

describe('keys.allow_sha1', () => {
  it('accepts a key of SHA-1 self-signatures, and gpg decrypts what is sealed to it', async () => {
    const old = sha1Key();
    const [judged] = await judge(gpg.exportKey(old), { allowSha1: true });
    expect(judged?.verdict).toBe('accepted');
    const { createMessage, encrypt } = await import('openpgp');
    // As the sealing engine reads it: with OpenPGP.js's own defaults.
    const sealed = await encrypt({
      message: await createMessage({ text: 'for the old key' }),
      encryptionKeys: await readKey({ binaryKey: judged?.facts?.sealing ?? new Uint8Array() }),
      format: 'binary',
    });
    expect(gpg.run(['--decrypt'], sealed).toString()).toBe('for the old key');
  });

  it('accepts MD5 too', async () => {
    const { publicKey } = await generateKey({
      type: 'rsa',
      rsaBits: 2048,
      userIDs: [{ email: 'm@example.org' }],
      format: 'binary',
      config: {
        preferredHashAlgorithm: enums.hash.md5,
        nonDeterministicSignaturesViaNotation: false,
        rejectHashAlgorithms: new Set(),
      },
    });
    expect((await judge(publicKey)).map(({ verdict }) => verdict)).toEqual(['refused']);
    expect((await judge(publicKey, { allowSha1: true })).map(({ verdict }) => verdict)).toEqual(['accepted']);
  });
});

function sha1Key(): string {
  return gpg.make(
    [
      'Key-Type: RSA',
      'Key-Length: 2048',
      'Key-Usage: sign',
      'Subkey-Type: RSA',
      'Subkey-Length: 2048',
      'Subkey-Usage: encrypt',
      'Name-Email: s@example.org',
    ],
    ['--cert-digest-algo', 'SHA1'],
  );
}

function revokedKey(): string {
  const fingerprint = gpg.make(curveKey({ address: 'r@example.org' }));
  const revocation = readFileSync(join(gpg.home, 'openpgp-revocs.d', `${fingerprint}.rev`), 'utf8');
  gpg.run(['--import'], revocation.replace(':-----BEGIN', '-----BEGIN'));
  return fingerprint;
}

async function withoutUserIds(): Promise<Uint8Array> {
  const key = await readKey({ binaryKey: gpg.exportKey(good) });
  key.users = [];
  return key.write();
}

/** The secret subkey packet at the end of an exported secret key, with what follows it. */
function secretSubkeyPacket(exported: Buffer): Buffer {
  for (let offset = 0; offset < exported.length; ) {
    const tag = ((exported[offset] ?? 0) & 0x3c) >> 2;
    const [header, length] =
      (exported[offset] ?? 0) & 1 ? [3, exported.readUInt16BE(offset + 1)] : [2, exported[offset + 1] ?? 0];
    if (tag === 7) return exported.subarray(offset);
    offset += header + length;
  }
  throw new Error('no secret subkey');
}

describe('an expired key', () => {
  it("is taken, with what would refuse it where it is no user's; a revoked one is not", async () => {
    const lapsed = gpg.make(curveKey({ address: 'e@example.org' }, '20200201T000000'), [
      '--faked-system-time',
      '20200101T000000!',
    ]);
    const [judged] = await judgeUpload(gpg.exportKey(lapsed), strict, Date.now());
    expect(judged).toMatchObject({
      verdict: 'accepted',
      lapsed: {
        code: 'expired',
        sentence: `key ${lapsed} expired on 2020-02-01; its owner can extend it with "gpg --quick-set-expire ${lapsed} 2y" and export it again`,
      },
    });
  });

  it('is tried as of its last moment, and refused where that fails', async () => {
    const lapsed = gpg.make(curveKey({ address: 'e2@example.org' }, '20200201T000000'), [
      '--faked-system-time',
      '20200101T000000!',
    ]);
    const moments: number[] = [];
    const [judged] = await judgeUpload(gpg.exportKey(lapsed), strict, Date.now(), (_facts, now) => {
      moments.push(now);
      return Promise.reject(new Error('no'));
    });
    expect(judged).toMatchObject({ verdict: 'refused', refusal: { code: 'trial encryption' } });
    expect(moments.map((moment) => new Date(moment).toISOString().slice(0, 10))).toEqual(['2020-01-31']);
  });

  it('whose newest subkey is revoked is not used, and so not taken', () => {
    const refusal = { code: 'expired', fingerprint: 'A', sentence: 'x' } as const;
    expect(lapsedOnly({ newestRevoked: false }, refusal)).toBe(refusal);
    expect(lapsedOnly({ newestRevoked: true }, refusal)).toBeNull();
    expect(lapsedOnly({ newestRevoked: false }, { ...refusal, code: 'revoked' })).toBeNull();
  });
});
