// One whole letter, or key, of each kind that was once misread, with its right value. More of each kind stand beside: in
// repeated-fields, rules (delivery), inline-odd, detect-odd, user-id-bytes and text-forms (keys).
import { readMessage } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { ruledMessage, ruleMatches } from '../../../src/delivery/rules.ts';
import { judgeUpload } from '../../../src/keys/import.ts';
import { detectEncrypted } from '../../../src/message/detect.ts';
import { createEngine } from '../../../src/openpgp/engine.ts';
import { createSealingEngine } from '../../../src/sealing/engine.ts';
import type { HeaderPolicy } from '../../../src/sealing/header-policy.ts';
import { sealInline } from '../../../src/sealing/seal-inline.ts';
import { sealMime } from '../../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../../src/sealing/seal-options.ts';
import { cms, makeSamples, type Samples } from '../../support/encrypted-samples.ts';
import { armorsIn, lines, OPTIONS } from '../../support/inline-support.ts';
import { decryptWith, makeKey, type TestKey } from '../../support/make-keys.ts';
import { handMade } from '../keys/hand-made.ts';
import { base64 } from './compose.ts';

const ANN = ['From: Ann <ann@sender.example>', 'To: alice@example.org'];
const HELLO = [...ANN, 'Subject: Hello', 'Date: Mon, 5 Feb 2024 10:00:00 +0100', 'MIME-Version: 1.0'];
const PDF = ['Content-Type: application/pdf; name=a.pdf', 'Content-Transfer-Encoding: base64', ''];

let samples: Samples;
let key: TestKey;
beforeAll(async () => {
  samples = await makeSamples();
  key = await makeKey('p256');
});

/** Sealed as PGP/MIME: what stands outside, and what its reader decrypts. */
async function sealed(message: Buffer, wish: Partial<SealOptions> = {}) {
  const whole = Buffer.concat(
    await sealMime(message, { ...OPTIONS, keys: [key.recipient], ...wish }, createSealingEngine()),
  );
  const [armor = Buffer.alloc(0)] = armorsIn(whole);
  const inside = (await decryptWith(key.secret, armor)).toString('latin1');
  return { outside: whole.toString('latin1').replace(armor.toString('latin1'), ''), inside };
}

/** Sealed in the inline style: the message, and what the reader decrypts of each armor, in order. */
async function inline(...message: readonly string[]) {
  const made = await sealInline(lines(...message), { ...OPTIONS, keys: [key.recipient] }, createEngine());
  const whole = made ?? Buffer.alloc(0);
  const texts = await Promise.all(armorsIn(whole).map((armor) => decryptWith(key.secret, armor)));
  return { whole: whole.toString('latin1'), texts: texts.map((text) => text.toString('latin1')) };
}

describe('cases 01 and 14: what repeats the letter', () => {
  const marked = lines(
    ...ANN,
    'X-Spam-Report: Spam detection software',
    ' Content preview:  Dear Alice, the PIN of your new card is 4711. [...]',
    'X-Ham-Report: Spam detection software, running on the system "mx",',
    ' has NOT identified this incoming email as spam.',
    ' Content preview:  Dear Alice, the PIN of your new card is 4711. [...]',
    'X-Spam-Subject: ***SPAM*** topsecret',
    'X-Subject: topsecret',
    'X-Spam-Status: Yes, score=6.1 tests=FOO',
    'X-Spam-Prev-Subject: topsecret',
    'Thread-Topic: topsecret',
    'X-Preview: the PIN of your new card is 4711',
    'Subject: topsecret',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'Dear Alice, the PIN of your new card is 4711.',
  );

  it.each(['no_confidentiality', 'baseline', 'shy'] as const satisfies HeaderPolicy[])(
    'case 01: no preview of a spam filter stands outside, and its verdict does, under %s',
    async (headerPolicy) => {
      const { outside, inside } = await sealed(marked, { headerPolicy });
      expect(outside).not.toContain('4711');
      expect(outside).toContain('X-Spam-Status: Yes, score=6.1 tests=FOO\r\n');
      expect(inside).toContain('X-Preview: the PIN of your new card is 4711\r\n');
    },
  );

  it('case 01: no copy of a hidden Subject stands outside', async () => {
    const { outside, inside } = await sealed(marked, { subject: 'hide' });
    expect(outside).not.toContain('topsecret');
    expect(inside).toContain('Thread-Topic: topsecret\r\n');
  });

  it('case 14: no copy that a gateway made of a hidden Subject stands outside', async () => {
    const { outside, inside } = await sealed(
      lines(
        ...ANN,
        'Subject: the secret plan',
        'X-ASG-Orig-Subj: the secret plan',
        'Resent-Subject: the secret plan',
        '',
        'hello',
      ),
      { subject: 'hide' },
    );
    expect(outside).not.toContain('the secret plan');
    expect(inside).toContain('X-ASG-Orig-Subj: the secret plan\r\n');
  });
});

