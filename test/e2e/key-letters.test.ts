// Keys by mail through the filter itself, over SMTP and LMTP: a letter to keys@ becomes a sealed letter, its token, and sealed mail.
import { decrypt, readMessage } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerExplain } from '../../src/cli/explain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerLookup } from '../../src/cli/lookup.ts';
import { registerUser } from '../../src/cli/user.ts';
import { confirmKey } from '../../src/enrolment/flow.ts';
import { readToken } from '../../src/enrolment/tokens.ts';
import { readSubmissionKey } from '../../src/publishing/submission-key.ts';
import { fingerprintOf, newKey, tokenIn } from '../support/enrolment-stand.ts';
import {
  armored,
  blockIn,
  letter,
  signatureCounts,
  withAutocrypt,
  withFile,
  wksLetter,
} from '../support/key-letters.ts';
import { type MailDoorStand, openMailDoorStand } from '../support/mail-door-stand.ts';
import { textOf } from '../support/trial.ts';

const ALICE = 'alice@example.org';
let stand: MailDoorStand;

beforeAll(async () => {
  stand = await openMailDoorStand([
    registerDomain,
    registerUser,
    registerKey,
    registerAlias,
    registerExplain,
    registerLookup,
  ]);
  for (const name of ['alice', 'bob', 'carol']) await stand.user(name);
});
afterAll(async () => {
  await stand?.close();
});

function post(message: Buffer, recipients?: readonly string[], sender = ALICE, protocol?: 'lmtp' | 'smtp') {
  return stand.post(message, sender, recipients, protocol);
}

