// Uploads of X.509 certificates: what is taken, and every refusal with its sentence. The certificates are made by openssl.
// @module-tag slow
import { X509Certificate } from 'node:crypto';
import { AlgorithmIdentifier, Certificate, RSASSAPSSParams } from 'pkijs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type JudgedX509, judgeX509, type X509Trust } from '../../../src/keys/judge-x509.ts';
import { MAX_UPLOAD } from '../../../src/keys/refusals.ts';
import { ID_RSASSA_PSS } from '../../../src/smime/object-identifiers.ts';
import { isX509Upload } from '../../../src/smime/upload.ts';
import { type Authority, CA_EXTENSIONS, type Issued, openAuthority } from '../../support/authority.ts';

const DAY = 86_400_000;

let authority: Authority;
let root: Issued;
let middle: Issued;
let alice: Issued;
let trust: X509Trust;

beforeAll(() => {
  authority = openAuthority();
  root = authority.issue('root', { extensions: CA_EXTENSIONS });
  middle = authority.issue('middle', { issuer: root, extensions: CA_EXTENSIONS });
  alice = authority.issue('alice', { issuer: middle });
  trust = { anchors: [root.der], pin: false };
});
afterAll(() => authority.close());

const judge = (upload: Uint8Array | string, given = trust, now = Date.now()) =>
  judgeX509(Buffer.from(upload as string), given, now);
const fingerprintOf = ({ der }: Issued) => new X509Certificate(der).fingerprint256.replaceAll(':', '');
/** The certificate as if its signature were RSASSA-PSS over that hash, which openssl does not make with a broken one. */
const overPss = (issued: Issued, algorithmId: string): Issued => {
  const certificate = Certificate.fromBER(issued.der);
  const parameters = new RSASSAPSSParams({ hashAlgorithm: new AlgorithmIdentifier({ algorithmId }) });
  certificate.signature = new AlgorithmIdentifier({
    algorithmId: ID_RSASSA_PSS,
    algorithmParams: parameters.toSchema(),
  });
  certificate.signatureAlgorithm = certificate.signature;
  return { ...issued, der: Buffer.from(certificate.toSchema(true).toBER()) };
};
const verdict = ({ facts, refusal }: JudgedX509) => [facts?.addresses, refusal?.code ?? 'accepted'];

describe('an upload of certificates is read', () => {
  it('in PEM with its chain, which is not imported itself', async () => {
    const [judged, ...more] = await judge(`Here it is:\n${middle.pem}\r\n${alice.pem}`);
    expect(more).toEqual([]);
    expect(judged).toMatchObject({
      refusal: null,
      pinned: false,
      certificate: alice.der,
      facts: { fingerprint: fingerprintOf(alice), addresses: ['alice@example.org'], key: { curve: 'P-256' } },
    });
  });

  it('in DER', async () => {
    const direct = authority.issue('direct', { issuer: root });
    expect((await judge(direct.der)).map(verdict)).toEqual([[['direct@example.org'], 'accepted']]);
  });

  it.each(['PEM', 'DER'])('as a PKCS #7 bundle in %s', async (form) => {
    const bundle = authority.run([
      ...['crl2pkcs7', '-nocrl', '-certfile', alice.certificateFile, '-certfile', middle.certificateFile],
      ...['-outform', form],
    ]);
    const [judged, ...more] = await judge(bundle);
    expect(more).toEqual([]);
    expect(judged).toMatchObject({ refusal: null, certificate: alice.der });
  });

  it('with several readers, each judged on its own', async () => {
    const bob = authority.issue('bob', { issuer: root });
    const stranger = authority.issue('stranger');
    expect((await judge([bob, stranger, alice, middle].map(({ pem }) => pem).join(''))).map(verdict)).toEqual(
      [
        [['bob@example.org'], 'accepted'],
        [['stranger@example.org'], 'self-signed'],
        [['alice@example.org'], 'accepted'],
      ],
    );
  });

  it('with addresses from the subject as old certificates have them, each once', async () => {
    const old = authority.issue('old', {
      issuer: root,
      subject: '/CN=Old/emailAddress=old@example.org',
      extensions: ['subjectAltName=email:old@example.org,email:old@example.net,DNS:example.org'],
    });
    const [judged] = await judge(old.der);
    expect(judged?.facts?.addresses).toEqual(['old@example.org', 'old@example.net']);
  });

  it('as X.509 only where it is', () => {
    expect(isX509Upload(alice.der)).toBe(true);
    expect(isX509Upload(Buffer.from(alice.pem))).toBe(true);
    expect(isX509Upload(Buffer.from('-----BEGIN PGP PUBLIC KEY BLOCK-----\n'))).toBe(false);
    expect(isX509Upload(Buffer.from('-----BEGIN OPENSSH PRIVATE KEY-----\n'))).toBe(false);
    expect(isX509Upload(Buffer.from([0x99, 0x01, 0x0d, 0x04]))).toBe(false);
  });
});

