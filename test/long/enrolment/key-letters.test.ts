// Letters to the key address through the real filter: very many, bombs, S/MIME, and GnuPG's own client of the Web Key Service.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerDomain } from '../../../src/cli/domain.ts';
import { registerKey } from '../../../src/cli/key.ts';
import { registerUser } from '../../../src/cli/user.ts';
import { readSubmissionKey } from '../../../src/publishing/submission-key.ts';
import { type Authority, CA_EXTENSIONS, type Issued, openAuthority } from '../../support/authority.ts';
import { runProgram } from '../../support/child.ts';
import { fingerprintOf, newKey } from '../../support/enrolment-stand.ts';
import { armored, letter, withAutocrypt, withFile, wksLetter } from '../../support/key-letters.ts';
import { type MailDoorStand, openMailDoorStand } from '../../support/mail-door-stand.ts';
import { skipWithout } from '../../support/needs.ts';

let authority: Authority;
let trusted: Issued;
let stranger: Issued;
let stand: MailDoorStand;
let home: string;

beforeAll(async () => {
  authority = openAuthority();
  trusted = authority.issue('trusted-ca', { extensions: CA_EXTENSIONS });
  stranger = authority.issue('strange-ca', { extensions: CA_EXTENSIONS });
  stand = await openMailDoorStand(
    [registerDomain, registerUser, registerKey],
    `[smime]\ntrust = [${JSON.stringify(trusted.certificateFile)}]\n`,
  );
  home = mkdtempSync(join(tmpdir(), 'sp-wks-'));
});
afterAll(async () => {
  await runProgram('gpgconf', ['--homedir', home, '--kill', 'all']).catch(() => undefined);
  await stand?.close();
  authority?.close();
  rmSync(home, { recursive: true, force: true });
});

async function keysOf(name: string): Promise<unknown> {
  return stand.trial.json('key', 'list', `${name}@example.org`);
}

async function rowsOf(table: string): Promise<number> {
  const { rows } = await stand.trial.database.pool.query(`SELECT count(*)::int AS count FROM ${table}`);
  return (rows[0] as { readonly count: number }).count;
}

