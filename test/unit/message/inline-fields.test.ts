// Header fields that quote the body, in the inline style: none stands outside, each is in the encrypted file beside the message.
import { beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../../src/message/detect.ts';
import { readTree } from '../../../src/message/mime-tree.ts';
import { createEngine } from '../../../src/openpgp/engine.ts';
import { wholePlaintext } from '../../../src/openpgp/types.ts';
import { sealInline } from '../../../src/sealing/seal-inline.ts';
import { corpus } from '../../fixtures/corpus.ts';
import { armorsIn, lines, OPTIONS, recordingEncrypt, STATUS_LINE } from '../../support/inline-support.ts';
import { decryptWith, makeKey, type TestKey } from '../../support/make-keys.ts';

const encrypt = createEngine();
let key: TestKey;

beforeAll(async () => {
  key = await makeKey('p256');
});

// The hyphen keeps it from occurring in armor by chance.
const REPORT = 'X-Spam-Report: Content preview:  the PIN of your card\r\n is 47-11 [...]\r\n';

async function seal(message: Buffer) {
  const { encrypt: record, jobs } = recordingEncrypt();
  const sealed = await sealInline(message, OPTIONS, record);
  const text = (sealed ?? Buffer.alloc(0)).toString('latin1');
  return {
    sealed: text.replace(/sealpost-fields-[0-9a-f]+/g, 'sealpost-fields-x'),
    texts: jobs.map(({ plaintext }) => Buffer.from(wholePlaintext(plaintext)).toString('latin1')),
  };
}

const armor = (number: number, ...headers: readonly string[]) => [
  '-----BEGIN PGP MESSAGE-----',
  ...headers,
  '',
  `AAAA${number}`,
  '-----END PGP MESSAGE-----',
];

const FILE = [
  '--sealpost-fields-x',
  'Content-Type: application/octet-stream;',
  ' name="header-fields.txt.pgp"',
  'Content-Transfer-Encoding: 7bit',
  'Content-Disposition: attachment;',
  ' filename="header-fields.txt.pgp"',
  '',
];

describe('fields that quote the body, in the inline style', () => {
  it('become a file beside a text, whose header is otherwise the same: exactly this', async () => {
    const { sealed, texts } = await seal(
      lines(
        'Received: from a by b',
        'X-Spam-Flag: YES',
        'X-Spam-Report: Content preview:  the PIN',
        ' is 47-11 [...]',
        'Subject: Card',
        'Content-Type: text/plain; charset=utf-8',
        '',
        'The PIN is 47-11.',
      ),
    );
    expect(sealed).toBe(
      lines(
        'Received: from a by b',
        'X-Spam-Flag: YES',
        'Subject: Card',
        STATUS_LINE,
        'MIME-Version: 1.0',
        'Content-Type: multipart/mixed;',
        ' boundary="sealpost-fields-x"',
        '',
        '--sealpost-fields-x',
        'Content-Type: text/plain; charset=utf-8',
        '',
        ...armor(0, 'Charset: utf-8'),
        '',
        ...FILE,
        ...armor(1),
        '--sealpost-fields-x--',
      ).toString('latin1'),
    );
    expect(texts).toEqual([
      'The PIN is 47-11.\r\n',
      'X-Spam-Report: Content preview:  the PIN\r\n is 47-11 [...]\r\n\r\n',
    ]);
  });

  it('leave a multipart as it is, inside the one that holds the file', async () => {
    const body = ['--b', '', 'one', '--b', 'Content-Type: text/html', '', '<p>one</p>', '--b--'];
    const head = ['MIME-Version: 1.0', 'Content-Type: multipart/alternative; boundary=b'];
    const without = await seal(lines('Subject: s', ...head, '', ...body));
    const { sealed, texts } = await seal(Buffer.concat([Buffer.from(REPORT), lines(...head, '', ...body)]));
    const [, inner = ''] = without.sealed.split(`${STATUS_LINE}\r\n\r\n`);
    expect(sealed).toBe(
      [
        lines('MIME-Version: 1.0', STATUS_LINE),
        lines('Content-Type: multipart/mixed;', ' boundary="sealpost-fields-x"', '', '--sealpost-fields-x'),
        lines('Content-Type: multipart/alternative; boundary=b', ''),
        `${inner}\r\n`,
        lines(...FILE, ...armor(2), '--sealpost-fields-x--'),
      ].join(''),
    );
    expect(texts.at(-1)).toBe(`${REPORT}\r\n`);
  });

  it('are taken out of messages inside and of parts, those of each apart from the others', async () => {
    const { sealed, texts } = await seal(
      lines(
        'X-Ham-Report: outer 47-11',
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        'Content-Type: message/rfc822',
        'X-Amavis-Alert: part 47-11',
        '',
        'From: Carol <carol@example.com>',
        'X-Acme-Preview: inside 47-11',
        'Subject: Directions',
        '',
        'Forwarded.',
        '--b--',
      ),
    );
    expect(sealed).not.toContain('47-11');
    expect(sealed).toContain('From: Carol <carol@example.com>\r\nSubject: Directions\r\n\r\n-----BEGIN');
    expect(texts).toEqual([
      'Forwarded.',
      'X-Ham-Report: outer 47-11\r\n\r\nX-Amavis-Alert: part 47-11\r\n\r\nX-Acme-Preview: inside 47-11\r\n\r\n',
    ]);
  });

  it.each([
    'X-Spam-Report: 47-11',
    'x-ham-report: 47-11',
    'X-Acme-Spam-Report: 47-11',
    'X-Content-Preview: 47-11',
    'X-Message-Snippet: 47-11',
    'X-Spam-Tokens: 47-11',
    'X-DSPAM-Factors: 27, 47-11, 0.99',
    'X-Amavis-Alert: BANNED 47-11.exe',
    'X-Spamd-Result: default: False [5.00 / 15.00]; DBL_SPAM(6.50)[47-11.example:url];',
  ])('do not stand outside: %s', async (field) => {
    const { sealed, texts } = await seal(lines('From: a@example.org', field, '', 'Hello.'));
    expect(sealed).not.toContain('47-11');
    expect(texts.at(-1)).toBe(`${field}\r\n\r\n`);
  });

  it('are no reason to wrap a message that has none of them', async () => {
    const { sealed } = await seal(
      lines('X-Spam-Status: No, score=-0.1', 'X-Spamd-Result: default: False [0.1 / 15]', '', 'Hello.'),
    );
    expect(sealed).toBe(
      lines(
        'X-Spam-Status: No, score=-0.1',
        'X-Spamd-Result: default: False [0.1 / 15]',
        STATUS_LINE,
        '',
        ...armor(0, 'Charset: us-ascii'),
      ).toString(),
    );
  });

  it.each(corpus().map(({ name, message }) => [name, message] as const))(
    'leave no word outside, change no part and are not sealed twice: %s',
    async (name, message) => {
      const mbox = /^From [^\r\n]*\r?\n/.exec(message.toString('latin1', 0, 1000))?.[0].length ?? 0;
      const eol = message.includes('\r\n') ? '\r\n' : '\n';
      const report = Buffer.from(REPORT.replaceAll('\r\n', eol));
      const scanned = Buffer.concat([message.subarray(0, mbox), report, message.subarray(mbox)]);
      const seal_ = async (each: Buffer) =>
        (await sealInline(each, { ...OPTIONS, keys: [key.recipient] }, encrypt)) ?? Buffer.alloc(0);
      const sealed = await seal_(scanned);
      if (sealed === scanned) {
        expect(detectEncrypted(scanned).encrypted).toBe(true);
        return;
      }
      expect(sealed.includes('47-11')).toBe(false);
      const file = armorsIn(sealed).at(-1) ?? Buffer.alloc(0);
      expect((await decryptWith(key.secret, file)).toString().replaceAll('\r\n', '\n')).toContain(
        REPORT.replaceAll('\r\n', '\n'),
      );
      const count = (each: Buffer) =>
        (readTree(each, 10_000) ?? []).filter(({ kind }) => kind === 'leaf').length;
      expect(count(sealed)).toBe(count(await seal_(message)) + 1);
      const again = await sealInline(sealed, OPTIONS, recordingEncrypt().encrypt);
      // A tree as deep as is read at all is one level deeper beside the file, and its innermost part is sealed as one more leaf.
      expect(again === sealed).toBe(name !== 'nested-150');
    },
  );
});
