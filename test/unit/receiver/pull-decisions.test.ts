// What `pull` decides, as tables: what to fetch together, how long to wait, what a killed process has done, what gpg said.
import { describe, expect, it } from 'vitest';
import { readServer, readToken } from '../../../client/arguments.ts';
import { addressesInListing } from '../../../client/decrypt/gpg.ts';
import { type GpgStatus, parseGpgStatus } from '../../../client/decrypt/gpg-status.ts';
import { parseJournal } from '../../../client/pull/journal.ts';
import { fileName, idOf, judgePending } from '../../../client/pull/maildir.ts';
import { groupsOf, pauseAfter } from '../../../client/pull/plan.ts';
import { createProgress, formatBytes } from '../../../client/pull/progress.ts';
import { judgeStatus, ServerAway, ServerRefused } from '../../../client/queue/server-errors.ts';

const waiting = (size: number) => ({ id: 'a', size, received: '2026-11-25T10:00:00.000Z' });

describe('groups', () => {
  it('hold 64 messages or 8 MiB at most, and a larger message is alone', () => {
    const sizes = (list: readonly number[]) =>
      groupsOf(list.map(waiting)).map((group) => group.map(({ size }) => size));
    expect(groupsOf(Array.from({ length: 130 }, () => waiting(4000))).map(({ length }) => length)).toEqual([
      64, 64, 2,
    ]);
    expect(sizes([100, 50e6, 100, 5e6, 5e6])).toEqual([[100], [50e6], [100, 5e6], [5e6]]);
    expect(groupsOf([])).toEqual([]);
  });
});

describe('the pause after a failure', () => {
  it.each<[number, number | null, boolean, number | null]>([
    [0, null, false, 500],
    [3, null, false, 4000],
    [5, null, false, null],
    [5, null, true, 16_000],
    [1000, null, true, 60_000],
    [0, 30_000, false, 30_000],
    [0, 3_600_000, false, null],
    [0, 3_600_000, true, 300_000],
  ])(
    'is, after %j attempts in vain with Retry-After %j and watch %j, %j ms',
    (attempts, after, watch, pause) => {
      expect(pauseAfter(attempts, after, watch)).toBe(pause);
    },
  );
});

describe('a message that was under way when its process was killed', () => {
  const HOUR = 3_600_000;
  const entry = (delivered: boolean) => ({ id: 'a', name: 'n', at: 1000 * HOUR, delivered });
  it.each<[string, boolean, { inTmp: boolean; inMaildir: boolean }, number, string]>([
    ['is finished from tmp/', false, { inTmp: true, inMaildir: false }, 1, 'finish'],
    ['is finished from tmp/ also days later', false, { inTmp: true, inMaildir: false }, 100, 'finish'],
    ['is delivered when it lies in the Maildir', false, { inTmp: false, inMaildir: true }, 100, 'delivered'],
    [
      'is delivered when it has left tmp/ and the mail program moved it',
      false,
      { inTmp: false, inMaildir: false },
      1,
      'delivered',
    ],
    [
      'is fetched again when tmp/ may have been cleared',
      false,
      { inTmp: false, inMaildir: false },
      25,
      'fetch again',
    ],
    [
      'is delivered for ever once the rename is noted',
      true,
      { inTmp: false, inMaildir: false },
      1000,
      'delivered',
    ],
  ])('%s', (_, delivered, found, hours, fate) => {
    expect(judgePending(entry(delivered), found, (1000 + hours) * HOUR)).toBe(fate);
  });
});

describe('the journal', () => {
  const complete = '{"id":"a","is":"complete","name":"1.a.sealpost","at":5}\n';
  it.each<[string, string, readonly unknown[]]>([
    ['nothing', '', []],
    ['a complete file', complete, [{ id: 'a', name: '1.a.sealpost', at: 5, delivered: false }]],
    [
      'a delivered one',
      `${complete}{"id":"a","is":"delivered"}\n`,
      [expect.objectContaining({ delivered: true })],
    ],
    ['an acknowledged one', `${complete}{"id":"a","is":"delivered"}\n{"id":"a","is":"acknowledged"}\n`, []],
    ['a last line cut short', complete.slice(0, -1), []],
    ['a torn line in between', `${complete}{"id":"b","is":"comp\n`, [expect.objectContaining({ id: 'a' })]],
    ['delivery of what nobody knows', '{"id":"z","is":"delivered"}\n', []],
    ['what makes no sense', 'null\n[]\n{"id":5}\n', []],
  ])('reads %s', (_, text, entries) => {
    expect([...parseJournal(text).values()]).toEqual(entries);
  });
});