describe('a certificate is trusted', () => {
  it.each([
    ['rsa:2048', { name: 'rsa', bits: 2048 }],
    ['P-384', { name: 'ec', curve: 'P-384' }],
    ['P-521', { name: 'ec', curve: 'P-521' }],
  ])('with a key of %s', async (key, facts) => {
    const [judged] = await judge(authority.issue(`key-${key.replace(':', '')}`, { issuer: root, key }).der);
    expect(judged).toMatchObject({ refusal: null, facts: { key: facts } });
  });

  it('with the key usage and the purpose of encryption', async () => {
    const extensions = [
      'subjectAltName=email:eve@example.org',
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature,keyAgreement',
      'extendedKeyUsage=clientAuth,emailProtection',
    ];
    expect((await judge(authority.issue('eve', { issuer: root, extensions }).der)).map(verdict)).toEqual([
      [['eve@example.org'], 'accepted'],
    ]);
  });

  it('by an administrator, whoever issued it', async () => {
    const own = authority.issue('own');
    const [judged] = await judge(own.der, { anchors: [], pin: true });
    expect(judged).toMatchObject({ refusal: null, pinned: true });
  });

  it('by an administrator, also as "openssl req -x509" makes it', async () => {
    const own = authority.issue('plain', {
      extensions: ['basicConstraints=critical,CA:TRUE', 'subjectAltName=email:plain@example.org'],
    });
    expect((await judge(own.der, { anchors: [], pin: true })).map(verdict)).toEqual([
      [['plain@example.org'], 'accepted'],
    ]);
  });

  it('when it stands in the trust file itself', async () => {
    const own = authority.issue('listed');
    expect((await judge(own.der, { anchors: [own.der], pin: false })).map(verdict)).toEqual([
      [['listed@example.org'], 'accepted'],
    ]);
  });
});

describe('an expired certificate', () => {
  const later = () => Date.now() + 6 * DAY;
  let old: Issued;
  beforeAll(() => {
    old = authority.issue('old', { issuer: middle, days: 5 });
  });

  it('is for a user to have where its chain was good while it was valid', async () => {
    const [judged] = await judge(old.pem + middle.pem, trust, later());
    expect(judged).toMatchObject({ lapsed: true, pinned: false, refusal: { code: 'expired' } });
    const [pinned] = await judge(old.pem, { anchors: [], pin: true }, later());
    expect(pinned).toMatchObject({ lapsed: true, pinned: true, refusal: { code: 'expired' } });
  });

  it('is not where nobody has vouched for it, and says both', async () => {
    const [judged] = await judge(old.pem, { anchors: [], pin: false }, later());
    expect(judged).toMatchObject({ lapsed: false, refusal: { code: 'expired' } });
    expect(judged?.refusal?.sentence).toMatch(/expired on .*; besides, certificate .* trusted authority/);
  });

  it('is not where it would be refused for something else', async () => {
    const web = authority.issue('oldweb', {
      issuer: root,
      days: 5,
      extensions: ['subjectAltName=email:oldweb@example.org', 'extendedKeyUsage=serverAuth'],
    });
    const [judged] = await judge(web.pem, trust, later());
    expect(judged).toMatchObject({ lapsed: false, refusal: { code: 'no encryption key' } });
  });

  it('is not the same as one that is good', async () => {
    const [judged] = await judge(alice.pem + middle.pem);
    expect(judged).toMatchObject({ lapsed: false, refusal: null });
  });
});