describe('case 02: a rule for "*vertrauliche Grüße*"', () => {
  const rule = {
    id: 1,
    action: 'seal',
    sender: null,
    header: { name: 'subject', pattern: '*vertrauliche Grüße*' },
    largerThan: null,
  } as const;
  it.each([
    ['a folded Q word', ['=?UTF-8?Q?Streng_vertrauliche_', ' Gr=C3=BC=C3=9Fe_an_alle?=']],
    [
      'B words that split a letter',
      ['=?UTF-8?B?U3RyZW5nIHZlcnRyYXVsaWNoZSBHcsM=?=', ' =?UTF-8?B?vMOfZSBhbiBhbGxl?='],
    ],
  ])('matches %s', (_how, [first = '', ...more]) => {
    const message = lines('From: a@b.example', `Subject: ${first}`, ...more, '', 'body');
    expect(ruleMatches(rule, ruledMessage(message, 'a@b.example'))).toBe(true);
  });
});

describe('the inline style', () => {
  it('case 03: a multipart that claims to be quoted-printable is sealed part by part, with every byte', async () => {
    const { whole, texts } = await inline(
      ...HELLO,
      'Content-Type: multipart/mixed;charset="utf-8";boundary="BrokenBoundary=="',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '--BrokenBoundary==',
      'Content-Type: text/html;charset="utf-8"',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '<p class=3D"a">caf=C3=A9</p>',
      '--BrokenBoundary==',
      ...PDF,
      'JVBERg==',
      '--BrokenBoundary==--',
    );
    expect(texts.slice(-2)).toEqual(['<p class="a">caf\xc3\xa9</p>', '%PDF']);
    expect(whole).toContain('a.pdf.pgp');
  });

  it('case 07: a boundary with "=" and without quotes divides the parts', async () => {
    const { whole, texts } = await inline(
      ...HELLO,
      'Content-Type: multipart/mixed; boundary=----=_Part_1/2=3',
      '',
      '------=_Part_1/2=3',
      'Content-Type: text/plain',
      '',
      'one',
      '------=_Part_1/2=3',
      ...PDF,
      'JVBERg==',
      '------=_Part_1/2=3--',
    );
    expect(texts).toEqual(['one', '%PDF']);
    expect(whole).toContain('a.pdf.pgp');
  });

  it('case 08: base64 with characters outside of the alphabet decrypts to the PDF', async () => {
    const { whole, texts } = await inline(
      ...HELLO,
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      '',
      'x',
      '--b',
      ...PDF,
      'JVBE',
      '!!',
      'Rg==',
      '--b--',
    );
    expect(texts).toEqual(['x', '%PDF']);
    expect(whole).toContain('a.pdf.pgp');
  });

  it('case 15: base64 with the footer of a list behind it reads as text, and the footer is kept', async () => {
    const { texts } = await inline(
      ...HELLO,
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: base64',
      '',
      'SGVsbG8gV29ybGQK',
      '-- ',
      'list footer http://lists.example/',
    );
    expect(texts).toHaveLength(1);
    expect(texts[0]?.replace(/\r\n/g, '\n').trimEnd()).toBe(
      'Hello World\n-- \nlist footer http://lists.example/',
    );
  });

  it('case 16: the messages of a digest whose boundary ends in two hyphens are read as messages', async () => {
    const { whole, texts } = await inline(
      ...HELLO,
      'Content-Type: multipart/mixed; boundary="a"',
      '',
      '--a',
      'Content-Type: text/plain',
      '',
      'intro',
      '--a',
      'Content-Type: multipart/digest; boundary="__--__--"',
      '',
      '--__--__--',
      '',
      'From: q@r.example',
      'Subject: one',
      '',
      'first',
      '--__--__----',
      '',
      '--a--',
    );
    expect(texts).toEqual(['intro', 'first']);
    expect(whole).toContain('\r\n\r\nFrom: q@r.example\r\nSubject: one\r\n');
  });
});

