// S/MIME: the shape of a sealed message, and what openssl, which knows nothing of us, makes of it. (It decrypts the whole corpus
// in test/e2e/smime.test.ts.)
// @module-tag slow
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../../src/message/detect.ts';
import { splitMessage } from '../../../src/message/header.ts';
import { dividerOf } from '../../../src/sealing/divided-message.ts';
import { createSealer, type Sealer } from '../../../src/sealing/pool.ts';
import { buildFrame } from '../../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../../src/sealing/seal-options.ts';
import { type SmimeCipher, sealSmime } from '../../../src/sealing/seal-smime.ts';
import { cmsRecipients } from '../../../src/smime/cms-recipients.ts';
import { namesOneOf } from '../../../src/smime/named-recipients.ts';
import { largeMessage } from '../../fixtures/corpus.ts';
import { type Authority, type Issued, openAuthority } from '../../support/authority.ts';
import { cmsOf, describeCms, openCms, recipientOf } from '../smime/openssl-cms.ts';

const KEYS = ['rsa:2048', 'P-256', 'P-384', 'P-521'] as const;
type Key = (typeof KEYS)[number];

let authority: Authority;
let sealer: Sealer;
const issued = new Map<Key, Issued>();

beforeAll(() => {
  authority = openAuthority();
  sealer = createSealer();
  for (const key of KEYS) {
    issued.set(
      key,
      authority.issue(key.replace(':', ''), { key, subject: `/O=Example/CN=Reader of ${key}` }),
    );
  }
});
afterAll(async () => {
  await sealer.close();
  authority.close();
});

function reader(key: Key): Issued {
  const found = issued.get(key);
  if (found === undefined) throw new Error(`no ${key} certificate`);
  return found;
}

function options(keys: readonly Issued[], changes: Partial<SealOptions> = {}): SealOptions {
  return {
    subject: 'hide',
    hideKeyIds: false,
    keys: keys.map(recipientOf),
    status: { host: 'mx1.example.org', queueId: '4TbQ', date: new Date('2024-02-05T10:00:00Z') },
    ...changes,
  };
}

async function seal(
  message: Buffer,
  keys: readonly Issued[],
  cipher: SmimeCipher = 'gcm',
  changes: Partial<SealOptions> = {},
): Promise<Buffer> {
  return Buffer.concat(await sealSmime(message, { ...options(keys, changes), cipher }, sealer.encrypt));
}

const expectedInside = (message: Buffer): Buffer =>
  Buffer.concat(buildFrame(dividerOf(message), options([]), () => []).plaintext);

const open = (data: Buffer, issuedTo: Issued, form: 'DER' | 'SMIME' = 'DER') =>
  openCms(authority, data, issuedTo, form);
const structure = (der: Buffer) => describeCms(authority, der);

const LETTER = Buffer.from(
  [
    'Received: from a by b',
    'From: Alice <alice@example.org>',
    'MIME-Version: 1.0',
    'To: bob@example.net',
    'Content-Type: text/plain; charset=utf-8',
    'Subject: Hello',
    '',
    'Text',
    '',
  ].join('\r\n'),
);

