// The other side: GnuPG 2.2 and Sequoia decrypt what we seal, byte for byte, and what they encrypt is recognised as encrypted.
// (OpenPGP.js decrypts the whole corpus in test/unit/message/seal-mime.test.ts.)
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../src/message/detect.ts';
import { splitMessage } from '../../src/message/header.ts';
import type { RecipientKey } from '../../src/openpgp/types.ts';
import { createSealer, type Sealer } from '../../src/sealing/pool.ts';
import { buildMimeFrame, sealMime } from '../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../src/sealing/seal-options.ts';
import { corpus, largeMessage, noise } from '../fixtures/corpus.ts';
import { armorMessage } from '../support/armor-message.ts';
import { runProgram } from '../support/child.ts';
import {
  createGpgHome,
  type GpgHome,
  type TestKey as GpgKey,
  makeKey as makeGpgKey,
  openpgpDecrypt,
  sqDecrypt,
} from '../support/keys.ts';
import { type KeyKind, makeKey, type TestKey } from '../support/make-keys.ts';
import { need } from '../support/needs.ts';

need('sq');

/** GnuPG 2.2 and Debian's Sequoia know no v6 keys: OpenPGP.js alone opens those. */
const KINDS: readonly KeyKind[] = ['rsa3072', 'curve25519-legacy', 'p256'];

let dir: string;
let home: GpgHome;
let sealer: Sealer;
const keys = new Map<KeyKind, TestKey>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'seal-'));
  home = await createGpgHome();
  sealer = createSealer();
  for (const kind of KINDS) {
    const key = await makeKey(kind);
    keys.set(kind, key);
    const imported = await home.run(['--import'], key.secret.armor());
    if (imported.code !== 0) throw new Error(`gpg --import: ${imported.stderr}`);
  }
});

afterAll(async () => {
  await sealer.close();
  await home.close();
  await rm(dir, { recursive: true, force: true });
});

function key(kind: KeyKind): TestKey {
  const found = keys.get(kind);
  if (found === undefined) throw new Error(`no ${kind} key`);
  return found;
}

function options(recipients: readonly RecipientKey[], changes: Partial<SealOptions> = {}): SealOptions {
  return {
    subject: 'hide',
    hideKeyIds: false,
    keys: recipients,
    status: { host: 'mx.example.org', queueId: 'Q', date: new Date() },
    ...changes,
  };
}

/** The armored message inside a sealed one, as a mail program hands it on. */
function armorOf(sealed: Buffer): Buffer {
  const begin = sealed.indexOf('-----BEGIN PGP MESSAGE-----', sealed.lastIndexOf('filename="encrypted.asc"'));
  return sealed.subarray(begin, sealed.lastIndexOf('--sealpost-'));
}

/** Decrypts many files with one gpg. */
async function gpgDecryptAll(name: string, armors: readonly Buffer[]): Promise<readonly Buffer[]> {
  const folder = join(dir, name);
  await mkdir(folder);
  const files = armors.map((_, index) => join(folder, `${index}.asc`));
  await Promise.all(armors.map((armor, index) => writeFile(files[index] ?? '', armor)));
  const done = await home.run(['--multifile', '--decrypt', ...files]);
  if (done.code !== 0) throw new Error(`gpg --decrypt: exit ${done.code}: ${done.stderr}`);
  return Promise.all(files.map((file) => readFile(file.replace(/\.asc$/, ''))));
}

/** Runs at most four at a time. */
async function each<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  const queue = [...items.entries()];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await work(next[1], next[0]);
    }),
  );
}

async function sealCorpus(kind: KeyKind, hideKeyIds: boolean) {
  const { recipient } = key(kind);
  return Promise.all(
    corpus().map(async ({ name, message }) => ({
      name,
      body: splitMessage(message).body,
      expected: Buffer.concat(buildMimeFrame(message, options([recipient]), 'x').plaintext),
      armor: armorOf(
        Buffer.concat(await sealMime(message, options([recipient], { hideKeyIds }), sealer.encrypt)),
      ),
    })),
  );
}