describe('encrypted already', () => {
  const pgpMime = (control: readonly string[], root = 'protocol="application/pgp-encrypted"; boundary="b"') =>
    lines(
      ...HELLO,
      `Content-Type: multipart/encrypted; ${root}`,
      '',
      '--b',
      'Content-Type: application/pgp-encrypted',
      ...control,
      '--b',
      'Content-Type: application/octet-stream',
      '',
      samples.armor.trimEnd(),
      '--b--',
    );

  it.each<readonly [string, () => Buffer]>([
    [
      'case 05: a control part in base64',
      () => pgpMime(['Content-Transfer-Encoding: base64', '', 'VmVyc2lvbjogMQ0K']),
    ],
    [
      'case 06: S/MIME that only Content-Disposition names',
      () =>
        lines(
          ...HELLO,
          'Content-Type: application/octet-stream',
          'Content-Disposition: attachment; filename="smime.p7m"',
          'Content-Transfer-Encoding: base64',
          '',
          base64(cms('enveloped')),
        ),
    ],
    [
      'case 09: PGP/MIME as Exchange writes it anew',
      () =>
        lines(
          ...HELLO,
          'Content-Type: multipart/mixed; boundary="b"',
          'X-MS-Has-Attach: yes',
          '',
          '--b',
          'Content-Type: text/plain; charset="us-ascii"',
          'Content-Transfer-Encoding: quoted-printable',
          '',
          '',
          '--b',
          'Content-Type: application/pgp-encrypted; name="PGPMIME Versions Identification"',
          'Content-Description: PGP/MIME Versions Identification',
          'Content-Disposition: attachment; filename="PGPMIME Versions Identification"; size=76',
          'Content-Transfer-Encoding: base64',
          '',
          'VmVyc2lvbjogMQ0K',
          '--b',
          'Content-Type: application/octet-stream; name="encrypted.asc"',
          'Content-Disposition: attachment; filename="encrypted.asc"',
          'Content-Transfer-Encoding: base64',
          '',
          base64(Buffer.from(samples.armor)),
          '--b--',
        ),
    ],
    [
      'case 10: a protocol without quotes',
      () => pgpMime(['', 'Version: 1'], 'protocol=application/pgp-encrypted; boundary="b"'),
    ],
  ])('%s', (_name, message) => {
    expect(detectEncrypted(message())).toMatchObject({ encrypted: true });
  });
});

describe('what the inside says of its header', () => {
  it('case 11: a protected part with a hidden Subject is announced in both forms, its calendar as it came', async () => {
    const body = [
      '--b1',
      'Content-Type: text/plain; charset=utf-8',
      '',
      'Lunch?',
      '--b1',
      'Content-Type: text/calendar; charset=utf-8; method=REQUEST; name="invite.ics"',
      '',
      'BEGIN:VCALENDAR',
      'END:VCALENDAR',
      '--b1--',
    ];
    const { outside, inside } = await sealed(
      lines(...HELLO, 'Content-Type: multipart/alternative; boundary="b1"', '', ...body),
      { subject: 'hide' },
    );
    expect(outside).toContain('Subject: [...]\r\n');
    const [header = ''] = inside.split('\r\n\r\n', 1);
    expect(header.replace(/\r\n /g, ' ')).toMatch(
      /^Content-Type: multipart\/alternative; boundary="b1"; hp="cipher"; protected-headers="v1"$/m,
    );
    expect(inside.endsWith(`\r\n\r\n${lines(...body).toString('latin1')}`)).toBe(true);
  });

  it("case 12: the sender's hp=clear becomes cipher", async () => {
    const { inside } = await sealed(
      lines(...HELLO, 'Content-Type: text/plain; charset=utf-8; hp="clear"', '', 'text'),
    );
    expect(inside).toContain('hp="cipher"');
    expect(inside).not.toContain('clear');
  });
});

describe('a key that is handed over', () => {
  const policy = { allowSha1: false };

  it('case 04: with a user ID in ISO-8859-1 is imported, and encrypted to', async () => {
    const made = await handMade();
    const userId = await made.userId(Buffer.from('J\xf6rg <joerg@example.org>', 'latin1'));
    const [one] = await judgeUpload(Buffer.concat([made.primary, userId, made.subkey]), policy, Date.now());
    expect(one).toMatchObject({
      verdict: 'accepted',
      facts: { userIds: [{ text: 'Jörg <joerg@example.org>', address: 'joerg@example.org' }] },
    });
  });

  it.each<readonly [string, (armored: string) => Buffer]>([
    [
      'in UTF-16, as PowerShell writes it',
      (armored) => Buffer.from(`\ufeff${armored.replace(/\r?\n/g, '\r\n')}`, 'utf16le'),
    ],
    ['whose newlines became blanks', (armored) => Buffer.from(armored.replace(/\r?\n/g, ' '))],
  ])('case 13: %s is imported', async (_form, make) => {
    const [one] = await judgeUpload(make(key.secret.toPublic().armor()), policy, Date.now());
    expect(one).toMatchObject({
      verdict: 'accepted',
      facts: { fingerprint: key.secret.getFingerprint().toUpperCase() },
    });
  });

  it('encrypts what it is given, so that the tests above mean something', async () => {
    const { whole } = await inline(...HELLO, '', 'a word');
    const [armor = Buffer.alloc(0)] = armorsIn(Buffer.from(whole, 'latin1'));
    const ids = (await readMessage({ armoredMessage: armor.toString() })).getEncryptionKeyIDs();
    expect(ids.length).toBe(1);
    expect(whole).not.toContain('a word');
  });
});