describe('a message sealed for S/MIME', () => {
  it('has the header of every sealed message, and the fields of RFC 8551', async () => {
    const key = reader('P-256');
    const sealed = await seal(LETTER, [key]);
    const { fields, body } = splitMessage(sealed);
    expect(fields.map(({ raw }) => raw.toString('latin1')).join('')).toBe(
      [
        'Received: from a by b',
        'From: Alice <alice@example.org>',
        'To: bob@example.net',
        'Subject: [...]',
        `Sealpost-Status: sealed; key=${recipientOf(key).fingerprint}; by=mx1.example.org; id=4TbQ; date=2024-02-05T10:00:00Z`,
        'MIME-Version: 1.0',
        'Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data;',
        ' name="smime.p7m"',
        'Content-Transfer-Encoding: base64',
        'Content-Disposition: attachment; filename="smime.p7m"',
        '',
      ].join('\r\n'),
    );
    const text = body.toString('latin1');
    expect(text).toMatch(/^(?:[A-Za-z0-9+/]{76}\r\n)*[A-Za-z0-9+/]{1,76}={0,2}\r\n$/);
  });

  it('holds the protected fields, the original Content-Type and the body', async () => {
    const key = reader('P-256');
    const inside = (await open(await seal(LETTER, [key]), key, 'SMIME')).toString('latin1');
    expect(inside).toContain('Subject: Hello\r\n');
    expect(inside).toContain('HP-Outer: Subject: [...]\r\n');
    expect(inside).toContain(
      'Content-Type: text/plain; charset=utf-8; hp="cipher"; protected-headers="v1"\r\n',
    );
    expect(inside.endsWith('\r\n\r\nText\r\n')).toBe(true);
  });

  it('keeps the line endings of a message that came with LF', async () => {
    const key = reader('P-256');
    const message = Buffer.from(LETTER.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
    const sealed = await seal(message, [key]);
    expect(sealed.includes('\r')).toBe(false);
    expect((await open(cmsOf(sealed), key)).equals(expectedInside(message))).toBe(true);
  });

  it('is recognised as encrypted, so that nothing seals it twice', async () => {
    for (const cipher of ['gcm', 'cbc', 'cbc-pkcs1'] as const) {
      const sealed = await seal(LETTER, [reader('rsa:2048')], cipher);
      expect(detectEncrypted(sealed)).toMatchObject({ encrypted: true, how: 'cms' });
    }
  });
});

describe('a message of 25 MB', () => {
  it('is sealed in a worker, and opened to the same bytes', async () => {
    const key = reader('P-384');
    const message = largeMessage(25_000_000);
    const inside = await open(cmsOf(await seal(message, [key])), key);
    expect(inside.equals(expectedInside(message))).toBe(true);
  }, 180_000);
});

describe('each way of giving the key', () => {
  it('is what the certificate and the setting ask for', async () => {
    const told = async (key: Key, cipher: SmimeCipher) =>
      structure(cmsOf(await seal(LETTER, [reader(key)], cipher)));
    const gcm = await told('rsa:2048', 'gcm');
    expect(gcm).toContain('id-smime-ct-authEnvelopedData');
    expect(gcm).toContain('algorithm: aes-256-gcm');
    expect(gcm).toContain('algorithm: rsaesOaep');
    const cbc = await told('rsa:2048', 'cbc');
    expect(cbc).toContain('pkcs7-envelopedData');
    expect(cbc).toContain('algorithm: aes-256-cbc');
    expect(cbc).toContain('algorithm: rsaesOaep');
    expect(await told('rsa:2048', 'cbc-pkcs1')).toContain('algorithm: rsaEncryption');
    const curve = await told('P-521', 'gcm');
    expect(curve).toContain('algorithm: dhSinglePass-stdDH-sha256kdf-scheme');
  });

  it('serves several devices of one reader', async () => {
    const devices = KEYS.map(reader);
    const sealed = await seal(LETTER, devices);
    for (const device of devices)
      expect((await open(cmsOf(sealed), device)).equals(expectedInside(LETTER))).toBe(true);
  });

  it('names a reader by issuer and serial number, or by the key where IDs are hidden', async () => {
    for (const name of ['rsa:2048', 'P-256'] as const) {
      const key = reader(name);
      const named = await structure(cmsOf(await seal(LETTER, [key])));
      expect(named).toContain(`Reader of ${name}`);
      const sealed = await seal(LETTER, [key], 'gcm', { hideKeyIds: true });
      const hidden = await structure(cmsOf(sealed));
      expect(hidden).not.toContain('Reader of');
      expect(hidden).toMatch(/[sS]ubjectKeyIdentifier/);
      expect(sealed.includes('key=')).toBe(false);
      expect((await open(cmsOf(sealed), key)).equals(expectedInside(LETTER))).toBe(true);
    }
  });

  it('uses another key, nonce and ephemeral key for every message', async () => {
    const [one, two] = await Promise.all(
      [0, 1].map(async () => cmsOf(await seal(LETTER, [reader('P-256')]))),
    );
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(false);
    expect(one?.length).toBe(two?.length);
  });
});

describe('the recipients that a message names', () => {
  it.each(['rsa:2048', 'P-256'] as const)(
    'are found again for %s, by whatever they are named',
    async (name) => {
      const certificates = [reader(name).der];
      const stranger = [reader(name === 'P-256' ? 'rsa:2048' : 'P-256').der];
      for (const hideKeyIds of [false, true]) {
        for (const cipher of ['gcm', 'cbc'] as const) {
          const named = cmsRecipients(await seal(LETTER, [reader(name)], cipher, { hideKeyIds }));
          expect(named).toHaveLength(1);
          expect(Object.keys(named?.[0] ?? {})).toEqual(
            hideKeyIds ? ['keyIdentifier'] : ['issuer', 'serialNumber'],
          );
          expect(namesOneOf(named ?? [], certificates)).toBe(true);
          expect(namesOneOf(named ?? [], stranger)).toBe(false);
        }
      }
    },
  );

  it('are found in what openssl writes', () => {
    const { certificateFile, der } = reader('P-256');
    const encrypted = authority.run(['cms', '-encrypt', '-aes256', certificateFile], 'Hello');
    expect(namesOneOf(cmsRecipients(encrypted) ?? [], [der])).toBe(true);
  });

  it('are nobody in a message that is no CMS', async () => {
    expect(cmsRecipients(LETTER)).toBeNull();
    const sealed = await seal(LETTER, [reader('P-256')]);
    expect(cmsRecipients(sealed.subarray(0, sealed.length - 400))).toBeNull();
  });
});

describe('sealing fails, and leaves nobody out,', () => {
  it('when one of the certificates cannot be used', async () => {
    const signing = authority.issue('signing', { key: 'ed25519' });
    await expect(seal(LETTER, [reader('P-256'), signing])).rejects.toThrow('cannot be encrypted to');
  });

  it('when there is none, or another one than was named', async () => {
    await expect(seal(LETTER, [])).rejects.toThrow('no certificate');
    const wrong = [{ ...recipientOf(reader('P-256')), fingerprint: 'F'.repeat(64) }];
    await expect(
      sealSmime(LETTER, { ...options([]), keys: wrong, cipher: 'gcm' }, sealer.encrypt),
    ).rejects.toThrow('the certificate given for FFFF');
  });

  it('a changed byte makes openssl refuse an AuthEnvelopedData', async () => {
    const key = reader('P-256');
    const der = cmsOf(await seal(LETTER, [key]));
    // Inside the ciphertext, which stands before the tag of 16 bytes and its two of head.
    der.writeUInt8(der.readUInt8(der.length - 30) ^ 1, der.length - 30);
    await expect(open(der, key)).rejects.toThrow();
  });
});
