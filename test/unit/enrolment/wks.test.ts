import { decrypt, generateKey, type PrivateKey, readMessage } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { composeWksRequest } from '../../../src/enrolment/letters/wks-request.ts';
import { keyPieces } from '../../../src/enrolment/mail/key-pieces.ts';
import { readParts } from '../../../src/enrolment/mail/read-parts.ts';
import { openLetter, responseIn, wksShape } from '../../../src/enrolment/mail/wks-letter.ts';
import { splitMessage } from '../../../src/message/header.ts';
import { createEngine } from '../../../src/openpgp/engine.ts';
import type { SubmissionKey } from '../../../src/publishing/submission-key.ts';
import { blockIn, letter, signatureCounts, wksLetter } from '../../support/key-letters.ts';

const ALICE = 'alice@example.org';
let submission: SubmissionKey;
let alice: PrivateKey;

async function made(email: string): Promise<PrivateKey> {
  const { privateKey } = await generateKey({
    userIDs: [{ email }],
    type: 'ecc',
    curve: 'curve25519Legacy',
    format: 'object',
  });
  return privateKey;
}

beforeAll(async () => {
  const secret = await made('keys@example.org');
  submission = { path: '', secret, certificate: secret.toPublic(), addresses: ['keys@example.org'] };
  alice = await made(ALICE);
});

function response(...lines: readonly string[]): Buffer {
  return letter({ from: ALICE, fields: ['Content-Type: application/vnd.gnupg.wks'], body: lines });
}

describe('a response of the Web Key Service', () => {
  const NONCE = 'n'.repeat(43);
  const whole = [
    'type: confirmation-response',
    'sender: keys@example.org',
    `address: ${ALICE}`,
    `nonce: ${NONCE}`,
  ];

  it.each<[string, readonly string[], boolean]>([
    ['is read', whole, true],
    [
      'is read with spaces behind its values, as GnuPG 2.2 writes them',
      whole.map((line) => `${line}  `),
      true,
    ],
    ['is read in any order', whole.toReversed(), true],
    ['is none without a nonce', whole.slice(0, 3), false],
    ['is none without an address', whole.filter((line) => !line.startsWith('address')), false],
    ['is none where it is the request', whole.map((line) => line.replace('response', 'request')), false],
    ['is none where it is a book', [...whole, ...Array<string>(200).fill('x: 12345678901234567890')], false],
    ['is none where its nonce is', [...whole.slice(0, 3), `nonce: ${'n'.repeat(500)}`], false],
  ])('%s', async (_what, lines, counts) => {
    const message = response(...lines);
    expect(wksShape(splitMessage(message))).toBe('response');
    const parts = await readParts(message);
    expect(parts === null ? 'not read' : responseIn(parts)).toEqual(
      counts ? { address: ALICE, nonce: NONCE } : null,
    );
  });

  it('may be sealed to the submission key, as a key may', async () => {
    const inside = response(...whole).toString('latin1');
    const sealed = await wksLetter(ALICE, inside, submission.certificate);
    expect(wksShape(splitMessage(sealed))).toBe('encrypted');
    const parts = await readParts(sealed);
    const opened = parts === null ? null : await openLetter(parts, submission);
    expect(opened === null ? null : responseIn(opened)).toEqual({ address: ALICE, nonce: NONCE });
    const key = alice.toPublic().armor();
    const withKey = await readParts(
      await wksLetter(ALICE, `Content-Type: application/pgp-keys\r\n\r\n${key}`, submission.certificate),
    );
    const found = withKey === null ? null : await openLetter(withKey, submission);
    expect(found === null ? [] : keyPieces(found).map((bytes) => bytes.toString().trim())).toEqual([
      key.trim(),
    ]);
  });

  it('is not read where it is sealed to another key, is damaged, or is far larger inside', async () => {
    const other = await wksLetter(ALICE, response(...whole).toString('latin1'), alice.toPublic());
    const good = await wksLetter(ALICE, response(...whole).toString('latin1'), submission.certificate);
    const damaged = Buffer.from(
      good.toString('latin1').replace(/\r\n\r\n([A-Za-z0-9+/]{20})/, '\r\n\r\nAAAAAAAAAAAAAAAAAAAA'),
    );
    for (const message of [
      other,
      damaged,
      Buffer.from('Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b--\r\n'),
    ]) {
      const parts = await readParts(message);
      expect(parts === null ? null : await openLetter(parts, submission)).toBeNull();
    }
  });
});

describe('a confirmation request', () => {
  it('holds the nonce for the new key alone, and is signed by the submission key', async () => {
    const fingerprint = alice.getFingerprint().toUpperCase();
    const request = await composeWksRequest(
      {
        sender: 'keys@example.org',
        address: ALICE,
        fingerprint,
        nonce: 'n'.repeat(43),
        keys: [{ fingerprint, certificate: alice.toPublic().write(), at: Date.now() }],
        date: new Date(0),
        id: 'sealpost-0a1b',
      },
      submission.secret,
      createEngine(),
    );
    const text = request.toString('latin1');
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(text).not.toContain('nnnn');
    const { fields } = splitMessage(request);
    expect(
      Object.fromEntries(
        fields.map(({ name, raw }) => [
          name,
          raw
            .toString()
            .slice(name.length + 1)
            .trim(),
        ]),
      ),
    ).toMatchObject({
      from: 'keys@example.org',
      to: ALICE,
      'auto-submitted': 'auto-replied',
      'wks-draft-version': '3',
      'message-id': '<sealpost-0a1b@example.org>',
      date: 'Thu, 01 Jan 1970 00:00:00 +0000',
    });
    expect(await signatureCounts(text, submission.certificate)).toBe(true);
    expect(
      await signatureCounts(text.replace('Your mail program', 'Your male program'), submission.certificate),
    ).toBe(false);
    const message = await readMessage({ armoredMessage: blockIn(text, 'PGP MESSAGE') });
    const { data } = await decrypt({ message, decryptionKeys: alice });
    expect(data).toBe(
      `type: confirmation-request\nsender: keys@example.org\naddress: ${ALICE}\nfingerprint: ${fingerprint}\nnonce: ${'n'.repeat(43)}\n`,
    );
  });
});
