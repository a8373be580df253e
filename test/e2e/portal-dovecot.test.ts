// The mailbox password against Debian's Dovecot. What takes its time stands in test/long/portal/dovecot.test.ts.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { askImap, type Credentials, type ImapServer } from '../../portal/sign-in/imap.ts';
import { runProgram } from '../support/child.ts';
import { type LoginDovecot, NAME, startLoginDovecot } from '../support/login-dovecot.ts';
import { repository } from '../support/places.ts';

/** What a line of IMAP, a quoted string, or 7-bit text cannot hold as it is. */
const PASSWORDS = {
  'plain@example.org': 'correct horse',
  'quotes@example.org': '"quoted" \\ and \'single\' {5} %p * "',
  'umlaut@example.org': 'Grüße, naïve Straße €',
  'emoji@example.org': 'pass 🔑 שלום',
  'spaces@example.org': '  leading and trailing  ',
  'signs@example.org': 'a:b$c%u{d}*(e)',
  'literal@example.org': '{3}x+}',
  'long@example.org': 'x'.repeat(900),
} as const;
const PLAIN = 'plain@example.org';

let dovecot: LoginDovecot;
let imaps: ImapServer;
let starttls: ImapServer;

beforeAll(async () => {
  dovecot = await startLoginDovecot(PASSWORDS);
  imaps = { host: '127.0.0.1', port: dovecot.imapsPort, implicitTls: true };
  starttls = { host: '127.0.0.1', port: dovecot.imapPort, implicitTls: false };
});
afterAll(async () => {
  await dovecot?.remove();
});

function of(login: string, password: string): Credentials {
  return { login, password, client: '192.0.2.7' };
}

it.each(Object.entries(PASSWORDS))(
  '%s is let in by the right password, with TLS and STARTTLS',
  async (login, password) => {
    const verdicts = await Promise.all(
      [imaps, starttls].map((server) => askImap(server, of(login, password))),
    );
    expect(verdicts).toEqual(['right', 'right']);
  },
);

it('a wrong password, one that is nearly right, and a user that does not exist are wrong', async () => {
  const tried = [
    of(PLAIN, 'wrong'),
    of(PLAIN, 'correct horse '),
    of(PLAIN, 'CORRECT HORSE'),
    of('quotes@example.org', 'quoted'),
    of('umlaut@example.org', 'Grusse, naive Strasse'),
    of('nobody@example.org', 'correct horse'),
    of('*@example.org', 'correct horse'),
  ];
  const verdicts = await Promise.all(tried.map((credentials) => askImap(imaps, credentials)));
  expect(verdicts).toEqual(tried.map(() => 'wrong'));
});

it('a server whose authority is private is believed where Node.js was told of it, and else no password goes to it', async () => {
  const ask = (environment: Readonly<Record<string, string>>) =>
    runProgram(
      process.execPath,
      [
        '--import',
        join(repository, 'node_modules/tsx/dist/loader.mjs'),
        join(repository, 'test/support/ask-imap.ts'),
      ],
      {
        env: environment,
        stdin: JSON.stringify({
          server: { host: NAME, port: dovecot.imapPort, implicitTls: false },
          credentials: of(PLAIN, PASSWORDS[PLAIN]),
        }),
      },
    );
  const [known, unknown] = await Promise.all([
    ask({ NODE_EXTRA_CA_CERTS: dovecot.authorityFile }),
    ask({ NODE_EXTRA_CA_CERTS: '' }),
  ]);
  expect(known.stdout.toString()).toBe('right');
  expect(unknown.stdout.toString()).toBe('unavailable');
});

it('Dovecot hears whose client asks, and keeps no password in its log', async () => {
  const log = await dovecot.log();
  expect(log).toMatch(/user=<plain@example\.org>.*rip=192\.0\.2\.7/);
  expect(log).not.toContain('correct horse');
});

it('a Dovecot that is away says nothing of the password', async () => {
  await dovecot.stop();
  expect(await askImap(imaps, of(PLAIN, PASSWORDS[PLAIN]))).toBe('unavailable');
  expect(await askImap(starttls, of(PLAIN, 'wrong'))).toBe('unavailable');
});