describe('is refused with its own sentence:', () => {
  const email = 'subjectAltName=email:a@example.org';
  const PRIVATE =
    'this holds a private key: it was not stored, and nothing of it was logged; hand over the certificate only ' +
    '("openssl pkcs12 -in FILE -nokeys -out cert.pem"), and keep the private key to yourself';
  const read = (path: string) => authority.run(['pkey', '-in', path]).toString();
  const uploads: readonly (readonly [what: string, make: () => Uint8Array | string, sentence: string])[] = [
    ['a private key beside its certificate', () => `${alice.pem}${read(alice.keyFile)}`, PRIVATE],
    [
      'an encrypted private key',
      () => authority.run(['pkey', '-in', alice.keyFile, '-aes256', '-passout', 'pass:x']),
      PRIVATE,
    ],
    ['an old private key', () => authority.run(['ec', '-in', alice.keyFile]), PRIVATE],
    ['a private key that is cut off', () => `${alice.pem}${read(alice.keyFile).slice(0, 90)}`, PRIVATE],
    ['a private key in DER', () => authority.run(['pkey', '-in', alice.keyFile, '-outform', 'DER']), PRIVATE],
    [
      'a PKCS #12 file',
      () =>
        authority.run([
          ...['pkcs12', '-export', '-in', alice.certificateFile, '-inkey', alice.keyFile],
          ...['-passout', 'pass:x'],
        ]),
      PRIVATE,
    ],
    [
      'a certificate request',
      () => authority.run(['req', '-new', '-key', alice.keyFile, '-subj', '/CN=a']),
      'this is a certificate request, not a certificate; expected X.509 certificates in PEM or DER, as the authority returned them',
    ],
    [
      'a bare public key',
      () => authority.run(['pkey', '-in', alice.keyFile, '-pubout']),
      'this is a bare public key, which names nobody; expected X.509 certificates in PEM or DER',
    ],
    [
      'a certificate that is cut off',
      () => alice.pem.replace(/\n.*\n-----END/, '\n-----END'),
      'the certificate is damaged or cut off; expected X.509 certificates in PEM or DER, export it again',
    ],
    [
      'too much',
      () => alice.pem + ' '.repeat(MAX_UPLOAD),
      `the input has ${MAX_UPLOAD + 10} bytes, and at most 262144 (256 KiB) are accepted; hand over one certificate with its chain`,
    ],
  ];
  it.each(uploads)('%s', async (_, make, sentence) => {
    const [judged, ...more] = await judge(make());
    expect(more).toEqual([]);
    expect(judged?.facts).toBeNull();
    expect(judged?.refusal?.sentence.replace(/has \d+ bytes/, 'has N bytes')).toBe(
      sentence.replace(/has \d+ bytes/, 'has N bytes'),
    );
  });

  interface Case {
    readonly make: () => Issued;
    readonly code: string;
    readonly says: string;
    readonly now?: number;
    readonly trust?: () => X509Trust;
  }
  const issue =
    (name: string, extensions: readonly string[], key = 'P-256') =>
    () =>
      authority.issue(name, { issuer: root, extensions, key });
  const cases: Readonly<Record<string, Case>> = {
    'RSA below 2048 bits': {
      make: issue('small', [email], 'rsa:1024'),
      code: 'weak algorithm',
      says: 'uses RSA with 1024 bits, which is too weak; expected RSA with at least 2048 bits, or P-256, P-384 or P-521',
    },
    'a signature over SHA-1': {
      make: () => authority.issue('sha1', { issuer: root, digest: 'sha1' }),
      code: 'SHA-1',
      says: 'has a signature that rests on SHA-1, which is broken; ask the authority for a new one over SHA-256',
    },
    'a signature over MD5': {
      make: () =>
        authority.issue('md5', {
          digest: 'md5',
          key: 'rsa:2048',
        }),
      code: 'SHA-1',
      says: 'has a signature that rests on MD5, which is broken',
    },
    'a signature over MD5, told by its parameters': {
      make: () => overPss(authority.issue('md5pss'), '1.2.840.113549.2.5'),
      code: 'SHA-1',
      says: 'has a signature that rests on MD5, which is broken',
    },
    'an expired one': {
      make: () => alice,
      now: Date.now() + 31 * DAY,
      code: 'expired',
      says: 'ask its owner for the one that replaces it',
    },
    'one that is not valid yet': {
      make: () => alice,
      now: Date.now() - DAY,
      code: 'not yet valid',
      says: 'check the clock of this machine, or import it then',
    },
    'an RSA key for signatures only': {
      make: issue('sign', [email, 'keyUsage=digitalSignature'], 'rsa:2048'),
      code: 'no encryption key',
      says: 'cannot be encrypted to: its key usage does not include keyEncipherment; expected a certificate for encryption, its owner may have a second one',
    },
    'a curve key for signatures only': {
      make: issue('ecsign', [email, 'keyUsage=digitalSignature,keyEncipherment']),
      code: 'no encryption key',
      says: 'cannot be encrypted to: its key usage does not include keyAgreement',
    },
    'a key that only signs': {
      make: issue('ed', [email], 'ed25519'),
      code: 'no encryption key',
      says: 'cannot be encrypted to: a key of type ed25519 cannot be encrypted to here',
    },
    'a curve that mail programs do not know': {
      make: issue('odd', [email], 'secp256k1'),
      code: 'no encryption key',
      says: 'cannot be encrypted to: the curve secp256k1 is not supported',
    },
    'one for web servers': {
      make: issue('web', [email, 'extendedKeyUsage=serverAuth']),
      code: 'no encryption key',
      says: 'is not for mail: its extended key usage does not include emailProtection; ask the authority for an S/MIME certificate',
    },
    'a critical extension that nobody knows': {
      make: issue('critical', [email, '1.2.3.4=critical,ASN1:NULL']),
      code: 'unsupported',
      says: 'has the critical extension 1.2.3.4, which is not understood here',
    },
    "an authority's": {
      make: () => middle,
      code: 'authority',
      says: "is an authority's (CA), not a reader's; hand over the certificate of the mail address, with this one beside it",
    },
    "an authority's, also when pinned": {
      make: () => middle,
      trust: () => ({ anchors: [], pin: true }),
      code: 'authority',
      says: "is an authority's (CA), not a reader's",
    },
    'a root, also when pinned': {
      make: () => root,
      trust: () => ({ anchors: [], pin: true }),
      code: 'no encryption key',
      says: 'its key usage does not include keyAgreement',
    },
    'a self-signed one': {
      make: () => authority.issue('self'),
      code: 'self-signed',
      says: 'is self-signed: nobody vouches for it; an administrator who has compared the fingerprint with its owner can say "sealpost key import --pin"',
    },
    'one without its chain': {
      make: () => alice,
      code: 'untrusted',
      says: 'issued by O=Example, CN=middle, does not lead to a trusted authority: no trusted authority has issued it or its chain; hand over its chain, add the authority to smime.trust in sealpost.toml, or an administrator who',
    },
    'one that trusts nobody here': {
      make: () => alice,
      trust: () => ({ anchors: [], pin: false }),
      code: 'untrusted',
      says: 'does not lead to a trusted authority',
    },
  };
  it.each(Object.entries(cases))('%s', async (_, { make, code, says, now, trust: given }) => {
    const made = make();
    const [judged] = await judge(made.der, given?.() ?? trust, now ?? Date.now());
    const refusal = judged?.refusal;
    expect(refusal?.code).toBe(code);
    expect(refusal?.fingerprint).toBe(fingerprintOf(made));
    expect(refusal?.sentence).toContain(`certificate ${fingerprintOf(made)}`);
    expect(refusal?.sentence).toContain(says);
  });
});

