// PGP/MIME with header protection: what stands where, and the whole corpus there and back.
import { beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../../src/message/detect.ts';
import { explainMessage } from '../../../src/message/explain.ts';
import { splitMessage } from '../../../src/message/header.ts';
import { createEngine } from '../../../src/openpgp/engine.ts';
import { buildMimeFrame, sealMime } from '../../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../../src/sealing/seal-options.ts';
import { corpus, largeMessage } from '../../fixtures/corpus.ts';
import { processorTime } from '../../fixtures/processor-time.ts';
import { decryptWith, type KeyKind, makeKey, type TestKey } from '../../support/make-keys.ts';

const KINDS: readonly KeyKind[] = ['rsa3072', 'curve25519-legacy', 'curve25519-v6', 'p256'];
const keys = new Map<KeyKind, TestKey>();
const encrypt = createEngine();

beforeAll(async () => {
  for (const kind of KINDS) keys.set(kind, await makeKey(kind));
});

function key(kind: KeyKind): TestKey {
  const found = keys.get(kind);
  if (found === undefined) throw new Error(`no ${kind} key`);
  return found;
}

const STATUS = {
  host: 'mx1.example.org',
  queueId: '4TbQ1x0Zz1z9s',
  date: new Date('2024-02-05T10:00:00.123Z'),
};
const FINGERPRINT = 'A'.repeat(40);
const ONE_KEY = [{ fingerprint: FINGERPRINT, certificate: new Uint8Array(), at: 0 }];

function options(changes: Partial<SealOptions> = {}): SealOptions {
  return { subject: 'keep', hideKeyIds: false, keys: ONE_KEY, status: STATUS, ...changes };
}

function named(name: string): Buffer {
  const found = corpus().find((each) => each.name === name);
  if (found === undefined) throw new Error(`no ${name} in the corpus`);
  return found.message;
}

function lines(...texts: readonly string[]): Buffer {
  return Buffer.from(texts.map((text) => `${text}\r\n`).join(''), 'latin1');
}

const ARMOR = Buffer.from(
  '-----BEGIN PGP MESSAGE-----\r\n\r\nwcBM\r\n=aaaa\r\n-----END PGP MESSAGE-----\r\n',
);

/** What stands outside and inside, without encrypting. */
function build(message: Buffer, changes: Partial<SealOptions> = {}) {
  const { plaintext, wrap } = buildMimeFrame(message, options(changes), 'BOUNDARY');
  return {
    inner: Buffer.concat(plaintext).toString('latin1'),
    outer: Buffer.concat(wrap(ARMOR)).toString('latin1'),
  };
}

function innerContentType(...fields: readonly string[]): string {
  const { inner } = build(lines('From: a@example.org', ...fields, '', 'Text'));
  return inner.slice(inner.search(/^content-type/im), inner.indexOf('\r\n\r\n'));
}

describe('a sealed message', () => {
  it('is exactly this', () => {
    const message = lines(
      'Received: from a by b',
      'From: Alice <alice@example.org>',
      'MIME-Version: 1.0',
      'To: bob@example.net',
      'Content-Type: text/html; charset=utf-8',
      'Subject: Hello',
      'X-Mailer: one',
      'Content-Transfer-Encoding: 8bit',
      '',
      '<p>Text</p>',
    );
    expect(build(message)).toEqual({
      outer: lines(
        'Received: from a by b',
        'From: Alice <alice@example.org>',
        'To: bob@example.net',
        'Subject: Hello',
        'X-Mailer: one',
        `Sealpost-Status: sealed; key=${FINGERPRINT}; by=mx1.example.org; id=4TbQ1x0Zz1z9s; date=2024-02-05T10:00:00Z`,
        'MIME-Version: 1.0',
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
        ' boundary="BOUNDARY"',
        '',
        '--BOUNDARY',
        'Content-Type: application/pgp-encrypted',
        '',
        'Version: 1',
        '',
        '--BOUNDARY',
        'Content-Type: application/octet-stream; name="encrypted.asc"',
        'Content-Disposition: inline; filename="encrypted.asc"',
        '',
        '-----BEGIN PGP MESSAGE-----',
        '',
        'wcBM',
        '=aaaa',
        '-----END PGP MESSAGE-----',
        '',
        '--BOUNDARY--',
      ).toString('latin1'),
      inner: lines(
        'From: Alice <alice@example.org>',
        'To: bob@example.net',
        'Subject: Hello',
        'HP-Outer: From: Alice <alice@example.org>',
        'HP-Outer: To: bob@example.net',
        'HP-Outer: Subject: Hello',
        'Content-Type: text/html; charset=utf-8; hp="cipher"; protected-headers="v1"',
        'Content-Transfer-Encoding: 8bit',
        '',
        '<p>Text</p>',
      ).toString('latin1'),
    });
  });

  it('keeps every original field outside, same bytes, same order, but for Content-*, MIME-Version, HP-Outer and Sealpost-*', () => {
    for (const { name, message } of corpus()) {
      const fields = splitMessage(message).fields.filter(
        (field) => !/^(content-|mime-version$|hp-outer$|sealpost-)/.test(field.name),
      );
      const kept = Buffer.concat(fields.map((field) => field.raw)).toString('latin1');
      const { outer } = build(message);
      // A bare CR inside a header becomes a line ending: readers disagree about what it is.
      const expected = /\r(?!\n)/.test(kept) ? kept.replace(/\r(?!\n)/g, '\r\n') : kept;
      expect(outer.includes(expected), name).toBe(true);
      expect(outer.indexOf('Sealpost-Status'), name).toBeGreaterThanOrEqual(expected.length);
    }
  });

  it('keeps trace fields, verdicts and fields for mail servers outside only (RFC 8689)', () => {
    for (const name of ['dkim-arc', 'tls-required', 'many-received']) {
      const { inner, outer } = build(named(name));
      expect(inner).not.toMatch(
        /^(HP-Outer: )?(received|return-path|dkim-signature|arc-|authentication-results|x-spam|tls-required|require-tls)/im,
      );
      expect(outer).toMatch(/^Received:/im);
    }
    expect(build(named('tls-required')).outer).toContain(
      '\r\nTLS-Required: no\r\nRequire-TLS-ESMTP: yes\r\n',
    );
  });

  it('protects the fields that people see, and says of each what stands outside', () => {
    const fields = [
      'From: a@example.org',
      'To: b@example.net',
      'Cc: c@example.net',
      'Subject: s',
      'Date: Mon, 5 Feb 2024 10:00:00 +0000',
      'Message-ID: <m@example.org>',
      'In-Reply-To: <n@example.org>',
      'References: <n@example.org>',
      'Reply-To: r@example.org',
      'Sender: x@example.org',
      'List-Id: <l.example.org>',
      'List-Unsubscribe: <mailto:l@example.org>',
      'Keywords: k',
      'Comments: o',
    ];
    const { inner } = build(lines(...fields, 'X-Other: no', 'Bcc: hidden@example.net', '', 'Text'));
    expect(inner).toBe(
      lines(
        ...fields,
        ...fields.map((field) => `HP-Outer: ${field}`),
        'Content-Type: text/plain; charset=us-ascii; hp="cipher";\r\n protected-headers="v1"',
        '',
        'Text',
      ).toString(),
    );
  });

  it('hides the Subject outside and keeps the real one inside', () => {
    const { inner, outer } = build(lines('Subject: Top', ' secret', 'From: a@example.org', '', 'Text'), {
      subject: 'hide',
    });
    expect(outer).toMatch(/^Subject: \[\.\.\.\]\r\nFrom: a@example.org\r\nSealpost-Status/);
    expect(outer).not.toContain('secret');
    expect(inner).toContain('Subject: Top\r\n secret\r\n');
    expect(inner).toContain('HP-Outer: Subject: [...]\r\n');
    expect(inner).not.toContain('HP-Outer: Subject: Top');
  });

  it('hides every Subject where there are several, and adds none where there is none', () => {
    const { outer, inner } = build(named('two-froms'), { subject: 'hide' });
    expect(outer.match(/^Subject:.*$/gm)).toEqual(['Subject: [...]']);
    expect(inner).toContain('Subject: one\r\nSubject: two\r\n');
    expect(build(named('no-subject'), { subject: 'hide' }).outer).not.toMatch(/^Subject:/m);
  });

  it.each(['pgp-signed', 'smime-signed', 'protected-headers-signed'])(
    'keeps the exact bytes of a multipart/signed root, and its Subject outside: %s (lesson 6)',
    (name) => {
      const message = named(name);
      const { inner, outer } = build(message, { subject: 'hide' });
      const content = splitMessage(message).fields.filter((field) => field.name.startsWith('content-'));
      const body = splitMessage(message).body.toString('latin1');
      expect(inner).toBe(`${Buffer.concat(content.map(({ raw }) => raw)).toString('latin1')}\r\n${body}`);
      expect(outer).toContain('\r\nSubject: corpus\r\n');
    },
  );

  it('names no key when key IDs are hidden, and no queue ID where none is known', () => {
    const { outer } = build(named('text-plain'), { hideKeyIds: true, status: { ...STATUS, queueId: '' } });
    expect(outer).toContain('\r\nSealpost-Status: sealed; by=mx1.example.org; date=2024-02-05T10:00:00Z\r\n');
    expect(outer).not.toContain(FINGERPRINT);
  });

  it('names every key of several', () => {
    const second = { ...ONE_KEY[0], fingerprint: 'B'.repeat(64), certificate: new Uint8Array(), at: 0 };
    const { outer } = build(named('text-plain'), { keys: [...ONE_KEY, second] });
    expect(outer.replace(/\r\n[ \t]/g, ' ')).toContain(
      `sealed; key=${FINGERPRINT}, ${'B'.repeat(64)}; by=mx1`,
    );
  });

  it('lets no queue ID from outside end the field or forge another', () => {
    const { outer } = build(named('text-plain'), { status: { ...STATUS, queueId: 'A\r\nX-Evil: 1; key=C' } });
    expect(outer).not.toMatch(/^X-Evil/m);
    expect(outer).toContain('; id=AX-Evil:1keyC; date=');
  });

  it('writes no Sealpost-* field but its own (lesson 19)', () => {
    expect(build(named('forged-status')).outer.match(/^sealpost-.*$/gim)).toEqual([
      expect.stringMatching(/^Sealpost-Status: sealed; key=A+; by=mx1\.example\.org/),
    ]);
  });

  it('is recognised however many fields the original had: what is too much outside is inside only', {
    tags: ['slow'],
  }, async () => {
    for (const type of ['text/plain', 'multipart/signed; boundary=x']) {
      const fields = Array.from({ length: 9998 }, (_, n) => `X-N: ${n}`);
      const message = lines(...fields, 'Subject: secret', `Content-Type: ${type}`, '', 'Text');
      const { inner, outer } = build(message, { subject: 'hide' });
      for (const field of fields) expect(`${inner}${outer}`).toContain(`${field}\r\n`);
      expect(inner).toContain('Subject: secret\r\n');
      expect(outer).not.toContain('secret');
      const sealed = await sealMime(message, options({ keys: [key('p256').recipient] }), encrypt);
      expect(detectEncrypted(Buffer.concat(sealed))).toMatchObject({ encrypted: true, how: 'pgp-mime' });
    }
  });

  it('uses LF for everything it adds to a message that came with LF', () => {
    const { inner, outer } = build(named('bare-lf'));
    expect(`${inner}${outer}`).not.toContain('\r');
    expect(build(named('text-plain')).outer.replaceAll('\r\n', '')).not.toContain('\n');
  });
});

describe('the memory of the armor', () => {
  it('is lent only where the armor itself is part of the sealed message', async () => {
    for (const [eol, lent] of [
      ['\r\n', true],
      ['\n', false],
    ] as const) {
      let asked: boolean | undefined;
      const sealed = await sealMime(Buffer.from(`Subject: x${eol}${eol}Text${eol}`), options(), (job) => {
        asked = job.lent;
        return Promise.resolve(ARMOR);
      });
      expect(asked).toBe(lent);
      expect(
        sealed.some(({ buffer, byteOffset }) => buffer === ARMOR.buffer && byteOffset === ARMOR.byteOffset),
      ).toBe(lent);
    }
  });
});

describe('the Content-Type inside', () => {
  const DEFAULT = 'Content-Type: text/plain; charset=us-ascii; hp="cipher";\r\n protected-headers="v1"';

  it('is text/plain where there was none, without charset for an 8-bit body', () => {
    expect(innerContentType()).toBe(DEFAULT);
    expect(build(named('8bit-unlabelled')).inner).toContain(
      'Content-Type: text/plain; hp="cipher"; protected-headers="v1"\r\n',
    );
    expect(innerContentType('Content-Transfer-Encoding: base64')).toBe(
      `${DEFAULT}\r\nContent-Transfer-Encoding: base64`,
    );
  });

  it.each([
    [
      'an ordinary one',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Type: text/plain; charset=utf-8; hp="cipher"; protected-headers="v1"',
    ],
    [
      'a semicolon at the end',
      'Content-Type: text/plain;',
      'Content-Type: text/plain; hp="cipher"; protected-headers="v1"',
    ],
    [
      'a semicolon and space at the end',
      'Content-Type: text/plain;  ',
      'Content-Type: text/plain; hp="cipher"; protected-headers="v1"  ',
    ],
    ['upper case', 'CONTENT-TYPE: TEXT/HTML', 'CONTENT-TYPE: TEXT/HTML; hp="cipher"; protected-headers="v1"'],
    [
      'a comment at the end',
      'Content-Type: text/plain (a; b)',
      'Content-Type: text/plain (a; b); hp="cipher"; protected-headers="v1"',
    ],
    [
      'folded',
      'Content-Type: text/plain;\r\n\tcharset=utf-8',
      'Content-Type: text/plain;\r\n\tcharset=utf-8; hp="cipher"; protected-headers="v1"',
    ],
    [
      'an open quote',
      'Content-Type: text/plain; name="x',
      'Content-Type: text/plain; hp="cipher"; protected-headers="v1"; name="x',
    ],
    [
      'an open comment',
      'Content-Type: text/plain (x',
      'Content-Type: text/plain; hp="cipher"; protected-headers="v1" (x',
    ],
    [
      'more than is read',
      `Content-Type: text/plain; x="${'x'.repeat(102_400)}"`,
      `Content-Type: text/plain; hp="cipher"; protected-headers="v1"; x="${'x'.repeat(102_400)}"`,
    ],
    ['empty', 'Content-Type:', 'Content-Type: text/plain; hp="cipher"; protected-headers="v1"'],
    ['one word', 'Content-Type: text', 'Content-Type: text; hp="cipher"; protected-headers="v1"'],
    [
      'hp=clear of the sender, which is no longer true',
      'Content-Type: text/plain; HP=clear',
      'Content-Type: text/plain; hp="cipher"; protected-headers="v1"',
    ],
    [
      'hp as text',
      'Content-Type: text/plain; name="hp=x"',
      'Content-Type: text/plain; name="hp=x"; hp="cipher"; protected-headers="v1"',
    ],
    [
      'a long line, which is folded',
      `Content-Type: text/plain; name=${'n'.repeat(60)}`,
      `Content-Type: text/plain; name=${'n'.repeat(60)};\r\n hp="cipher"; protected-headers="v1"`,
    ],
  ])('announces the protected header in both forms and keeps its other bytes: %s', (_name, before, after) => {
    expect(innerContentType(before)).toBe(after);
  });

  it('keeps every other Content-* field, and a second Content-Type, as they were', () => {
    expect(build(named('content-fields')).inner).toContain('\r\nContent-Unheard-Of: yes\r\n\r\nText\r\n');
    expect(innerContentType('Content-Type: text/plain', 'Content-Type: text/html')).toBe(
      'Content-Type: text/plain; hp="cipher"; protected-headers="v1"\r\nContent-Type: text/html',
    );
  });

  it('says so of a root that was protected already, and keeps its real Subject inside', () => {
    const { inner } = build(named('already-hp'), { subject: 'hide' });
    expect(inner).toContain(
      '\r\nContent-Type: text/plain; charset=utf-8; hp="cipher"; protected-headers="v1"\r\n\r\n',
    );
    expect(inner).toContain('\r\nSubject: corpus\r\n');
  });
});

describe('the corpus, sealed', () => {
  it.each(KINDS)(
    'is decrypted to the same body bytes with a %s key, and recognised as sealed (lessons 4, 6, 15)',
    { tags: ['slow'] },
    async (kind) => {
      const { recipient, secret } = key(kind);
      for (const { name, message } of corpus()) {
        const sealed = Buffer.concat(await sealMime(message, options({ keys: [recipient] }), encrypt));
        const { outer, inner } = await open(sealed, secret);
        expect(
          inner.equals(Buffer.concat(buildMimeFrame(message, options({ keys: [recipient] }), 'x').plaintext)),
          name,
        ).toBe(true);
        const { body } = splitMessage(message);
        expect(inner.subarray(inner.length - body.length).equals(body), `${name}: body`).toBe(true);
        expect(splitMessage(inner).body.equals(body), `${name}: the empty line before the body`).toBe(true);
        expect(outer.includes(body) && body.length > 20, `${name}: plaintext outside`).toBe(false);
        expect(detectEncrypted(sealed), name).toMatchObject({ encrypted: true, how: 'pgp-mime' });
      }
    },
  );

  it('never has 8-bit bytes outside but in the header fields of the original', async () => {
    for (const { message, name } of corpus()) {
      const sealed = Buffer.concat(
        await sealMime(message, options({ keys: [key('p256').recipient] }), encrypt),
      );
      const at = sealed.indexOf('Sealpost-Status');
      expect(/^[\t\r\n\x20-\x7e]*$/.test(sealed.subarray(at).toString('latin1')), name).toBe(true);
    }
  });

  it('carries 25 MB in a few seconds', { tags: ['slow'] }, async () => {
    const { recipient, secret } = key('curve25519-legacy');
    const message = largeMessage(25_000_000);
    const before = processorTime();
    const sealed = Buffer.concat(await sealMime(message, options({ keys: [recipient] }), encrypt));
    expect(processorTime() - before).toBeLessThan(5000);
    const { inner } = await open(sealed, secret);
    expect(splitMessage(inner).body.equals(splitMessage(message).body)).toBe(true);
  });

  it('is not sealed at all when encryption fails: no plaintext comes out (lesson 1)', async () => {
    const failing = () => Promise.reject(new Error('no usable key'));
    await expect(sealMime(named('text-plain'), options(), failing)).rejects.toThrow('no usable key');
  });
});

/** Takes a sealed message apart with nothing of ours: its armor is between the only two lines of dashes. */
async function open(sealed: Buffer, secret: TestKey['secret']) {
  const begin = sealed.indexOf('-----BEGIN PGP MESSAGE-----', sealed.indexOf('filename="encrypted.asc"'));
  const end = sealed.indexOf('-----END PGP MESSAGE-----', begin) + '-----END PGP MESSAGE-----'.length;
  const outer = Buffer.concat([sealed.subarray(0, begin), sealed.subarray(end)]);
  return { outer, inner: await decryptWith(secret, sealed.subarray(begin, end)) };
}

describe('explainMessage', () => {
  it('tells the structure of a message, and nothing of its content', () => {
    expect(explainMessage(named('multipart-alternative'))).toEqual({
      detection: { encrypted: false, because: 'text/plain that is not one armored encrypted message' },
      size: named('multipart-alternative').length,
      fields: 9,
      received: 1,
      hasSubject: true,
      hasMessageId: true,
      mediaType: 'multipart/alternative',
    });
    expect(explainMessage(named('empty'))).toMatchObject({
      size: 0,
      hasSubject: false,
      mediaType: 'text/plain',
    });
    expect(explainMessage(named('content-type-twice')).mediaType).toBeNull();
  });
});