describe('a letter to keys@', () => {
  it('becomes a letter sealed to its key, and mail is sealed to the key once that was read', async () => {
    const secret = await newKey('alice');
    const { replies, passed } = await post(withFile(`Alice <${ALICE}>`, armored(secret)));
    expect(replies).toEqual([expect.stringMatching(/^250 2\.0\.0 Ok: the letter was read/)]);
    expect(passed).toEqual([]);
    expect(await stand.trial.json('key', 'list', ALICE)).toMatchObject([]);
    const [answer, ...others] = await stand.round();
    expect(others).toEqual([]);
    expect(answer).toMatchObject({ to: ALICE, sender: '', sealed: true });
    const token = tokenIn((await answer?.text(secret)) ?? '', 'confirm');
    await post(Buffer.from('Subject: before\r\n\r\nplain\r\n'), [ALICE], 'carol@outside.example');
    expect(textOf(stand.hop.sent.at(-1) as never)).toContain('plain');
    const done = await confirmKey(stand.context, token, { client: '192.0.2.1' });
    expect(done).toMatchObject({ ok: true, result: 'active', fingerprint: fingerprintOf(secret) });
    stand.engine.directory.dropAll();
    await post(Buffer.from('Subject: after\r\n\r\nplain\r\n'), [ALICE], 'carol@outside.example');
    expect(textOf(stand.hop.sent.at(-1) as never)).toContain('BEGIN PGP MESSAGE');
    await stand.round();
    // Another key, by whoever it may be: nothing but a letter to the key that is there.
    const other = await newKey('alice');
    await post(withAutocrypt(ALICE, other));
    const [told, ...more] = await stand.round();
    expect(more).toEqual([]);
    expect(told).toMatchObject({
      to: ALICE,
      sealed: true,
      subject: 'A key came by mail, and nothing was changed',
    });
    await expect(told?.text(other)).rejects.toThrow();
    const link = tokenIn((await told?.text(secret)) ?? '', 'sign-in');
    expect(await readToken(stand.context, link)).toMatchObject({ action: 'sign-in', level: 'key' });
    expect(await stand.trial.json('key', 'list', ALICE)).toMatchObject([
      { fingerprint: fingerprintOf(secret) },
    ]);
  });

  it('is read in one transaction with mail to others, and each gets one answer', async () => {
    const secret = await newKey('bob');
    const message = letter({ from: 'bob@example.org', body: ['My key:', armored(secret), 'Bob'] });
    const recipients = ['KEYS+now@example.org', 'carol@example.org'];
    const { replies, passed } = await post(message, recipients, 'Bob+tag@example.org', 'smtp');
    expect(replies).toEqual([expect.stringMatching(/^250 /)]);
    expect(passed).toEqual(['carol@example.org']);
    // The same once more, as after a lost answer: there is no second letter.
    await post(message, recipients, 'bob@example.org', 'smtp');
    expect(await stand.round()).toMatchObject([{ to: 'bob@example.org', sealed: true }]);
  });

  it('answers nobody who did not ask, and changes nothing', async () => {
    const secret = await newKey('carol');
    const carol = 'carol@example.org';
    const silentOnes: readonly (readonly [Buffer, string])[] = [
      [withFile(carol, armored(secret)), ''],
      [withFile(carol, armored(secret)), 'mallory@outside.example'],
      [withFile(carol, armored(secret)), 'bob@example.org'],
      [withFile('mallory@outside.example', armored(secret)), 'mallory@outside.example'],
      [withFile('nobody@example.org', armored(secret)), 'nobody@example.org'],
      [withFile(carol, armored(secret), undefined, ['List-Id: <l.example.org>']), carol],
      [withFile('keys@example.org', armored(secret)), 'keys@example.org'],
      [withAutocrypt(carol, secret, 'bob@example.org'), carol],
      [letter({ from: carol, body: ['How do I send my key?'] }), carol],
      [Buffer.from('no header at all'), carol],
    ];
    for (const [message, sender] of silentOnes) {
      const { replies, passed } = await post(message, ['keys@example.org'], sender);
      expect({ replies, passed }).toEqual({ replies: [expect.stringMatching(/^250 /)], passed: [] });
    }
    expect(await stand.round()).toEqual([]);
  });

  it('is a request of the Web Key Service where a client sends it, and its nonce counts once', async () => {
    await stand.trial.json('domain', 'set', 'example.org', 'wks=on');
    const { secret: submission, certificate } =
      (await readSubmissionKey(stand.trial.config.state_dir, 'example.org')) ?? expect.fail('no key');
    const dora = 'dora@example.org';
    await stand.user('dora');
    const secret = await newKey('dora');
    const inner = `Content-Type: application/pgp-keys\r\n\r\n${armored(secret)}\r\n`;
    await post(await wksLetter(dora, inner, certificate), undefined, dora);
    const [request, ...others] = await stand.round();
    expect(others).toEqual([]);
    expect(request).toMatchObject({ to: dora, sender: '', subject: 'Confirm your key publication' });
    const message = await readMessage({ armoredMessage: blockIn(request?.raw ?? '', 'PGP MESSAGE') });
    const { data } = await decrypt({ message, decryptionKeys: secret });
    const values = Object.fromEntries(
      String(data)
        .split('\n')
        .map((line) => line.split(': ')),
    );
    expect(values).toMatchObject({
      type: 'confirmation-request',
      sender: 'keys@example.org',
      address: dora,
      fingerprint: fingerprintOf(secret),
    });
    expect(request?.raw.replaceAll(/[A-Za-z0-9+/=]{20,}/g, '')).not.toContain(values.nonce);
    expect(await signatureCounts(request?.raw ?? '', submission.toPublic())).toBe(true);
    const response = (nonce: string, address = dora) =>
      letter({
        from: dora,
        fields: ['Content-Type: application/vnd.gnupg.wks', 'Wks-Draft-Version: 3'],
        body: [
          'type: confirmation-response',
          'sender: keys@example.org',
          `address: ${address}`,
          `nonce: ${nonce}`,
        ],
      });
    const keysOf = () => stand.trial.json('key', 'list', dora);
    await post(response('x'.repeat(43)), undefined, dora);
    await post(response(values.nonce ?? '', 'bob@example.org'), undefined, 'bob@example.org');
    expect(await keysOf()).toEqual([]);
    // As gpg-wks-client does where it has the submission key: sealed. The envelope sender is that of whoever calls sendmail.
    const sealed = await wksLetter(dora, response(values.nonce ?? '').toString(), certificate);
    await post(sealed, undefined, 'dora@laptop.outside.example');
    expect(await keysOf()).toMatchObject([{ fingerprint: fingerprintOf(secret) }]);
    expect(await stand.trial.json('user', 'show', dora)).toMatchObject({ publish: 'on' });
    await post(response(values.nonce ?? ''), undefined, dora);
    expect(await stand.round()).toMatchObject([{ to: dora, subject: 'Your mail is sealed from now on' }]);
  });

  it('is told of by explain and by the maps, and belongs to the user of that name', async () => {
    const { sealpost, json } = stand.trial;
    expect((await sealpost('explain', 'keys@example.org')).out).toMatch(/decision {2}take: the key address/);
    expect((await sealpost('lookup', 'check_recipient', 'keys@example.org')).out.trim()).toBe('DUNNO');
    expect((await sealpost('lookup', 'virtual_mailbox', 'Keys@example.org')).out.trim()).toBe('OK');
    expect((await sealpost('lookup', 'virtual_mailbox', 'keyz@example.org')).code).toBe(1);
    await json('user', 'add', 'keys@example.org');
    stand.engine.directory.dropAll();
    const { passed } = await post(withFile('carol@example.org', armored(await newKey('carol'))));
    expect(passed).toEqual(['keys@example.org']);
    expect(await stand.round()).toEqual([]);
    expect((await sealpost('explain', 'keys@example.org')).out).toMatch(/decision {2}pass/);
  });
});