describe('a flood', () => {
  it('of a thousand letters changes nothing, and answers nobody beyond the limit', async () => {
    for (const name of ['anna', 'bert']) await stand.user(name);
    const held = await newKey('bert');
    await stand.trial.json('key', 'import', stand.trial.file('bert.asc', armored(held)), '--yes');
    await stand.round();
    const keys: readonly PrivateKey[] = await Promise.all(['one', 'two', 'three', 'four'].map(newKey));
    const senders = ['anna@example.org', 'bert@example.org', 'nobody@example.org', 'x@outside.example', ''];
    const before = process.memoryUsage().rss;
    for (let count = 0; count < 1000; count += 1) {
      const sender = senders[count % senders.length] ?? '';
      const key = keys[count % keys.length] ?? held;
      const from = sender === '' ? 'anna@example.org' : sender;
      const message = count % 3 === 0 ? withAutocrypt(from, key) : withFile(from, armored(key));
      expect(await stand.post(message, sender)).toEqual({
        replies: [expect.stringMatching(/^250 /)],
        passed: [],
      });
    }
    const letters = await stand.round();
    const to = letters.map((each) => `${each.to}: ${each.subject}`).sort();
    // Two keys wait at most, and the letters of one that is sent again are replaced; what tells of a key comes twice a day.
    expect(to.length).toBeLessThanOrEqual(4);
    expect(letters.every(({ sealed }) => sealed)).toBe(true);
    expect(new Set(letters.map((each) => each.to))).toEqual(
      new Set(['anna@example.org', 'bert@example.org']),
    );
    expect(await keysOf('anna')).toEqual([]);
    expect(await keysOf('bert')).toMatchObject([{ fingerprint: fingerprintOf(held) }]);
    expect(await rowsOf('enrolment_submissions')).toBe(2);
    expect(await rowsOf('deliveries')).toBeLessThanOrEqual(2);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 2 ** 20);
    stand.pass(25 * 3_600_000);
    await stand.round();
    expect(await rowsOf('enrolment_submissions')).toBe(0);
  });

  const bombs: readonly (readonly [string, () => Buffer])[] = [
    ['of 5,000 parts', () => bombOf(Array.from({ length: 5000 }, () => ['--b1', '', 'x']).flat())],
    ['of parts within parts', () => nested(5000)],
    [
      'of a header of 2 MB',
      () => letter({ from: FROM, fields: [`X-Long: ${'a '.repeat(2 ** 20)}`], body: ['x'] }),
    ],
    [
      'of a hundred thousand fields',
      () => letter({ from: FROM, fields: Array(100_000).fill('X: y'), body: ['x'] }),
    ],
    ['of a thousand key blocks', () => letter({ from: FROM, body: Array(1000).fill(BLOCK) })],
    [
      'of key blocks that never end',
      () => letter({ from: FROM, body: Array(20_000).fill('-----BEGIN PGP PUBLIC KEY BLOCK-----') }),
    ],
    [
      'of an Autocrypt field of 1 MB',
      () =>
        letter({
          from: FROM,
          fields: [`Autocrypt: addr=${FROM}; keydata=${'A'.repeat(2 ** 20)}`],
          body: [''],
        }),
    ],
    ['of a file of 20 MB', () => withFile(FROM, Buffer.alloc(15_000_000, 0x99))],
    ['of packets that say they are 4 GB', () => withFile(FROM, Buffer.from('c6ffffffffff', 'hex'))],
    [
      'of a thousand addresses in From',
      () => letter({ from: Array(1000).fill(FROM).join(', '), body: ['x'] }),
    ],
    ['of one signature that is no CMS', () => signedBomb(Buffer.alloc(1_000_000, 0x30))],
  ];
  it.each(bombs)('%s holds up nobody, and changes nothing', async (_what, make) => {
    await stand.user('carl').catch(() => undefined);
    const message = make();
    const running = stand.post(message, FROM);
    const started = performance.now();
    let longest = 0;
    let ended = false;
    void running.finally(() => {
      ended = true;
    });
    while (!ended) {
      const at = performance.now();
      await sleep(5);
      longest = Math.max(longest, performance.now() - at);
    }
    expect(await running).toEqual({ replies: [expect.stringMatching(/^250 /)], passed: [] });
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(longest).toBeLessThan(1500);
    expect(await stand.round()).toEqual([]);
    expect(await keysOf('carl')).toEqual([]);
    // Each of them counts, and the limit of a day is not what is tried here.
    stand.pass(25 * 3_600_000);
  });
});

const FROM = 'carl@example.org';
const BLOCK = '-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nxxxx\r\n-----END PGP PUBLIC KEY BLOCK-----';

function bombOf(body: readonly string[]): Buffer {
  return letter({ from: FROM, fields: ['Content-Type: multipart/mixed; boundary=b1'], body });
}

function nested(depth: number): Buffer {
  const lines = Array.from({ length: depth }, (_, at) => [
    `--b${at}`,
    `Content-Type: multipart/mixed; boundary=b${at + 1}`,
    '',
  ]);
  return letter({ from: FROM, fields: ['Content-Type: multipart/mixed; boundary=b0'], body: lines.flat() });
}

function signedBomb(signature: Buffer): Buffer {
  return letter({
    from: FROM,
    fields: ['Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=b1'],
    body: [
      '--b1',
      '',
      'x',
      '--b1',
      'Content-Type: application/pkcs7-signature',
      'Content-Transfer-Encoding: base64',
      '',
      signature.toString('base64'),
      '--b1--',
    ],
  });
}