describe('GnuPG 2.2', () => {
  it.each(KINDS)('decrypts the whole corpus, sealed for a %s key, to the same bytes', async (kind) => {
    const sealed = await sealCorpus(kind, false);
    const opened = await gpgDecryptAll(
      kind,
      sealed.map(({ armor }) => armor),
    );
    for (const [index, { name, body, expected }] of sealed.entries()) {
      const inner = opened[index] ?? Buffer.alloc(0);
      expect(inner.equals(expected), name).toBe(true);
      expect(inner.subarray(inner.length - body.length).equals(body), `${name}: body`).toBe(true);
    }
  });

  it('decrypts messages with hidden key IDs', async () => {
    const [first] = await sealCorpus('p256', true);
    const done = await home.run(['--try-all-secrets', '--decrypt'], first?.armor ?? '');
    expect(done.stdout.equals(first?.expected ?? Buffer.alloc(1)), String(done.stderr)).toBe(true);
  });

  it('lesson 17: reads our armor for every length from 0 to 300, and checks its CRC24', async () => {
    const lengths = Array.from({ length: 301 }, (_, length) => length);
    await each(lengths, async (length) => {
      const bytes = noise(length, length + 1);
      const done = await home.run(['--dearmor'], armorMessage(bytes));
      expect(done.code, `${length} bytes: ${done.stderr}`).toBe(0);
      expect(done.stdout.equals(bytes), `${length} bytes`).toBe(true);
    });
    const wrong = armorMessage(noise(100))
      .toString('latin1')
      .replace(/\r\n=..../, '\r\n=AAAA');
    expect((await home.run(['--dearmor'], wrong)).code).not.toBe(0);
  });

  it('decrypts a message of 25 MB', async () => {
    const message = largeMessage(25_000_000);
    const sealed = Buffer.concat(
      await sealMime(message, options([key('curve25519-legacy').recipient]), sealer.encrypt),
    );
    const [inner = Buffer.alloc(0)] = await gpgDecryptAll('large', [armorOf(sealed)]);
    const { body } = splitMessage(message);
    expect(inner.subarray(inner.length - body.length).equals(body)).toBe(true);
  });

  it('finds a signature of its own intact after sealing and decryption, whatever the Subject setting (lesson 6)', async () => {
    const signer = await makeGpgKey(home, 'alice@example.org');
    const signed = Buffer.from(
      'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe \r\n.\r\n\r\n',
      'latin1',
    );
    const made = await home.run(['--armor', '--local-user', signer.fingerprint, '--detach-sign'], signed);
    const message = Buffer.concat([
      Buffer.from(
        'From: alice@example.org\r\nSubject: signed\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; micalg=pgp-sha512;\r\n\tprotocol="application/pgp-signature"; boundary="s"\r\n\r\n--s\r\n',
      ),
      signed,
      Buffer.from(
        `\r\n--s\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\n${made.stdout.toString('latin1').replaceAll('\n', '\r\n')}\r\n--s--\r\n`,
      ),
    ]);
    const sealed = Buffer.concat(
      await sealMime(message, options([key('rsa3072').recipient]), sealer.encrypt),
    );
    const [inner = Buffer.alloc(0)] = await gpgDecryptAll('signed', [armorOf(sealed)]);
    const text = inner.toString('latin1');
    const first = text.slice(
      text.indexOf('--s\r\n') + 5,
      text.indexOf('\r\n--s\r\n', text.indexOf('--s\r\n') + 5),
    );
    const signature = text.slice(
      text.indexOf('-----BEGIN PGP SIGNATURE'),
      text.indexOf('-----END PGP SIGNATURE-----') + 28,
    );
    expect(text.startsWith('Content-Type: multipart/signed; micalg=pgp-sha512;\r\n\tprotocol=')).toBe(true);
    await writeFile(join(dir, 'part'), Buffer.from(first, 'latin1'));
    await writeFile(join(dir, 'part.sig'), signature);
    const good = await home.run(['--verify', join(dir, 'part.sig'), join(dir, 'part')]);
    expect(good.code, String(good.stderr)).toBe(0);
    await writeFile(join(dir, 'part'), Buffer.from(first.replace('8bit', '7bit'), 'latin1'));
    expect((await home.run(['--verify', join(dir, 'part.sig'), join(dir, 'part')])).code).not.toBe(0);
  });
});

describe('Sequoia', () => {
  it.each(KINDS)('decrypts the whole corpus, sealed for a %s key, to the same bytes', async (kind) => {
    const secret = key(kind).secret.armor();
    const decrypt = sqDecrypt({ address: '', fingerprint: '', publicKey: '', secretKey: secret });
    await each(await sealCorpus(kind, false), async ({ name, armor, expected }) => {
      expect((await decrypt(armor)).equals(expected), name).toBe(true);
    });
  });

  it('decrypts a message of 25 MB', async () => {
    const message = largeMessage(25_000_000);
    const { recipient, secret } = key('rsa3072');
    const sealed = Buffer.concat(await sealMime(message, options([recipient]), sealer.encrypt));
    const decrypt = sqDecrypt({ address: '', fingerprint: '', publicKey: '', secretKey: secret.armor() });
    const inner = await decrypt(armorOf(sealed));
    const { body } = splitMessage(message);
    expect(inner.subarray(inner.length - body.length).equals(body)).toBe(true);
  });
});

