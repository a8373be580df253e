// What is handed over as a key: the forms of its text, what is kept of it, and X.509 certificates.
import { armorBlocks } from '../../src/keys/armor-blocks.ts';
import { judgeX509 } from '../../src/keys/judge-x509.ts';
import { originalColumn } from '../../src/keys/original.ts';
import { readCertificates } from '../../src/keys/read.ts';
import { plainUpload } from '../../src/keys/upload-text.ts';
import { isX509Upload } from '../../src/smime/upload.ts';
import { type Authority, openAuthority } from '../support/authority.ts';
import { makeKey } from '../support/make-keys.ts';
import { mutate, type Random } from './random.ts';
import { must, type Target } from './target.ts';

const texts: Buffer[] = [];
const binaries: Buffer[] = [];
const certificates: Buffer[] = [];
let authority: Authority | undefined;

async function prepareKeys(): Promise<void> {
  if (texts.length > 0) return;
  const { secret } = await makeKey('p256');
  const armored = secret.toPublic().armor();
  binaries.push(
    Buffer.from(secret.toPublic().write()),
    Buffer.from((await makeKey('curve25519-v6')).secret.toPublic().write()),
  );
  texts.push(
    Buffer.from(armored),
    Buffer.from(`\ufeff${armored}`, 'utf16le'),
    Buffer.from(armored.replace(/\r?\n/g, ' ')),
    Buffer.from(armored.replace(/^-/gm, '- -')),
  );
}

const WORDS = [
  '-----BEGIN PGP PUBLIC KEY BLOCK-----',
  '-----END PGP PUBLIC KEY BLOCK-----',
  '-----BEGIN PGP SIGNED MESSAGE-----',
  '-----END PGP SIGNATURE-----',
  '-----BEGIN PGP PRIVATE KEY BLOCK-----',
  '-----BEGIN CERTIFICATE-----',
  '-----END CERTIFICATE-----',
  '-----BEGIN RSA PRIVATE KEY-----',
  '- ',
  '> ',
  '=AAAA',
  '\xff\xfe',
  '\xfe\xff',
  '\xef\xbb\xbf',
  '\xca\x03PGP',
  '\x30\x82',
];

const keyText: Target = {
  name: 'key-text',
  prepare: prepareKeys,
  make: (random) =>
    random.oneIn(4)
      ? Buffer.from(repeated(random), 'latin1')
      : mutate(random, random.pick(texts), WORDS, [...texts, ...binaries]),
  run(upload) {
    const plain = plainUpload(upload);
    const text = plain.toString('latin1');
    for (const { type, bytes } of armorBlocks(text)) {
      must(type.length <= 64, 'a type without a bound');
      must((bytes?.length ?? 0) <= plain.length, 'more bytes than there were');
    }
    const isSecret = text.includes('-----BEGIN PGP PRIVATE KEY BLOCK-----');
    must(
      !isSecret || armorBlocks(text).some(({ type }) => type.startsWith('PRIVATE')),
      'a secret key was overlooked',
    );
  },
};

function repeated(random: Random): string {
  return Array.from({ length: random.below(2000) }, () => random.pick(WORDS)).join(
    random.pick(['', ' ', '\n']),
  );
}

const keptKeys: Target = {
  name: 'key-original',
  slow: true,
  pace: 3000,
  prepare: prepareKeys,
  make: (random) => mutate(random, random.pick(binaries), ['\xca\x03PGP', '\xcd', '\xce', '\xc2'], binaries),
  async run(upload) {
    for (const found of await readCertificates(upload)) {
      if (!found.ok) continue;
      const once = await originalColumn([found.given]);
      if (once === null) continue;
      must(once.length <= found.given.length, 'more was kept than was given');
      must(
        (await originalColumn([once, found.given]))?.equals(once) === true,
        'a second copy changes what is kept',
      );
    }
  },
};

const x509: Target = {
  name: 'x509-upload',
  slow: true,
  pace: 3000,
  async prepare() {
    if (certificates.length > 0) return;
    authority = openAuthority();
    const own = authority.issue('own');
    const ca = authority.issue('ca', { extensions: ['basicConstraints=critical,CA:TRUE'] });
    certificates.push(
      own.der,
      Buffer.from(own.pem),
      Buffer.from(own.pem + ca.pem),
      Buffer.concat([own.der, Buffer.from('\n')]),
    );
  },
  close: () => {
    authority?.close();
    authority = undefined;
    certificates.length = 0;
  },
  make: (random) =>
    random.oneIn(6)
      ? Buffer.from(repeated(random), 'latin1')
      : mutate(random, random.pick(certificates), WORDS, certificates),
  async run(upload, random) {
    const plain = plainUpload(upload);
    isX509Upload(plain);
    const judged = await judgeX509(plain, { anchors: [], pin: random.oneIn(2) }, Date.now());
    must(judged.length > 0, 'no judgement');
    for (const one of judged) {
      if (one.refusal !== null) must(one.refusal.sentence.length > 10, 'a refusal without a sentence');
    }
  },
};

export const KEY_TARGETS: readonly Target[] = [keyText, keptKeys, x509];