describe('a letter that is signed with S/MIME', () => {
  const of = (name: string, issuer: Issued): Issued =>
    authority.issue(name, { issuer, extensions: [`subjectAltName=email:${name}@example.org`] });

  function signed(from: string, by: Issued, ca: Issued): Buffer {
    const files = ['-signer', by.certificateFile, '-inkey', by.keyFile, '-certfile', ca.certificateFile];
    const text = 'Content-Type: text/plain\r\n\r\nMy certificate.\r\n';
    const message = authority.run(['cms', '-sign', '-md', 'sha256', '-crlfeol', ...files], text);
    return Buffer.concat([Buffer.from(`From: ${from}\r\nTo: keys@example.org\r\n`), message]);
  }

  it('brings its certificate, whose own letter goes to its owner', async () => {
    await stand.user('emma');
    await stand.post(signed('emma@example.org', of('emma', trusted), trusted), 'emma@example.org');
    const [answer, ...others] = await stand.round();
    expect(others).toEqual([]);
    expect(answer).toMatchObject({ to: 'emma@example.org', sender: '' });
    expect(answer?.raw).toMatch(/smime-type="?(?:authE|e)nveloped-data/);
    expect(await keysOf('emma')).toEqual([]);
  });

  it.each<[string, () => Buffer]>([
    [
      'by a certificate that nobody vouches for',
      () => signed('fred@example.org', of('fred', stranger), stranger),
    ],
    ['by somebody else', () => signed('fred@example.org', of('gina', trusted), trusted)],
    [
      'and was altered',
      () =>
        Buffer.from(
          signed('fred@example.org', of('fred', trusted), trusted)
            .toString('latin1')
            .replace('My certificate', 'No certificate'),
          'latin1',
        ),
    ],
  ])('%s changes nothing, and is not answered', async (_what, make) => {
    await stand.user('fred').catch(() => undefined);
    expect(await stand.post(make(), 'fred@example.org')).toMatchObject({ passed: [] });
    expect(await stand.round()).toEqual([]);
    expect(await rowsOf('enrolment_submissions')).toBe(1);
  });
});

describe('a revocation', () => {
  it('by a letter counts at once, and every key that could read is told', async () => {
    await stand.user('hans');
    const secret = await newKey('hans');
    await stand.trial.json('key', 'import', stand.trial.file('hans.asc', armored(secret)), '--yes');
    await stand.round();
    const { publicKey } = await import('openpgp').then(({ revokeKey }) =>
      revokeKey({ key: secret, format: 'object' }),
    );
    await stand.post(withFile('hans@example.org', publicKey.armor()), 'hans@example.org');
    expect(await keysOf('hans')).toMatchObject([{ fingerprint: fingerprintOf(secret), revoked: true }]);
    const [told, ...others] = await stand.round();
    expect(others).toEqual([]);
    expect(told).toMatchObject({ to: 'hans@example.org', sealed: true });
    expect(await told?.text(secret)).toContain(fingerprintOf(secret).slice(-16).match(/.{4}/g)?.join(' '));
  });
});

describe('gpg-wks-client', () => {
  it('answers our request by itself, and its answer counts', async (context) => {
    skipWithout(context, 'gpg-wks-client');
    await stand.trial.json('domain', 'set', 'example.org', 'wks=on');
    const ines = 'ines@example.org';
    await stand.user('ines');
    const gpg = (...args: readonly string[]) =>
      runProgram('gpg', ['--homedir', home, '--batch', '--yes', ...args]);
    await gpg('--passphrase', '', '--quick-gen-key', ines, 'default', 'default', '1y');
    const key = (await gpg('--armor', '--export', ines)).stdout.toString('latin1').replace(/\r?\n/g, '\r\n');
    const submission = await readSubmissionKey(stand.trial.config.state_dir, 'example.org');
    if (submission === null) throw new Error('there is no submission key');
    const inside = `Content-Type: application/pgp-keys\r\n\r\n${key}`;
    await stand.post(await wksLetter(ines, inside, submission.certificate), ines);
    const [request] = await stand.round();
    expect(request).toMatchObject({ to: ines, subject: 'Confirm your key publication' });
    writeFileSync(join(home, 'request.eml'), request?.raw.replaceAll('\r\n', '\n') ?? '', 'latin1');
    const client = await runProgram('/usr/lib/gnupg/gpg-wks-client', ['--receive'], {
      stdin: Buffer.from(request?.raw.replaceAll('\r\n', '\n') ?? '', 'latin1'),
      env: { GNUPGHOME: home, LC_ALL: 'C' },
    });
    expect(client.stderr).not.toMatch(/BAD signature|verification failed: Bad/i);
    const answer = client.stdout.toString('latin1').replace(/\r?\n/g, '\r\n');
    expect(answer).toMatch(/^To: keys@example\.org/m);
    expect(await stand.post(Buffer.from(answer, 'latin1'), ines)).toMatchObject({ passed: [] });
    expect(await keysOf('ines')).toMatchObject([{ kind: 'openpgp' }]);
    // Once.
    await stand.round();
    expect(await stand.post(Buffer.from(answer, 'latin1'), ines)).toMatchObject({ passed: [] });
    expect(await stand.round()).toEqual([]);
  });
});