describe('what GnuPG and Sequoia write', () => {
  let theirs: GpgKey;
  let subkeyId: string;

  beforeAll(async () => {
    theirs = await makeGpgKey(home, 'bob@example.net', 'rsa3072');
    const added = await home.run(['--quick-add-key', theirs.fingerprint, 'rsa3072', 'encr', 'never']);
    if (added.code !== 0) throw new Error(`gpg --quick-add-key: ${added.stderr}`);
    const listed = await home.run(['--with-colons', '--list-keys', theirs.fingerprint]);
    subkeyId = (/^sub:(?:[^:]*:){3}([0-9A-F]{16}):/m.exec(String(listed.stdout))?.[1] ?? '').toLowerCase();
    const text = async (command: string) =>
      String((await home.run(['--armor', command, theirs.fingerprint])).stdout);
    theirs = { ...theirs, publicKey: await text('--export'), secretKey: await text('--export-secret-keys') };
  });

  function pgpMime(armor: Buffer): Buffer {
    return Buffer.from(
      [
        'Subject: x',
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=x',
        '',
        '--x',
        'Content-Type: application/pgp-encrypted',
        '',
        'Version: 1',
        '--x',
        'Content-Type: application/octet-stream',
        '',
        armor.toString('latin1'),
        '--x--',
        '',
      ].join('\n'),
      'latin1',
    );
  }

  it('is recognised as encrypted, with the key ID of the subkey, in every size', async () => {
    for (const size of [1, 500, 20_000, 2_000_000]) {
      const done = await home.run(
        ['--armor', '--trust-model', 'always', '-r', theirs.fingerprint, '--encrypt'],
        noise(size),
      );
      expect(done.code, String(done.stderr)).toBe(0);
      expect(detectEncrypted(pgpMime(done.stdout)), `${size} bytes`).toMatchObject({
        how: 'pgp-mime',
        keyIds: [subkeyId],
      });
      expect(detectEncrypted(Buffer.concat([Buffer.from('Subject: x\n\n'), done.stdout]))).toMatchObject({
        how: 'inline',
      });
    }
  });

  it('is recognised as encrypted with a signature inside, hidden recipients, or a passphrase', async () => {
    const variants: readonly (readonly string[])[] = [
      [
        '--trust-model',
        'always',
        '-r',
        theirs.fingerprint,
        '--local-user',
        theirs.fingerprint,
        '--sign',
        '--encrypt',
      ],
      ['--trust-model', 'always', '-R', theirs.fingerprint, '--encrypt'],
      ['--passphrase', 'secret', '--symmetric'],
    ];
    for (const variant of variants) {
      const done = await home.run(['--armor', ...variant], 'Hello');
      expect(done.code, String(done.stderr)).toBe(0);
      expect(detectEncrypted(pgpMime(done.stdout)).encrypted, variant.join(' ')).toBe(true);
    }
  });

  it('is recognised as encrypted when Sequoia wrote it', async () => {
    const file = join(dir, 'theirs.asc');
    await writeFile(file, theirs.publicKey);
    const help = String((await runProgram('sq', ['encrypt', '--help'])).stdout);
    const option = help.includes('--recipient-cert') ? '--recipient-cert' : '--recipient-file';
    for (const size of [1, 100_000]) {
      const done = await runProgram('sq', ['encrypt', option, file], { stdin: noise(size) });
      expect(done.code, String(done.stderr)).toBe(0);
      expect(detectEncrypted(pgpMime(done.stdout)), `${size} bytes`).toMatchObject({
        encrypted: true,
        keyIds: [subkeyId],
      });
    }
  });

  it('is not taken for encrypted when it is a key, a signature, a signed or a compressed message (lesson 5)', async () => {
    const variants: readonly (readonly string[])[] = [
      ['--export', theirs.fingerprint],
      ['--local-user', theirs.fingerprint, '--sign'],
      ['--local-user', theirs.fingerprint, '--clear-sign'],
      ['--local-user', theirs.fingerprint, '--detach-sign'],
      ['--store'],
    ];
    for (const variant of variants) {
      const done = await home.run(['--armor', ...variant], 'Hello');
      expect(done.stdout.length, variant.join(' ')).toBeGreaterThan(0);
      expect(detectEncrypted(pgpMime(done.stdout)).encrypted, variant.join(' ')).toBe(false);
    }
  });

  it('is opened after it was sealed once more, for a key that GnuPG made', async () => {
    const { readKey } = await import('openpgp');
    const certificate = (await readKey({ armoredKey: theirs.publicKey })).toPublic().write();
    const message = corpus()[0]?.message ?? Buffer.alloc(0);
    const recipient = { fingerprint: theirs.fingerprint, certificate, at: Date.now() };
    const sealed = Buffer.concat(await sealMime(message, options([recipient]), sealer.encrypt));
    expect(detectEncrypted(sealed)).toMatchObject({ encrypted: true, keyIds: [subkeyId] });
    const expected = Buffer.concat(buildMimeFrame(message, options([recipient]), 'x').plaintext);
    const [byGpg] = await gpgDecryptAll('theirs', [armorOf(sealed)]);
    for (const inner of [
      byGpg,
      await sqDecrypt(theirs)(armorOf(sealed)),
      await openpgpDecrypt(theirs)(armorOf(sealed)),
    ]) {
      expect(inner?.equals(expected)).toBe(true);
    }
  });
});
