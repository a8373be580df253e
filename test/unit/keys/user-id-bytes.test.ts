// User IDs that are not UTF-8: their bytes are what is signed.
// @module-tag slow
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMessage } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonical } from '../../../src/keys/canonical.ts';
import { readComponents, write } from '../../../src/keys/components.ts';
import { judgeUpload } from '../../../src/keys/import.ts';
import { mergeCertificates } from '../../../src/keys/merge.ts';
import { createEngine } from '../../../src/openpgp/engine.ts';
import { decryptWith } from '../../support/make-keys.ts';
import { need } from '../../support/needs.ts';
import { type Gpg, openGpg } from './gpg.ts';
import { type HandMade, handMade } from './hand-made.ts';

need('sq', 'gnupg');

const policy = { allowSha1: false };
const latin1 = (text: string) => Buffer.from(text, 'latin1');

let made: HandMade;
let gpg: Gpg;
beforeAll(async () => {
  made = await handMade();
  gpg = openGpg();
});
afterAll(() => gpg.close());

async function certificate(...userIds: readonly Buffer[]): Promise<Buffer> {
  const signed = await Promise.all(userIds.map((each) => made.userId(each)));
  return Buffer.concat([made.primary, ...signed, made.subkey]);
}

describe('a certificate is taken by its address with a user ID', () => {
  const table: readonly (readonly [name: string, userId: Buffer, text: string, address: string])[] = [
    ['in ISO-8859-1', latin1('J\xf6rg <joerg@example.org>'), 'Jörg <joerg@example.org>', 'joerg@example.org'],
    ['with one such letter', latin1('\xe9 <e@example.org>'), 'é <e@example.org>', 'e@example.org'],
    [
      'whose comment is in ISO-8859-1',
      latin1('A (caf\xe9) <a@example.org>'),
      'A (café) <a@example.org>',
      'a@example.org',
    ],
    [
      'cut off within a letter of UTF-8',
      latin1('A \xc3 <a@example.org>'),
      'A Ã <a@example.org>',
      'a@example.org',
    ],
    [
      'of half UTF-8, half ISO-8859-1',
      latin1('\xc3\xb6 \xf6 <a@example.org>'),
      'Ã¶ ö <a@example.org>',
      'a@example.org',
    ],
    ['in Windows-1252', latin1('\x93A\x94 <a@example.org>'), '\x93A\x94 <a@example.org>', 'a@example.org'],
    [
      'in ISO-2022-JP',
      latin1('\x1b$B%F%9%H\x1b(B <j@example.org>'),
      '\x1b$B%F%9%H\x1b(B <j@example.org>',
      'j@example.org',
    ],
    ['in KOI8-R', latin1('\xf7\xc1\xd3\xd1 <v@example.org>'), '÷ÁÓÑ <v@example.org>', 'v@example.org'],
    ['in Shift_JIS', latin1('\x83e\x83X <s@example.org>'), '\x83e\x83X <s@example.org>', 's@example.org'],
    ['with a byte order mark', Buffer.from('\ufeffA <a@example.org>'), 'A <a@example.org>', 'a@example.org'],
    [
      'with an overlong octet pair',
      latin1('\xc0\xaf <o@example.org>'),
      'À¯ <o@example.org>',
      'o@example.org',
    ],
    [
      'with half a surrogate pair',
      latin1('\xed\xa0\x80 <h@example.org>'),
      'í\xa0\x80 <h@example.org>',
      'h@example.org',
    ],
    ['in UTF-8', Buffer.from('Jörg <joerg@example.org>'), 'Jörg <joerg@example.org>', 'joerg@example.org'],
  ];
  it.each(table)('%s', async (_name, userId, text, address) => {
    const [judged] = await judgeUpload(await certificate(userId), policy, Date.now());
    expect(judged).toMatchObject({
      verdict: 'accepted',
      facts: { userIds: [{ text, address, revoked: false, valid: true }] },
    });
    const stored = write(await canonical(judged?.components as never, () => true, policy));
    expect(Buffer.from(stored).includes(userId)).toBe(true);
    const keys = [{ fingerprint: judged?.facts?.fingerprint ?? '', certificate: stored, at: Date.now() }];
    const sealed = await createEngine()({
      plaintext: Buffer.from('for you'),
      keys,
      hideKeyIds: false,
      format: 'binary',
    });
    expect((await readMessage({ binaryMessage: sealed })).getEncryptionKeyIDs()).toHaveLength(1);
    expect((await decryptWith(made.secret, sealed)).toString()).toBe('for you');
  });
});

it('is still a user ID of its own beside one that reads alike', async () => {
  const both = await certificate(latin1('J\xf6rg <j@example.org>'), Buffer.from('Jörg <j@example.org>'));
  const components = await readComponents(both);
  expect(components.users.map(({ packet }) => packet.userID)).toEqual([
    'Jörg <j@example.org>',
    'Jörg <j@example.org>',
  ]);
  const one = await readComponents(await certificate(latin1('J\xf6rg <j@example.org>')));
  const { components: merged } = await mergeCertificates(components, one, policy);
  expect(merged.users.map(({ certifications }) => certifications.length)).toEqual([1, 1]);
});

it('is encrypted to by gpg and sq as it is stored', async () => {
  const [judged] = await judgeUpload(
    await certificate(latin1('J\xf6rg M\xfcller <joerg@example.org>')),
    policy,
    Date.now(),
  );
  const components = judged?.components;
  if (components === null || components === undefined) throw new Error('refused');
  const file = join(gpg.home, 'latin1.pgp');
  writeFileSync(file, write(components));
  try {
    gpg.run(['--import', file]);
    const byGpg = gpg.run(['--trust-model', 'always', '-r', components.fingerprint, '-e'], 'by gpg');
    expect((await decryptWith(made.secret, byGpg)).toString()).toBe('by gpg');
    const help = execFileSync('sq', ['encrypt', '--help']).toString();
    const recipientOption = help.includes('--recipient-cert') ? '--recipient-cert' : '--recipient-file';
    // What sq compresses, OpenPGP.js does not open on Node.js 24, which minds bytes behind the end of a stream.
    const words = ['encrypt', '--compression', 'none', recipientOption, file];
    const bySq = execFileSync('sq', words, { input: 'by sq', stdio: 'pipe' });
    expect((await decryptWith(made.secret, bySq)).toString()).toBe('by sq');
  } finally {
    rmSync(file);
  }
});