describe('a chain is refused', () => {
  it('with a forged signature', async () => {
    const impostor = authority.issue('impostor', {
      subject: '/O=Example/CN=middle',
      extensions: CA_EXTENSIONS,
    });
    const forged = authority.issue('forged', { issuer: impostor });
    expect((await judge(`${forged.pem}${middle.pem}`)).map(verdict)).toEqual([
      [['forged@example.org'], 'untrusted'],
    ]);
  });

  it('through a certificate that is no authority', async () => {
    const below = authority.issue('below', { issuer: alice });
    expect((await judge(`${below.pem}${alice.pem}${middle.pem}`)).map(verdict)).toEqual([
      [['below@example.org'], 'untrusted'],
      [['alice@example.org'], 'accepted'],
    ]);
  });

  it('longer than its path length allows', async () => {
    const short = authority.issue('short', {
      issuer: root,
      extensions: ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=keyCertSign'],
    });
    const deep = authority.issue('deep', { issuer: short, extensions: CA_EXTENSIONS });
    const leaf = authority.issue('leaf', { issuer: deep });
    const direct = authority.issue('shortleaf', { issuer: short });
    const [refused] = await judge(`${leaf.pem}${deep.pem}${short.pem}`);
    expect(refused?.refusal?.sentence).toContain('may not have an authority below it');
    expect((await judge(`${direct.pem}${short.pem}`)).map(verdict)).toEqual([
      [['shortleaf@example.org'], 'accepted'],
    ]);
  });

  it('through an authority for web servers, or a signature over SHA-1', async () => {
    const web = authority.issue('webca', {
      issuer: root,
      extensions: [...CA_EXTENSIONS, 'extendedKeyUsage=serverAuth'],
    });
    const sha1 = authority.issue('sha1ca', { issuer: root, digest: 'sha1', extensions: CA_EXTENSIONS });
    for (const [name, issuer, says] of [
      ['weblead', web, 'may not issue certificates for mail'],
      ['sha1leaf', sha1, 'rests on SHA-1'],
    ] as const) {
      const [judged] = await judge(`${authority.issue(name, { issuer }).pem}${issuer.pem}`);
      expect(judged?.refusal?.sentence).toContain(says);
    }
  });

  it('outside the names that an authority is limited to', async () => {
    const limited = authority.issue('limited', {
      issuer: root,
      extensions: [...CA_EXTENSIONS, 'nameConstraints=critical,permitted;email:example.net'],
    });
    const wrong = authority.issue('wrong', { issuer: limited });
    const right = authority.issue('right', {
      issuer: limited,
      extensions: ['subjectAltName=email:right@example.net'],
    });
    expect((await judge(`${wrong.pem}${limited.pem}`)).map(verdict)).toEqual([
      [['wrong@example.org'], 'untrusted'],
    ]);
    expect((await judge(`${right.pem}${limited.pem}`)).map(verdict)).toEqual([
      [['right@example.net'], 'accepted'],
    ]);
  });
});