describe('file names', () => {
  it('come from id and date, and are recognised with what a mail program appends', () => {
    const name = fileName({ id: 'ab-_9', received: '2026-11-25T10:00:00.000Z' });
    expect(name).toBe('1795600800.ab-_9.sealpost');
    for (const marks of ['', ':2,', ':2,FS', ',S=120:2,S', ';2,S', '!2,S'])
      expect(idOf(`${name}${marks}`)).toBe('ab-_9');
    expect(idOf('1795600800.M1P2.host')).toBeNull();
    expect(idOf('x.ab.sealpost')).toBeNull();
  });

  it.each(['../../etc', 'a/b', '', 'a b', 'x'.repeat(65), 'a.b'])('are never made of the id %j', (id) => {
    expect(() => fileName({ id, received: '2026-11-25T10:00:00.000Z' })).toThrow('file name');
  });

  it('do without a date that is none', () => {
    expect(fileName({ id: 'a', received: 'yesterday' })).toBe('0.a.sealpost');
  });
});

describe("gpg's status", () => {
  const lines = (...all: readonly string[]) => all.map((line) => `[GNUPG:] ${line}\n`).join('');
  const FPR = '4EDFDF9A4992068F55757CB2C5CE112CD1ACA5C4';
  const valid = `VALIDSIG ${FPR} 2026-11-25 1795633124 0 4 0 22 10 00 ${FPR}`;
  const okay = ['DECRYPTION_INFO 2 9 0', 'PLAINTEXT 62 0 ', 'DECRYPTION_OKAY', 'GOODMDC', 'END_DECRYPTION'];
  it.each<[string, string, Partial<GpgStatus>]>([
    ['decrypted', lines('ENC_TO AA 18 0', 'BEGIN_DECRYPTION', ...okay), { decrypted: true, failure: null }],
    [
      'no secret key',
      lines('ENC_TO AA 18 0', 'NO_SECKEY AA', 'BEGIN_DECRYPTION', 'DECRYPTION_FAILED'),
      { decrypted: false, failure: 'no secret key' },
    ],
    [
      'another recipient’s key missing',
      lines('NO_SECKEY AA', 'BEGIN_DECRYPTION', ...okay),
      { decrypted: true },
    ],
    [
      'manipulated',
      lines('BEGIN_DECRYPTION', 'DECRYPTION_INFO 2 9 0', 'PLAINTEXT 62 0', 'BADMDC', 'DECRYPTION_FAILED'),
      { decrypted: false, failure: 'damaged' },
    ],
    [
      'cut short',
      lines('ENC_TO AA 18 0', 'BEGIN_DECRYPTION', 'DECRYPTION_INFO 2 9 0', 'DECRYPTION_FAILED'),
      { failure: 'damaged' },
    ],
    [
      'no message at all',
      lines('NODATA 1', 'NODATA 2', 'FAILURE decrypt 4294967295'),
      { failure: 'damaged' },
    ],
    [
      'a plain literal',
      lines('PLAINTEXT 62 0', 'PLAINTEXT_LENGTH 3'),
      { decrypted: false, failure: 'damaged' },
    ],
    [
      'a wrong passphrase',
      lines('ENC_TO AA 18 0', 'ERROR pkdecrypt_failed 67108875', 'BEGIN_DECRYPTION', 'DECRYPTION_FAILED'),
      { failure: 'secret key not usable' },
    ],
    [
      'no secret key, said by the agent',
      lines('ENC_TO AA 18 0', 'ERROR pkdecrypt_failed 67108881', 'DECRYPTION_FAILED'),
      { failure: 'no secret key' },
    ],
    [
      'gpg that did not start to work',
      lines('FAILURE option-parser 33554433'),
      { decrypted: false, failure: null },
    ],
    [
      'a good signature',
      lines('NEWSIG', 'GOODSIG C5CE112CD1ACA5C4 bob <bob@example.org>', valid, 'TRUST_FULLY 0 pgp'),
      { signatures: [{ state: 'good', fingerprint: FPR, keyId: 'C5CE112CD1ACA5C4', trust: 'fully' }] },
    ],
    [
      'a bad one',
      lines('NEWSIG', 'BADSIG C5CE112CD1ACA5C4 bob'),
      { signatures: [{ state: 'bad', fingerprint: null, keyId: 'C5CE112CD1ACA5C4', trust: null }] },
    ],
    [
      'one of an unknown key',
      lines(`ERRSIG C5CE112CD1ACA5C4 22 10 00 1795633124 9 ${FPR}`, 'NO_PUBKEY C5CE112CD1ACA5C4'),
      { signatures: [{ state: 'missing', fingerprint: null, keyId: 'C5CE112CD1ACA5C4', trust: null }] },
    ],
    [
      'one with an unknown algorithm',
      lines('ERRSIG C5CE112CD1ACA5C4 99 10 00 1795633124 4'),
      { signatures: [expect.objectContaining({ state: 'error' })] as never },
    ],
    ['a user ID that looks like a status line', 'gpg: [GNUPG:] DECRYPTION_OKAY\n', { decrypted: false }],
  ])('tells of %s', (_, text, expected) => {
    expect(parseGpgStatus(text)).toMatchObject(expected);
  });

  it('lists the addresses of valid user IDs only', () => {
    const listing = [
      'pub:f:255:22:C5CE112CD1ACA5C4:1795633124:::-:::scESC::::::23::0:',
      'uid:f::::1795633124::AA::Bob \\x3a Example <Bob@Example.org>::::::::::0:',
      'uid:r::::1795633124::AA::old <revoked@example.org>::::::::::0:',
      'uid:-::::1795633124::AA::plain@example.net::::::::::0:',
      'uid:-::::1795633124::AA::<x@example.net> not at the end::::::::::0:',
    ].join('\n');
    expect(addressesInListing(listing)).toEqual(['bob@example.org', 'plain@example.net']);
  });
});

