// The inline style: what becomes of each kind of part, byte by byte; and the whole corpus there and back.
import { simpleParser } from 'mailparser';
import { beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../../src/message/detect.ts';
import { splitMessage } from '../../../src/message/header.ts';
import { type Piece, readTree } from '../../../src/message/mime-tree.ts';
import { decodeLeniently } from '../../../src/message/transfer-encoding.ts';
import { createEngine } from '../../../src/openpgp/engine.ts';
import { wholePlaintext } from '../../../src/openpgp/types.ts';
import { sealInline } from '../../../src/sealing/seal-inline.ts';
import { corpus, largeMessage, noise } from '../../fixtures/corpus.ts';
import {
  armorsIn,
  foldNotes,
  lines,
  OPTIONS,
  recordingEncrypt,
  STATUS_LINE,
  saysTheSame,
} from '../../support/inline-support.ts';
import { decryptWith, makeKey, type TestKey } from '../../support/make-keys.ts';

const encrypt = createEngine();
let key: TestKey;

beforeAll(async () => {
  key = await makeKey('p256');
});

/** What is encrypted, in order, and what the sealed message looks like with `AAAA<number>` in the place of ciphertext. */
async function seal(message: Buffer) {
  const { encrypt: record, jobs } = recordingEncrypt();
  const sealed = await sealInline(message, OPTIONS, record);
  if (sealed === null) throw new Error('too many parts');
  return {
    sealed: sealed.toString('latin1'),
    jobs,
    texts: jobs.map(({ plaintext }) => Buffer.from(wholePlaintext(plaintext))),
  };
}

/** The header fields of the first part of a multipart/mixed that consists of one part with these fields. */
async function sealPart(fields: readonly string[], body = 'body') {
  const message = lines('Content-Type: multipart/mixed; boundary=b', '', '--b', ...fields, '', body, '--b--');
  const { sealed, texts, jobs } = await seal(message);
  const part = sealed.slice(sealed.indexOf('--b\r\n') + 5);
  return {
    header: part.slice(0, part.indexOf('\r\n\r\n')).split('\r\n'),
    plaintext: texts.at(-1),
    charset: jobs.at(-1)?.armorHeaders?.[0]?.value,
  };
}

function armor(number: number, charset?: string): readonly string[] {
  return [
    '-----BEGIN PGP MESSAGE-----',
    ...(charset === undefined ? [] : [`Charset: ${charset}`]),
    '',
    `AAAA${number}`,
    '-----END PGP MESSAGE-----',
  ];
}

describe('a message sealed inline', () => {
  it('is exactly this', async () => {
    const { sealed, texts } = await seal(
      lines(
        'Received: from a by b',
        'From: Alice <alice@example.org>',
        'Subject: Both',
        'MIME-Version: 1.0',
        'Content-Type: multipart/mixed; boundary="outer"',
        'X-Mailer: one',
        '',
        'This is a multi-part message in MIME format.',
        '--outer',
        'Content-Type: multipart/alternative; boundary=inner',
        '',
        '--inner',
        'Content-Type: text/plain; charset=iso-8859-1; format=flowed',
        'Content-Transfer-Encoding: quoted-printable',
        '',
        'Gr=FC=DFe =',
        'aus K=F6ln',
        '--inner',
        'Content-Type: text/html; charset=utf-8',
        'Content-Transfer-Encoding: base64',
        '',
        Buffer.from('<p>Gr\u00fc\u00dfe</p>').toString('base64'),
        '--inner--',
        '',
        '--outer  ',
        'Content-Type: image/png; name="one.png"',
        'Content-ID: <one@example.org>',
        'Content-Transfer-Encoding: base64',
        'Content-Disposition: inline; filename="one.png"; size=300',
        'Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==',
        '',
        noise(30).toString('base64'),
        '--outer--',
      ),
    );
    expect(sealed).toBe(
      lines(
        'Received: from a by b',
        'From: Alice <alice@example.org>',
        'Subject: Both',
        'MIME-Version: 1.0',
        'Content-Type: multipart/mixed; boundary="outer"',
        'X-Mailer: one',
        STATUS_LINE,
        '',
        'This is a multi-part message in MIME format.',
        '--outer',
        'Content-Type: multipart/alternative; boundary=inner',
        '',
        '--inner',
        'Content-Type: text/plain;',
        ' charset=utf-8;',
        ' format=flowed',
        'Content-Transfer-Encoding: 7bit',
        '',
        ...armor(0, 'utf-8'),
        '--inner',
        'Content-Type: text/html; charset=utf-8',
        'Content-Transfer-Encoding: 7bit',
        '',
        ...armor(1, 'utf-8'),
        '--inner--',
        '',
        '--outer  ',
        'Content-Type: application/octet-stream;',
        ' name="one.png.pgp"',
        'Content-ID: <one@example.org>',
        'Content-Transfer-Encoding: 7bit',
        'Content-Disposition: attachment;',
        ' filename="one.png.pgp"',
        '',
        ...armor(2),
        '--outer--',
      ).toString('latin1'),
    );
    expect(texts[0]?.toString()).toBe('Gr\u00fc\u00dfe aus K\u00f6ln');
    expect(texts[1]?.toString()).toBe('<p>Gr\u00fc\u00dfe</p>');
    expect(texts[2]?.equals(noise(30))).toBe(true);
  });

  it('keeps the status field in front of the empty line where there is no MIME at all', async () => {
    const { sealed, texts } = await seal(lines('From: a@example.org', '', 'Hello.', '', '-- ', 'Alice'));
    expect(sealed).toBe(
      lines('From: a@example.org', STATUS_LINE, '', ...armor(0, 'us-ascii')).toString('latin1'),
    );
    expect(texts.map(String)).toEqual(['Hello.\r\n\r\n-- \r\nAlice\r\n']);
  });

  it('descends into messages inside, whose header fields stay readable', async () => {
    const { sealed, texts } = await seal(
      lines(
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        'Content-Type: message/rfc822',
        'Content-Disposition: attachment; filename="fwd.eml"',
        '',
        'From: Carol <carol@example.com>',
        'Subject: inside',
        '',
        'Forwarded.',
        '--b--',
      ),
    );
    expect(sealed).toContain(
      lines(
        '--b',
        'Content-Type: message/rfc822',
        'Content-Disposition: attachment; filename="fwd.eml"',
        '',
        'From: Carol <carol@example.com>',
        'Subject: inside',
        '',
        ...armor(0, 'us-ascii'),
        '--b--',
      ).toString(),
    );
    expect(texts.map(String)).toEqual(['Forwarded.']);
  });

  it('makes multipart/signed a multipart/mixed: a signature over other bytes would be shown as broken', async () => {
    const { sealed } = await seal(named('pgp-signed'));
    expect(sealed).toContain(
      'Content-Type: multipart/mixed;\r\n boundary="sig"\r\nX-Original-Content-Type: multipart/signed; micalg=pgp-sha512;\r\n\tprotocol="application/pgp-signature"; boundary="sig"\r\n',
    );
    expect(sealed).toContain('name="signature.asc.pgp"');
  });

  it.each([
    ['multipart/signed (x;boundary=zzz); boundary=x', 'x', '"x"'],
    ['multipart/signed;(c)boundary="a b"', 'a b', '"a b"'],
    ['multipart/signed; boundary="a\\"\\\\b"', 'a"\\b', '"a\\"\\\\b"'],
  ])('keeps the boundary of multipart/signed, however it is written: %s', async (type, boundary, written) => {
    const part = (text: string) => [`--${boundary}`, '', text];
    const { sealed, texts } = await seal(
      lines(`Content-Type: ${type}`, '', ...part('one'), ...part('two'), `--${boundary}--`),
    );
    expect(sealed).toContain(`Content-Type: multipart/mixed;\r\n boundary=${written}\r\n`);
    expect(texts.map(String)).toEqual(['one', 'two']);
    expect(readTree(Buffer.from(sealed, 'latin1'), 10)?.filter(({ kind }) => kind === 'leaf')).toHaveLength(
      2,
    );
  });

  it('loses the length that a mail store wrote down, of the message and of parts', async () => {
    const { sealed } = await seal(
      lines('Content-Type: multipart/mixed; boundary=b', 'Content-Length: 20', '', '--b', '', 'x', '--b--'),
    );
    expect(sealed).not.toContain('Content-Length');
  });

  it('armors text around the parts where it stands, and leaves the notice that mail programs write', async () => {
    const { sealed, texts } = await seal(named('preamble-epilogue'));
    expect(sealed).toContain(
      lines('', ...armor(0, 'us-ascii'), '--pe', 'Content-Type: text/plain; charset=us-ascii').toString(),
    );
    expect(sealed.endsWith(lines('--pe--', ...armor(2, 'us-ascii')).toString())).toBe(true);
    expect(texts.map(String)).toEqual(['Preamble', 'A part.', 'Epilogue\r\n']);
    expect((await seal(named('multipart-alternative'))).sealed).toContain(
      '\r\nThis is a multi-part message in MIME format.\r\n--=_alt\r\n',
    );
  });

  it('uses LF for everything it adds to a message that came with LF', async () => {
    const { sealed } = await seal(named('bare-lf'));
    expect(sealed).not.toContain('\r');
    expect(sealed).toContain(`\n${STATUS_LINE}\n\n-----BEGIN PGP MESSAGE-----\n`);
  });

  it.each(['boundary-missing', 'boundary-wrong', 'fake-encrypted'])(
    'is one block where the parts cannot be told apart: %s',
    async (name) => {
      const { sealed, texts } = await seal(named(name));
      const type = /^Content-Type: (.*)$/m.exec(named(name).toString('latin1'))?.[1];
      expect(sealed).toContain(
        `\r\nContent-Type: text/plain; charset=us-ascii\r\nX-Original-Content-Type: ${type}\r\n`,
      );
      expect(texts).toHaveLength(1);
      expect(texts[0]?.equals(splitMessage(named(name)).body)).toBe(true);
    },
  );

  it('is left alone where every part is encrypted already, and part by part where some are', async () => {
    const armored = (await seal(named('text-plain'))).sealed;
    expect(detectEncrypted(Buffer.from(armored)).encrypted, 'the armor of the test is none').toBe(false);
    const real = Buffer.from(
      await encrypt({
        plaintext: Buffer.from('x'),
        keys: [key.recipient],
        hideKeyIds: false,
        format: 'armor',
      }),
    ).toString();
    const part = (text: string) => ['--b', 'Content-Type: text/plain', '', text.trimEnd()];
    const head = ['Content-Type: multipart/mixed; boundary=b', ''];
    const all = lines(...head, ...part(real), ...part(real), '--b--');
    expect(await sealInline(all, OPTIONS, recordingEncrypt().encrypt)).toBe(all);
    const mixed = lines(...head, ...part(real), ...part('open'), '--b--');
    const { sealed, texts } = await seal(mixed);
    expect(texts.map(String)).toEqual(['open']);
    expect(sealed).toContain(lines(...part(real)).toString());
  });

  it('leaves an encrypted message inside alone, parts and all', async () => {
    const sealedInside = lines(
      '--b',
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=e',
      '',
      '--e',
      'Content-Type: application/pgp-encrypted',
      '',
      'Version: 1',
      '--e',
      'Content-Type: application/octet-stream',
      '',
      Buffer.from(
        await encrypt({
          plaintext: Buffer.from('x'),
          keys: [key.recipient],
          hideKeyIds: false,
          format: 'armor',
        }),
      ).toString(),
      '--e--',
    ).toString();
    const { sealed, texts } = await seal(
      Buffer.from(
        `Content-Type: multipart/mixed; boundary=b\r\n\r\n${sealedInside}--b\r\n\r\nopen\r\n--b--\r\n`,
      ),
    );
    expect(sealed).toContain(sealedInside);
    expect(texts.map(String)).toEqual(['open']);
  });

  it('is not made of more parts than a server should encrypt one by one', async () => {
    const parts = (count: number) =>
      lines(
        'Content-Type: multipart/mixed; boundary=b',
        '',
        ...Array<string>(count).fill('--b\r\n\r\nx'),
        '--b--',
      );
    expect(await sealInline(parts(499), OPTIONS, recordingEncrypt().encrypt)).not.toBeNull();
    expect(await sealInline(parts(501), OPTIONS, recordingEncrypt().encrypt)).toBeNull();
  });

  it('does not come out at all when one of its parts cannot be encrypted (lesson 1)', async () => {
    let calls = 0;
    const failing = () => {
      calls += 1;
      return calls === 2 ? Promise.reject(new Error('no usable key')) : Promise.resolve(Buffer.from('x'));
    };
    await expect(sealInline(named('multipart-alternative'), OPTIONS, failing)).rejects.toThrow(
      'no usable key',
    );
  });

  it('encrypts at most four parts at once, and large messages one part at a time', async () => {
    const most = async (message: Buffer): Promise<number> => {
      let now = 0;
      let highest = 0;
      await sealInline(message, OPTIONS, async () => {
        now += 1;
        highest = Math.max(highest, now);
        await new Promise((resolve) => setTimeout(resolve, 5));
        now -= 1;
        return Buffer.from('x\r\n');
      });
      return highest;
    };
    const parts = Array<string>(20).fill('--b\r\n\r\nx');
    expect(await most(lines('Content-Type: multipart/mixed; boundary=b', '', ...parts, '--b--'))).toBe(4);
    expect(await most(largeMessage(2_000_000))).toBe(1);
  });
});

describe('a text part', () => {
  it.each([
    ['utf-8', 'Content-Type: text/plain; charset=utf-8', 'Gr\xc3\xbc\xc3\x9fe', 'utf-8'],
    ['ASCII in Latin 1', 'Content-Type: text/plain; charset="ISO-8859-1"', 'plain', 'ISO-8859-1'],
    ['no charset, ASCII', 'Content-Type: text/plain', 'plain', 'us-ascii'],
    ['no charset, valid UTF-8', 'Content-Type: text/html', 'Gr\xc3\xbc\xc3\x9fe', 'utf-8'],
    ['no charset, neither', 'Content-Type: text/plain', 'Gr\xfc\xdfe', undefined],
    ['a charset with a line ending in it', 'Content-Type: text/plain; charset="a\r\n b"', 'x', undefined],
  ])('tells its character set in the armor: %s', async (_name, field, body, charset) => {
    const part = await sealPart([field], body);
    expect(part.charset).toBe(charset);
    expect(part.plaintext?.toString('latin1')).toBe(body);
  });

  it.each(['utf-16', 'utf-7', 'utf-32', 'hz-gb-2312', 'ibm037', 'x-unheard-of'])(
    'in %s is labelled as the ASCII that armor is, and tells its own character set in the armor',
    async (label) => {
      const { header, charset } = await sealPart([
        `Content-Type: text/plain; charset=${label}; format=flowed`,
      ]);
      expect(header).toEqual(['Content-Type: text/plain;', ' charset=us-ascii;', ' format=flowed']);
      expect(charset).toBe(label);
    },
  );

  it.each([
    ['quoted-printable', 'a=20b =\r\nc=3Dd', 'a b c=d'],
    ['Quoted-Printable', 'x=y =  \r\nz=', 'x=y z='],
    ['base64', 'aGVs\r\nbG8=', 'hello'],
    ['8bit', '\xff\0', '\xff\0'],
  ])('has its transfer encoding undone: %s', async (encoding, body, decoded) => {
    const { header, plaintext } = await sealPart(
      ['Content-Type: text/plain', `Content-Transfer-Encoding: ${encoding}`],
      body,
    );
    expect(header).toEqual(['Content-Type: text/plain', 'Content-Transfer-Encoding: 7bit']);
    expect(plaintext?.toString('latin1')).toBe(decoded);
  });

  it.each([
    ['base64', 'No base64 here: plain text, really.'],
    ['x-uuencode', 'begin 644 x'],
    ['8bit 7bit', 'text'],
  ])(
    'keeps every byte where its transfer encoding cannot be undone, and says so: %s',
    async (encoding, body) => {
      const { header, plaintext } = await sealPart(
        [`Content-Transfer-Encoding: ${encoding}`, 'Content-Type: text/plain'],
        body,
      );
      expect(header).toEqual([
        'Content-Transfer-Encoding: 7bit',
        `X-Original-Content-Transfer-Encoding: ${encoding}`,
        'Content-Type: text/plain',
      ]);
      expect(plaintext?.toString('latin1')).toBe(body);
    },
  );

  it('keeps its type, its other fields and its name, but not the digest of its text', async () => {
    const fields = [
      'Content-Language: de',
      'Content-Type: text/csv; name=table.csv',
      'Content-Disposition: inline; filename=table.csv',
      'Content-Description: a table',
    ];
    expect((await sealPart([...fields, 'Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ=='])).header).toEqual(fields);
  });
});

describe('the name of an attachment', () => {
  const cases: readonly (readonly [
    about: string,
    fields: readonly string[],
    parameters: readonly string[],
  ])[] = [
    ['quoted', ['Content-Disposition: attachment; filename="a b.pdf"'], ['="a b.pdf.pgp"']],
    ['a token', ['Content-Disposition: attachment; filename=a.pdf'], ['=a.pdf.pgp']],
    ['in Content-Type only', ['Content-Type: application/pdf; name="a.pdf"'], ['="a.pdf.pgp"']],
    [
      'in both fields',
      ['Content-Type: application/pdf; name="old.pdf"', 'Content-Disposition: inline; filename="new.pdf"'],
      ['="new.pdf.pgp"'],
    ],
    [
      'an encoded word',
      ['Content-Type: application/pdf; name="=?utf-8?B?csOpc3Vtw6kucGRm?="'],
      ['="=?utf-8?B?csOpc3Vtw6kucGRm?= =?us-ascii?Q?.pgp?="'],
    ],
    [
      'RFC 2231 in one piece',
      ["Content-Disposition: attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf"],
      ["*=utf-8''r%C3%A9sum%C3%A9.pdf.pgp"],
    ],
    [
      'RFC 2231 in pieces',
      [
        'Content-Disposition: attachment;',
        " filename*0*=utf-8''r%C3%A9;",
        ' filename*1="sum";',
        ' filename*2=e.pdf',
      ],
      ["*0*=utf-8''r%C3%A9", '*1="sum"', '*2=e.pdf.pgp'],
    ],
    [
      'plain and RFC 2231',
      ['Content-Disposition: attachment; filename="resume.pdf"; filename*=utf-8\'\'r%C3%A9sum%C3%A9.pdf'],
      ['="resume.pdf.pgp"', "*=utf-8''r%C3%A9sum%C3%A9.pdf.pgp"],
    ],
    [
      'raw bytes in quotes',
      ['Content-Disposition: attachment; filename="r\xe9sum\xe9.pdf"'],
      ['="r\xe9sum\xe9.pdf.pgp"'],
    ],
    [
      'raw bytes without quotes',
      ['Content-Disposition: attachment; filename=r\xe9sum\xe9 2.pdf'],
      ['="r\xe9sum\xe9 2.pdf.pgp"'],
    ],
    [
      'brackets without quotes',
      ['Content-Disposition: attachment; filename=a (1).pdf'],
      ['="a (1).pdf.pgp"'],
    ],
    ['an open bracket', ['Content-Disposition: attachment; filename=a (1.pdf; size=1'], ['="a (1.pdf.pgp"']],
    [
      'behind comments with semicolons',
      ['Content-Disposition: attachment (a;filename=b);(c;d) filename=a.pdf'],
      ['=a.pdf.pgp'],
    ],
    ['escaped quotes', ['Content-Disposition: attachment; filename="a\\"b.pdf"'], ['="a\\"b.pdf.pgp"']],
    ['an open quote', ['Content-Disposition: attachment; filename="a b.pdf'], ['="a b.pdf.pgp"']],
    ['empty', ['Content-Disposition: attachment; filename=""'], ['=".pgp"']],
    ['none, with a type that is an ending', ['Content-Type: image/png'], ['="attachment.png.pgp"']],
    ['none, with a type that is none', ['Content-Type: application/octet-stream'], ['="attachment.pgp"']],
    [
      'a text that says it is an attachment',
      ['Content-Disposition: ATTACHMENT; filename=notes.txt'],
      ['=notes.txt.pgp'],
    ],
    [
      'a message in base64, which no reader could look into',
      ['Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64'],
      ['="message.eml.pgp"'],
    ],
  ];
  it.each(cases)('ends in .pgp: %s', async (_about, fields, parameters) => {
    const { header } = await sealPart(fields);
    const block = (field: string, base: string) =>
      [
        `${field};`,
        ...parameters.map((text, n) => ` ${base}${text}${n < parameters.length - 1 ? ';' : ''}`),
      ].join('\r\n');
    const text = header.join('\r\n');
    expect(text).toContain(block('Content-Type: application/octet-stream', 'name'));
    expect(text).toContain(block('Content-Disposition: attachment', 'filename'));
    expect(text).toContain('Content-Transfer-Encoding: 7bit');
  });

  it.each([
    ['white space', 'Content-Type: application/pdf; name=my file.pdf', 'filename=my file.pdf', 'my file'],
    [
      'raw bytes',
      'Content-Type: application/pdf; name=\xc3\x9cber.pdf',
      'filename=\xc3\x9cber.pdf',
      '\xc3\x9cber',
    ],
  ])('is kept where it makes the type unreadable: %s', async (_about, type, filename, name) => {
    const { header, plaintext, charset } = await sealPart(
      ['Content-Transfer-Encoding: base64', type, `Content-Disposition: attachment; ${filename}`],
      'JVBERi0=',
    );
    expect(header).toEqual([
      'Content-Transfer-Encoding: 7bit',
      'Content-Type: application/octet-stream;',
      ` name="${name}.pdf.pgp"`,
      `X-Original-${type}`,
      'Content-Disposition: attachment;',
      ` filename="${name}.pdf.pgp"`,
    ]);
    expect(plaintext?.toString('latin1')).toBe('%PDF-');
    expect(charset).toBeUndefined();
  });

  it('and its bytes are read by another program as they were, encoded names included', async () => {
    const attachment = (disposition: string, seed: number) => [
      '--b',
      'Content-Type: application/x-thing',
      'Content-Transfer-Encoding: base64',
      disposition,
      '',
      ...(noise(500, seed)
        .toString('base64')
        .match(/.{1,76}/g) ?? []),
    ];
    const original = lines(
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      ...attachment('Content-Disposition: attachment; filename="plain.bin"', 1),
      ...attachment("Content-Disposition: attachment; filename*=utf-8''r%C3%A9sum%C3%A9.bin", 2),
      ...attachment("Content-Disposition: attachment; filename*0*=utf-8''r%C3%A9; filename*1=sume.bin", 3),
      ...attachment('Content-Disposition: attachment; filename="=?utf-8?Q?r=C3=A9sum=C3=A9.bin?="', 4),
      '--b--',
    );
    const sealed = await sealInline(original, { ...OPTIONS, keys: [key.recipient] }, encrypt);
    const before = (await simpleParser(original)).attachments;
    const after = (await simpleParser(sealed ?? Buffer.alloc(0))).attachments;
    expect(after.map(({ filename }) => filename)).toEqual(before.map(({ filename }) => `${filename}.pgp`));
    for (const [index, { content }] of after.entries())
      expect((await decryptWith(key.secret, content)).equals(before[index]?.content ?? content)).toBe(true);
  });
});

describe('the corpus, sealed inline', () => {
  it('has the shape that it had, and every part comes back as it was', { tags: ['slow'] }, async () => {
    for (const { name, message } of corpus()) {
      const sealed = await sealInline(message, { ...OPTIONS, keys: [key.recipient] }, encrypt);
      if (sealed === null) throw new Error(`${name}: too many parts`);
      const before = tree(message);
      const after = foldNotes(tree(sealed));
      const kinds = (pieces: readonly Piece[]) => pieces.map(({ kind }) => kind);
      expect(kinds(after), name).toEqual(kinds(before));
      for (const [index, piece] of before.entries()) {
        const now = after[index];
        if (piece.kind === 'leaf' && now?.kind === 'leaf') {
          expect(saysTheSame(piece, await decryptWith(key.secret, now.body)), `${name}: part ${index}`).toBe(
            true,
          );
        } else if (piece.kind === 'delimiter' && now?.kind === 'delimiter') {
          expect(now.bytes.equals(piece.bytes), `${name}: delimiter`).toBe(true);
        }
      }
      const root = splitMessage(message).fields.filter(
        ({ name: field }) => !/^(content-|sealpost-)/.test(field),
      );
      const kept = Buffer.concat(root.map(({ raw }) => raw)).toString('latin1');
      if (!/\r(?!\n)/.test(kept) && kept.endsWith('\n'))
        for (const { raw } of root)
          expect(sealed.includes(raw), `${name}: ${raw.toString('latin1')}`).toBe(true);
    }
  });

  it('lets no line of a body stand outside', { tags: ['slow'] }, async () => {
    for (const { name, message } of corpus()) {
      const sealed = (await sealInline(message, { ...OPTIONS, keys: [key.recipient] }, encrypt))?.toString(
        'latin1',
      );
      for (const piece of tree(message)) {
        if (piece.kind !== 'leaf' && piece.kind !== 'around') continue;
        const raw = piece.kind === 'leaf' ? piece.body : piece.bytes;
        const decoded = piece.kind === 'leaf' ? decodeLeniently(raw, piece.entity.encoding) : null;
        for (const text of [raw, decoded ?? raw]) {
          for (const line of text.toString('latin1').split(/[\r\n]+/)) {
            const notice = /^This is a (multi-part message in MIME format|MIME-encapsulated message)\.$/.test(
              line,
            );
            if (line.length >= 10 && !notice && !/^(?:[A-Za-z-]+:|--level-)/.test(line))
              expect(sealed?.includes(line), `${name}: ${line.slice(0, 60)}`).toBe(false);
          }
        }
      }
    }
  });

  it('is recognised as encrypted; what has readable fields inside it is, part by part, and is not sealed twice', {
    tags: ['slow'],
  }, async () => {
    const notWhole: string[] = [];
    for (const { name, message } of corpus()) {
      const sealed = await sealInline(message, { ...OPTIONS, keys: [key.recipient] }, encrypt);
      if (sealed === null) throw new Error(`${name}: too many parts`);
      if (!detectEncrypted(sealed).encrypted) notWhole.push(name);
      expect(await sealInline(sealed, OPTIONS, recordingEncrypt().encrypt), name).toBe(sealed);
    }
    // Messages inside show their header fields, and a file alone is no mail: detection says no, and no part is encrypted again.
    expect(notWhole).toEqual([
      'smime-opaque-signed',
      'rfc822',
      'rfc822-in-mixed',
      'message-partial',
      'digest',
      'content-type-long',
      'rfc2231',
      'base64-one-line',
      'arf',
    ]);
  });

  it('carries 25 MB, with no more memory than PGP/MIME needs', { tags: ['slow'] }, async () => {
    const message = largeMessage(25_000_000);
    const sealed = await sealInline(message, { ...OPTIONS, keys: [key.recipient] }, encrypt);
    const [, attachment] = armorsIn(sealed ?? Buffer.alloc(0));
    const opened = await decryptWith(key.secret, attachment ?? Buffer.alloc(0));
    const leaf = tree(message).filter((piece) => piece.kind === 'leaf')[1];
    expect(opened.equals(decodeLeniently(leaf?.body ?? opened, 'base64') ?? Buffer.alloc(0))).toBe(true);
  });
});

describe('markers of plaintext', () => {
  const M = 'MARKER-of-plaintext';
  const encoded = Buffer.from(`${M} `.repeat(3)).toString('base64');
  const mixed = (...parts: readonly string[]) =>
    lines('Content-Type: multipart/mixed; boundary=b', '', ...parts, '--b--').toString('latin1');
  const messages: readonly (readonly [string, string])[] = [
    ['a plain body', `Subject: x\r\n\r\n${M}`],
    ['a body without a header', M],
    ['a body without an empty line', `Subject: x\r\n${M} is no field\r\n`],
    ['a text part', mixed('--b', '', M)],
    ['a part without an empty line', mixed('--b', `${M} is no field`)],
    ['a part that is nothing but fields', mixed('--b', 'Content-Type: text/plain', `Dear: ${M}`)],
    [
      'a message inside that is nothing but fields',
      mixed('--b', 'Content-Type: message/rfc822', '', `Dear: ${M}`),
    ],
    ['a part that begins like an mbox', mixed('--b', `From ${M}`, 'x')],
    ['a preamble', mixed(M, '--b', '', 'x')],
    ['an epilogue', `${mixed('--b', '', 'x')}${M}`],
    ['a part behind the end', `${mixed('--b', '', 'x')}--b\r\n\r\n${M}\r\n--b--\r\n`],
    [
      'HTML in base64',
      mixed('--b', 'Content-Type: text/html', 'Content-Transfer-Encoding: base64', '', encoded),
    ],
    ['a broken base64', mixed('--b', 'Content-Transfer-Encoding: base64', '', `${encoded}!${M}`)],
    ['an attachment', mixed('--b', 'Content-Type: application/x; name=a', '', M)],
    ['a nested part', mixed('--b', 'Content-Type: multipart/mixed; boundary=c', '', '--c', '', M, '--c--')],
    [
      'a nested preamble',
      mixed('--b', 'Content-Type: multipart/mixed; boundary=c', '', M, '--c', '', 'x', '--c--'),
    ],
    [
      'a nested epilogue',
      mixed('--b', 'Content-Type: multipart/mixed; boundary=c', '', '--c', '', 'x', '--c--', M),
    ],
    [
      'a nested multipart with the outer boundary',
      mixed('--b', 'Content-Type: multipart/mixed; boundary=b', '', M),
    ],
    ['a nested multipart without parts', mixed('--b', 'Content-Type: multipart/mixed; boundary=c', '', M)],
    [
      'a nested multipart in base64',
      mixed(
        '--b',
        'Content-Type: multipart/mixed; boundary=c',
        'Content-Transfer-Encoding: base64',
        '',
        encoded,
      ),
    ],
    ['a message inside', mixed('--b', 'Content-Type: message/rfc822', '', 'Subject: y', '', M)],
    ['a message inside without a header', mixed('--b', 'Content-Type: message/rfc822', '', '', M)],
    [
      'a message inside a message',
      mixed(
        '--b',
        'Content-Type: message/rfc822',
        '',
        'Content-Type: message/rfc822',
        '',
        'Subject: y',
        '',
        M,
      ),
    ],
    [
      'a digest',
      `Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: y\r\n\r\n${M}\r\n--b--`,
    ],
    ['a report', mixed('--b', 'Content-Type: message/delivery-status', '', `Diagnostic-Code: smtp; ${M}`)],
    [
      'an unreadable type',
      `Content-Type: multipart/mixed; boundary=b; boundary=c\r\n\r\n--b\r\n\r\n${M}\r\n--b--`,
    ],
    [
      'two types',
      `Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${M}\r\n--b--`,
    ],
    [
      'an armor around plaintext',
      `Subject: x\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n${M}\r\n-----END PGP MESSAGE-----`,
    ],
    [
      'a text beside armor',
      `Subject: x\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nAAAA\r\n-----END PGP MESSAGE-----\r\n${M}`,
    ],
    ['a bare CR before the body', `Subject: x\r\r${M}`],
    ['LF and CR mixed', `Subject: x\n\r\n${M}`],
  ];
  it.each(messages)('do not stand outside: %s', async (_about, message) => {
    const { sealed, texts } = await seal(Buffer.from(message, 'latin1'));
    expect(sealed).not.toContain(M);
    expect(sealed).not.toContain(encoded);
    expect(texts.some((text) => text.includes(M) || text.includes(encoded))).toBe(true);
  });
});

function named(name: string): Buffer {
  const found = corpus().find((each) => each.name === name);
  if (found === undefined) throw new Error(`no ${name} in the corpus`);
  return found.message;
}

function tree(message: Buffer): readonly Piece[] {
  return readTree(message, 10_000) ?? [];
}