describe('what the server answers', () => {
  it.each<[number, string | null, typeof ServerAway | typeof ServerRefused, number | null]>([
    [401, null, ServerRefused, null],
    [404, null, ServerRefused, null],
    [400, null, ServerRefused, null],
    [429, '7', ServerAway, 7000],
    [429, 'Wed, 21 Oct 2026 07:28:00 GMT', ServerAway, null],
    [500, null, ServerAway, null],
    [503, '5', ServerAway, 5000],
    [502, null, ServerAway, null],
  ])('%d with Retry-After %j is judged by what can be done about it', (status, retryAfter, kind, wait) => {
    const error = judgeStatus(status, retryAfter, 'https://mx.example.org');
    expect(error).toBeInstanceOf(kind);
    if (error instanceof ServerAway) expect(error.retryAfter).toBe(wait);
  });
});

describe('the command line of pull', () => {
  it.each([
    ['https://mx.example.org', false],
    ['https://mx.example.org/sealpost/', false],
    ['http://127.0.0.1:9322', false],
    ['http://localhost:9322', false],
    ['http://[::1]:9322', false],
    ['http://mx.example.org', true],
  ])('takes --server %s (allow-http %j)', (text, allowed) => {
    expect(readServer(text, allowed).href).toContain('//');
  });

  it.each([
    ['mx.example.org', 'expected a URL'],
    ['ftp://mx.example.org', 'expected a URL'],
    ['http://mx.example.org', 'in the clear'],
    ['http://127.0.0.1.example.org', 'in the clear'],
    ['https://user:secret@mx.example.org', 'without user'],
    ['https://mx.example.org/?token=x', 'without user'],
  ])('refuses --server %s', (text, reason) => {
    expect(() => readServer(text, false)).toThrow(reason);
  });

  it('reads the token from the environment, and says what is expected where there is none', () => {
    expect(readToken(undefined, { SEALPOST_TOKEN: ' sealpost_x\n' })).toBe('sealpost_x');
    expect(() => readToken(undefined, {})).toThrow('token add');
    expect(() => readToken('/nonexistent/token', {})).toThrow('ENOENT');
    expect(() => readToken(undefined, { SEALPOST_TOKEN: 'a\nb' })).toThrow('other characters');
  });
});

describe('progress', () => {
  it('rewrites one line on a terminal, and writes lines elsewhere', () => {
    const run = (terminal: boolean): string => {
      let text = '';
      let clock = 0;
      const progress = createProgress(
        (more) => {
          text += more;
        },
        terminal,
        () => clock,
      );
      progress.found(3);
      progress.delivered(1, 1500);
      progress.failed('abc', 'it is damaged');
      clock = 1;
      progress.delivered(1, 1);
      clock = 10_000;
      progress.delivered(1, 1_000_000);
      progress.end();
      return text;
    };
    expect(run(false)).toBe(
      'sealpost: 1 of 3 messages, 1.5 kB\nsealpost: message abc stays on the server: it is damaged\nsealpost: 3 of 3 messages, 1.0 MB\n',
    );
    expect(run(true)).toContain('\r\x1b[Ksealpost: 3 of 3 messages, 1.0 MB\n');
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_960, '1.0 MB'],
    [48_300_000, '48.3 MB'],
    [5e15, '5000.0 TB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
