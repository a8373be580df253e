// Attacks on the portal and the flow behind it, over a real database: two browsers, two nodes, a database that goes away, scanners,
// clocks, many names of one mailbox, and who reads a mailbox without having its key. docs/enrolment-attacks.md lists them.
import type { PrivateKey } from 'openpgp';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { addToken, devicesOf } from '../../receiver/queue/tokens.ts';
import { type Database, openDatabase } from '../../src/database/open.ts';
import { requireUser } from '../../src/directory/find.ts';
import {
  confirmKey,
  requestChange,
  resendLetter,
  sendTestLetter,
  startRecovery,
  submitKey,
  withdrawKey,
} from '../../src/enrolment/flow.ts';
import { readHome } from '../../src/enrolment/home.ts';
import { requestSignIn, signIn, supportLink } from '../../src/enrolment/sign-in.ts';
import type { Asker, Proof } from '../../src/enrolment/types.ts';
import { type DatabaseWire, openDatabaseWire } from '../support/database-wire.ts';
import { fingerprintOf, type Letter, newKey, tokenIn, upload, withKey } from '../support/enrolment-stand.ts';
import type { PlainBrowser } from '../support/portal-browser.ts';
import {
  linkIn,
  openPortalStand,
  PORTAL_HOST,
  type PortalNode,
  type PortalStand,
} from '../support/portal-stand.ts';
import { mail, textOf } from '../support/trial.ts';

const DAY = 86_400_000;
const VISIT = { client: '192.0.2.7', language: 'en' } as const;

let stand: PortalStand;
/** The second node's way to the database can be cut. */
let wire: DatabaseWire;
let second: PortalNode;
let database: Database;
let keys: readonly [PrivateKey, PrivateKey];
let clients = 0;

beforeAll(async () => {
  stand = await openPortalStand();
  const { trial, engine } = stand.enrolment;
  wire = await openDatabaseWire(engine.database.pool);
  const over = { ...trial.config, database: { ...trial.config.database, url: wire.url } };
  database = await openDatabase(over, { actor: 'serve' });
  second = await stand.node(database);
  keys = [await newKey('one'), await newKey('two')];
});
afterAll(async () => {
  await second?.server.close();
  await database?.close();
  await wire?.close();
  await stand?.close();
});

const flow = () => stand.enrolment.context;
const round = () => stand.enrolment.round();

/** A client that nobody has counted yet. */
function stranger(node: PortalNode = stand): PlainBrowser {
  clients += 1;
  return node.browser(`203.0.113.${clients}`);
}

/** Posts from a client of its own, with the token of the page in front of it. */
async function posted(path: string, fields: Readonly<Record<string, string>>, node: PortalNode = stand) {
  const browser = stranger(node);
  await browser.get('/');
  return browser.post(path, fields);
}

/** A new user, and the path of a sign-in link that needs no key. */
async function invited(name: string): Promise<string> {
  await stand.enrolment.user(name);
  return invitedAgain(name);
}

async function invitedAgain(name: string): Promise<string> {
  await round();
  await requestSignIn(flow(), asking(`${name}@example.org`));
  return linkIn(await round(), 'sign-in');
}

/** A request for a letter in the clear, from a client that nobody has counted yet. */
function asking(address: string) {
  clients += 1;
  return { address, client: `203.0.113.${clients}`, language: 'en', clear: true } as const;
}

/** Somebody who has signed in. */
async function member(name: string, node: PortalNode = stand): Promise<PlainBrowser> {
  const link = await invited(name);
  const browser = stranger(node);
  await browser.get(link);
  expect((await browser.post(link)).headers.location).toBe('/');
  await browser.get('/');
  return browser;
}

/** A user whose mail is sealed to a key. @returns who asks */
async function sealed(name: string, secret = keys[0]): Promise<(proof?: Proof) => Asker> {
  const { link, asks } = await handedOver(name, secret);
  expect(await confirmKey(flow(), tokenOf(link), VISIT)).toMatchObject({ result: 'active' });
  await round();
  return asks;
}

const tokenOf = (link: string) => link.split('/').at(-1) ?? '';

/** The path of the link that confirms a key which somebody has just handed over. */
async function handedOver(
  name: string,
  secret = keys[0],
): Promise<{ readonly link: string; readonly asks: (proof?: Proof) => Asker }> {
  const asks = await stand.enrolment.user(name);
  await round();
  await submitKey(flow(), asks(), upload(secret), 'add');
  return { link: await linkIn(await round(), 'confirm', secret), asks };
}

const TABLES = [
  'users',
  'keys',
  'key_events',
  'enrolments',
  'enrolment_letters',
  'enrolment_recoveries',
  'enrolment_submissions',
  'enrolment_tokens',
  'portal_sessions',
  'reader_changes',
] as const;

/** A hash of all rows of each table that the portal writes to; limits are counted whatever happens. */
async function rows(): Promise<Readonly<Record<string, string>>> {
  const { pool } = stand.enrolment.engine.database;
  const found: Record<string, string> = {};
  for (const table of TABLES) {
    const { rows: hashes } = await pool.query<{ hash: string }>(
      `SELECT coalesce(md5(string_agg(each::text, ' ' ORDER BY each::text)), '') AS hash FROM ${table} AS each`,
    );
    found[table] = hashes[0]?.hash ?? '';
  }
  return found;
}

/** The statements that some work sends to the database, in order. */
async function statements(work: () => Promise<unknown>): Promise<readonly string[]> {
  const spy = vi.spyOn(pg.Client.prototype, 'query');
  try {
    await work();
    return spy.mock.calls
      .map(([query]: readonly unknown[]) =>
        typeof query === 'string' ? query : ((query as { text?: string } | undefined)?.text ?? ''),
      )
      .filter((text) => !text.includes('set_config'));
  } finally {
    spy.mockRestore();
  }
}

const keysOf = async ({ userId }: Asker) => (await readHome(flow(), userId))?.currentKeys;

describe('two browsers, and two nodes with one database', () => {
  it('sign one of two in who press the same link at once', async () => {
    const link = await invited('anna');
    const browsers = [stranger(stand), stranger(second)];
    for (const browser of browsers) await browser.get(link);
    const answers = await Promise.all(browsers.map((browser) => browser.post(link)));
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([303, 410]);
    const homes = await Promise.all(browsers.map((browser) => browser.get('/')));
    expect(homes.filter(({ body }) => body.includes('anna@example.org'))).toHaveLength(1);
  });

  it('confirm a key once that is confirmed at both at once', async () => {
    const { link, asks } = await handedOver('amos');
    const browsers = [stranger(stand), stranger(second)];
    for (const browser of browsers) await browser.get(link);
    const answers = await Promise.all(browsers.map((browser) => browser.post(link)));
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 410]);
    expect(await keysOf(asks())).toEqual([fingerprintOf(keys[0])]);
    expect((await round()).map(({ subject }) => subject)).toHaveLength(1);
  });

  it('know each other’s links and sessions, and end them for both', async () => {
    const link = await invited('alma');
    const browser = stranger(second);
    await browser.get(link);
    expect((await browser.post(link)).statusCode).toBe(303);
    // The same cookies at the other node.
    const there = stranger(stand);
    for (const [name, value] of browser.cookies) there.cookies.set(name, value);
    expect((await there.get('/')).body).toContain('alma@example.org');
    expect((await there.post(link)).statusCode).toBe(410);
    const again = await member('alma2', second);
    expect((await there.post('/sign-out')).statusCode).toBe(303);
    expect((await browser.get('/')).body).toContain('Send me a link');
    expect((await again.get('/')).body).toContain('alma2@example.org');
  });

  it('count limits together, also at the same moment', async () => {
    await stand.enrolment.user('arno');
    const asked = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        requestSignIn((index % 2 === 0 ? stand : second).context.flow, {
          address: 'arno@example.org',
          client: '198.51.100.44',
          language: 'en',
          clear: false,
        }),
      ),
    );
    expect(asked.filter(({ ok }) => ok)).toHaveLength(5);
    await round();
  });
});

describe('a database that goes away', () => {
  it.for(['sign-in', 'confirm'] as const)(
    'between the page and the button of %s: a page says so, nothing is half-written, and the link counts afterwards',
    async (action) => {
      const link = action === 'sign-in' ? await invited('bert') : (await handedOver('bodo')).link;
      const browser = stranger(second);
      await browser.get(link);
      const before = await rows();
      wire.cut();
      const away = await browser.post(link);
      expect([away.statusCode, away.headers['retry-after']]).toEqual([503, '5']);
      expect(away.headers['content-type']).toContain('text/html');
      expect(away.body).toContain('try again in a few moments');
      expect(await rows()).toEqual(before);
      wire.mend();
      expect((await browser.post(link)).statusCode).toBe(action === 'sign-in' ? 303 : 200);
      await round();
    },
  );

  it.for([
    ['update "enrolment_tokens"', 'before its token is used up'],
    ['insert into "keys"', 'when its token is used up'],
    ['COMMIT', 'when all is done but the end'],
  ] as const)(
    'in the middle of a confirmation, at %s: it was none, and can be made again',
    async ([words]) => {
      const name = `cora${words.length}`;
      const { link, asks } = await handedOver(name);
      const browser = stranger(second);
      await browser.get(link);
      const before = await rows();
      wire.cutAt(words, 'before');
      expect((await browser.post(link)).statusCode).toBe(503);
      wire.mend();
      expect(await rows()).toEqual(before);
      expect((await browser.post(link)).statusCode).toBe(200);
      expect(await keysOf(asks())).toEqual([fingerprintOf(keys[0])]);
      await round();
    },
  );

  it('with the answer to its COMMIT: all of it is done, and pressing again says that the link was used', async () => {
    const { link, asks } = await handedOver('dana');
    const browser = stranger(second);
    await browser.get(link);
    wire.cutAt('COMMIT', 'after');
    expect((await browser.post(link)).statusCode).toBe(503);
    wire.mend();
    expect(await keysOf(asks())).toEqual([fingerprintOf(keys[0])]);
    expect((await browser.post(link)).statusCode).toBe(410);
    expect(await round()).toHaveLength(1);
  });

  it('while somebody leaves takes neither the keys nor the sealing alone', async () => {
    const asks = await sealed('doris');
    const away = { ...flow(), database };
    const before = await rows();
    wire.cutAt('update "users"', 'before');
    await expect(requestChange(away, asks(withKey(keys[0])), { kind: 'leave' })).rejects.toThrow();
    wire.mend();
    expect(await rows()).toEqual(before);
  });
});

describe('a scanner of links', () => {
  it('changes nothing, however often it follows each link of every letter', async () => {
    const { link, asks } = await handedOver('emma');
    const scan = async (path: string) => {
      const before = await rows();
      const scanner = stranger();
      for (let time = 0; time < 3; time += 1) {
        const { statusCode, headers, body } = await scanner.get(path);
        expect(statusCode, path).toBe(200);
        // Neither kept by a cache nor told to another site, nor shown in a frame.
        expect(headers).toMatchObject({
          'cache-control': 'no-store',
          'referrer-policy': 'same-origin',
          'x-frame-options': 'DENY',
        });
        expect(body).not.toMatch(/https?:|<script|src="\/\//i);
      }
      const head = { method: 'HEAD', url: path, headers: { host: PORTAL_HOST } } as const;
      expect((await stand.server.inject(head)).statusCode).toBe(405);
      // One that presses buttons without having the page's cookie.
      expect((await stranger().post(path)).statusCode).toBe(403);
      expect(await rows()).toEqual(before);
    };
    await scan(link);
    await confirmKey(flow(), tokenOf(link), VISIT);
    await scan(await linkIn(await round(), 'undo'));
    await startRecovery(flow(), asks(), { change: { kind: 'leave' } });
    await scan(await linkIn(await round(), 'stop'));
    await scan(await invitedAgain('emma'));
  });
});

describe('who asks whether an address is known', () => {
  /** A name that somebody has, and one of the same form that nobody has. */
  const PAIRS = [
    ['finn', 'nobody'],
    ['FINN', 'NOBODY'],
    ['gone', 'nobody'],
    ['finn+news', 'nobody+news'],
    ['finns.alias', 'nobody.alias'],
  ] as const;

  beforeAll(async () => {
    const { trial, user } = stand.enrolment;
    await user('finn');
    await user('gone');
    await trial.json('user', 'set', 'gone@example.org', '--status', 'disabled');
    await trial.json('alias', 'add', 'finns.alias@example.org', 'finn@example.org');
  });

  it.for(PAIRS)(
    'learns nothing by the time of a letter: the database is asked the same for %s and %s',
    async ([known, unknown]) => {
      const asked = (name: string) => statements(() => requestSignIn(flow(), asking(`${name}@example.org`)));
      const texts = await asked(known);
      expect(texts.length).toBeGreaterThan(8);
      expect(await asked(unknown)).toEqual(texts);
      // COMMIT waits for the disk in both: each transaction has something to write, whoever is asked for.
      const inside = texts.slice(texts.findIndex((text) => /^begin/i.test(text)));
      expect(inside[1]).toContain('insert into "enrolment_limits"');
      await round();
    },
  );

  it('learns nothing by the time of a password: the database is asked the same, and the mail server once', async () => {
    const asked = async (name: string) => {
      const browser = stranger();
      await browser.get('/');
      const fields = { address: `${name}@example.org`, password: 'guess' };
      return statements(() => browser.post('/sign-in/password', fields));
    };
    stand.asked.length = 0;
    const texts = await asked('finn');
    expect(texts.length).toBeGreaterThan(4);
    for (const name of ['gone', 'nobody', 'finns.alias']) expect(await asked(name), name).toEqual(texts);
    expect(stand.asked.map(({ password }) => password === 'guess')).toEqual([true, false, false, true]);
  });

  it('learns nothing by limits: each spelling of a name counts, whether anybody has it or not', async () => {
    const spellings = (name: string) => [
      `${name}@example.org`,
      `${name.toUpperCase()}@EXAMPLE.ORG`,
      `<${name}@example.org>`,
      `"${name}"@example.org`,
      `${name}+a@example.org`,
      `${name}+b@example.org.`,
    ];
    for (const name of ['frieda', 'nobody.else']) {
      if (name === 'frieda') await stand.enrolment.user(name);
      const tries = Array.from({ length: 12 }, (_, index) => spellings(name)[index % 6] ?? '');
      const answers = await Promise.all(
        tries.map((address) => posted('/sign-in/password', { address, password: 'guess' })),
      );
      const codes = answers.map(({ statusCode }) => statusCode).sort();
      expect(codes, name).toEqual([...Array<number>(10).fill(403), 429, 429]);
    }
  });

  it('has no more letters sent to a mailbox by writing its name in many ways', async () => {
    await stand.enrolment.user('fritz');
    let allowed = 0;
    for (let index = 0; index < 30; index += 1) {
      const address = index % 2 === 0 ? `fritz+${index}@example.org` : `"Fritz"@example.org`;
      const { ok } = await requestSignIn(flow(), asking(address));
      allowed += ok ? 1 : 0;
    }
    expect(allowed).toBe(20);
    await round();
  });

  it('guesses the password of a mailbox no faster by its other names, and is not told whose they are', async () => {
    const { trial, user } = stand.enrolment;
    await user('flora');
    for (const alias of ['flora.a', 'flora.b'])
      await trial.json('alias', 'add', `${alias}@example.org`, 'flora@example.org');
    stand.asked.length = 0;
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        posted('/sign-in/password', {
          address: `flora.${index % 2 === 0 ? 'a' : 'b'}@example.org`,
          password: 'guess',
        }),
      ),
    );
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array<number>(16).fill(403));
    expect(stand.asked.filter(({ password }) => password === 'guess')).toHaveLength(10);
    // Her own name is not used up by that.
    stand.imap = 'right';
    const own = await posted('/sign-in/password', { address: 'flora@example.org', password: 'hers' });
    stand.imap = 'wrong';
    expect(own.statusCode).toBe(303);
  });

  it.for([
    'ﬁnn@example.org',
    'fınn@example.org',
    'fіnn@example.org',
    'ｆｉｎｎ@example.org',
    'finn@еxample.org',
    'finn@example.org@evil.test',
    'finn%evil.test@example.org',
    'finn@example.org.evil.test',
    'finn\u200b@example.org',
    '"finn@evil.test"@example.org',
  ])('gets no letter sent to anybody but the owner by a look-alike such as %s', async (address) => {
    expect(await requestSignIn(flow(), asking(address))).toEqual({ ok: true });
    const letters = await round();
    for (const { to } of letters) expect(to).toBe('finn@example.org');
    expect(letters.length).toBeLessThanOrEqual(1);
  });

  it('signs nobody in as somebody else by the mail server’s syntax for a master user', async () => {
    const logins = [
      'finn*master@example.org',
      'finn@example.org*master',
      'finn\\@example.org',
      '"finn" "m"@example.org',
    ];
    stand.asked.length = 0;
    stand.imap = 'right';
    const answers = await Promise.all(
      logins.map((address) => posted('/sign-in/password', { address, password: 'of the master' })),
    );
    stand.imap = 'wrong';
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([403, 403, 403, 403]);
    expect(stand.asked.filter(({ password }) => password === 'of the master')).toEqual([]);
  });
});

describe('who reads a mailbox without having its key', () => {
  it('makes no pause of the owner last', async () => {
    const { trial, pass } = stand.enrolment;
    // Sealing is off but for her.
    await trial.json('domain', 'add', 'apart.example');
    await trial.json('domain', 'set', 'apart.example', 'encrypt=off');
    await trial.json('user', 'add', 'gina@apart.example');
    await trial.json('user', 'set', 'gina@apart.example', 'encrypt=on');
    const { user } = await requireUser(trial.database.orm, 'gina@apart.example');
    const asks = (proof: Proof): Asker => ({ userId: user.id, proof, name: 'portal', language: null });
    const file = trial.file('gina.asc', upload(keys[0]));
    await trial.json('key', 'import', file, '--for', 'gina@apart.example', '--yes');
    const pause = { kind: 'pause', until: flow().now() + DAY } as const;
    expect(await requestChange(flow(), asks(withKey(keys[0])), pause)).toEqual({ ok: true });
    for (const encrypt of [false, null]) {
      const change = { kind: 'settings', settings: { encrypt } } as const;
      expect(await requestChange(flow(), asks({ level: 'mailbox' }), change)).toEqual({
        ok: false,
        because: 'needs key',
      });
    }
    pass(DAY + 1);
    await round();
    expect((await readHome(flow(), user.id))?.settings.values.encrypt).toBe(true);
  });

  it('takes back no key that was handed over by the key, nor one that an administrator has allowed', async () => {
    const asks = await sealed('gerd');
    await submitKey(flow(), asks(withKey(keys[0])), upload(keys[1]), 'replace');
    const id = async () => (await readHome(flow(), asks().userId))?.submissions[0]?.id ?? 0;
    const refused = { ok: false, because: 'needs key' };
    expect(await withdrawKey(flow(), asks(), await id())).toEqual(refused);
    // Nor is it made to wait for a week.
    const lost = { upload: upload(keys[1]), intent: 'replace' } as const;
    expect(await startRecovery(flow(), asks(), lost)).toEqual(refused);
    expect(await withdrawKey(flow(), asks(withKey(keys[0])), await id())).toEqual({ ok: true });
    expect(await startRecovery(flow(), asks(), lost)).toMatchObject({ ok: true });
    await round();
    const { trial } = stand.enrolment;
    await trial.json('key', 'recovery', 'gerd@example.org', '--allow');
    expect(await withdrawKey(flow(), asks(), await id())).toEqual(refused);
    expect(await submitKey(flow(), asks(), upload(keys[1]), 'replace')).toEqual(refused);
    await round();
  });

  it('uses up no limit of the owner’s, nor one of the administrator’s', async () => {
    const asks = await sealed('georg');
    const thief = { ...asks(), client: '203.0.113.200' };
    const owner = { ...asks(), client: '203.0.113.201' };
    const lost = { upload: upload(keys[1]), intent: 'replace' } as const;
    for (let time = 0; time < 21; time += 1) await submitKey(flow(), thief, Buffer.from('no key'), 'add');
    expect(await startRecovery(flow(), thief, lost)).toMatchObject({ because: 'limited' });
    for (let time = 0; time < 31; time += 1) await sendTestLetter(flow(), thief);
    expect(await sendTestLetter(flow(), thief)).toMatchObject({ because: 'limited' });
    const byKey = { ...asks(withKey(keys[0])), client: thief.client };
    expect(await submitKey(flow(), byKey, upload(keys[1]), 'replace')).toMatchObject({ ok: true });
    const file = stand.enrolment.trial.file('georg.asc', upload(keys[1]));
    await stand.enrolment.trial.json('key', 'add', 'georg@example.org', file, '--confirm', '--replace');
    const { submissions = [] } = (await readHome(flow(), owner.userId)) ?? {};
    await withdrawKey(flow(), byKey, submissions[0]?.id ?? 0);
    expect(await startRecovery(flow(), owner, lost)).toMatchObject({ ok: true });
    await round();
  });

  it('cannot touch what is somebody else’s by its number', async () => {
    const owner = await handedOver('gesa');
    const eve = (await stand.enrolment.user('gustav'))();
    const { userId } = owner.asks();
    const submission = (await readHome(flow(), userId))?.submissions[0]?.id ?? 0;
    expect(submission).toBeGreaterThan(0);
    for (const take of [withdrawKey, resendLetter])
      expect(await take(flow(), eve, submission)).toEqual({ ok: false, because: 'nothing there' });
    const { pool } = stand.enrolment.engine.database;
    const { id } = await addToken(pool, userId, 'laptop');
    const browser = await member('gudrun');
    expect((await browser.post('/devices/revoke', { device: String(id) })).statusCode).toBe(409);
    expect(await devicesOf(pool, userId, 10)).toHaveLength(1);
  });

  it('ends no link of support by asking for a letter', async () => {
    await stand.enrolment.user('greta');
    const { url } = await supportLink(flow(), { address: 'greta@example.org' });
    await invitedAgain('greta');
    expect(await signIn(flow(), tokenOf(url), VISIT)).toMatchObject({ ok: true });
  });
});

describe('a recovery', () => {
  it('sends no letter that only the lost key opens, and the mail itself stays sealed to it', async () => {
    const [lost, found] = keys;
    const asks = await sealed('hanna', lost);
    await startRecovery(flow(), asks(), { upload: upload(found), intent: 'replace' });
    const letters: Letter[] = [...(await round())];
    for (const days of [3, 3]) {
      stand.enrolment.pass(days * DAY);
      letters.push(...(await round()));
    }
    await requestSignIn(flow(), asking('hanna@example.org'));
    const hers = [...letters, ...(await round())].filter(({ to }) => to === 'hanna@example.org');
    expect(hers.map(({ sealed: isSealed }) => isSealed).sort()).toEqual([false, false, false, false, true]);
    for (const letter of hers) {
      if (!letter.sealed) continue;
      await expect(letter.text(lost)).rejects.toThrow();
      expect(tokenIn(await letter.text(found), 'confirm')).not.toBe('');
    }
    const delivered = await stand.deliver('hanna@example.org', 'a secret');
    expect(delivered).not.toContain('a secret');
  });

  it('lets no mail through the filter in the clear that looks like a letter of ours', async () => {
    await sealed('heidi');
    const { engine, hop } = stand.enrolment;
    const before = hop.sent.length;
    const imitation = [
      'From: Your mail server (keys) <keys@example.org>',
      'To: heidi@example.org',
      'Auto-Submitted: auto-generated',
      'Message-ID: <sealpost-0123456789abcdef0123456789abcdef@example.org>',
      'Subject: A change waits',
      '',
      'in the clear',
      '',
    ].join('\r\n');
    await engine.deliverer.deliver(mail(imitation, 'heidi@example.org', ''));
    const [request] = hop.sent.slice(before);
    expect(request === undefined ? 'in the clear' : textOf(request)).not.toContain('in the clear');
  });
});

describe('a flood', () => {
  it('of one client is stopped before the database hears of it, also for pages that are not there', async () => {
    const browser = stranger();
    browser.cookies.set('__Host-sealpost-session', 'x'.repeat(43));
    const codes = new Map<number, number>();
    const asked = await statements(async () => {
      for (let request = 0; request < 400; request += 1) {
        const { statusCode } = await browser.get(request % 2 === 0 ? '/nothing' : '/key');
        browser.cookies.set('__Host-sealpost-session', 'x'.repeat(43));
        codes.set(statusCode, (codes.get(statusCode) ?? 0) + 1);
      }
    });
    expect(Object.fromEntries(codes)).toEqual({ 303: 150, 404: 150, 429: 100 });
    expect(asked).toHaveLength(300);
  });

  it('of addresses leaves few rows behind, and ends with the client’s limit', async () => {
    const { pool } = stand.enrolment.engine.database;
    const counted = async () => {
      const { rows: found } = await pool.query<{ count: number }>(
        'SELECT count(*)::int FROM enrolment_limits',
      );
      return found[0]?.count ?? 0;
    };
    const before = await counted();
    const browser = stranger();
    await browser.get('/');
    const token = browser.token();
    const answers = await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        browser.post('/sign-in/letter', { address: `nobody${index}@example.org`, _csrf: token }),
      ),
    );
    expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(30);
    expect((await counted()) - before).toBeLessThanOrEqual(1 + 2 * 30);
  });

  it('of keys to look at is stopped for one user', async () => {
    const browser = await member('ilse');
    const codes = await Promise.all(
      Array.from({ length: 70 }, () => browser.post('/key/paste', { key: 'no key' })),
    );
    expect(codes.filter(({ statusCode }) => statusCode === 429)).toHaveLength(10);
  });

  it('of parts or fields in an upload is cut off', async () => {
    const browser = await member('ines');
    const boundary = 'of-the-test';
    const parts = Array.from(
      { length: 2000 },
      (_, index) => `--${boundary}\r\nContent-Disposition: form-data; name="f${index}"\r\n\r\nx\r\n`,
    );
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const send = (type: string, payload: string) =>
      stand.server.inject({
        method: 'POST',
        url: type.startsWith('multipart') ? '/key/upload' : '/key/paste',
        headers: { host: PORTAL_HOST, 'content-type': type, cookie, 'x-forwarded-for': '203.0.113.250' },
        payload,
      });
    const many = await send(
      `multipart/form-data; boundary=${boundary}`,
      `${parts.join('')}--${boundary}--\r\n`,
    );
    expect(many.statusCode).toBe(413);
    const fields = Array.from({ length: 60_000 }, (_, index) => `f${index}=`).join('&');
    expect((await send('application/x-www-form-urlencoded', fields)).statusCode).toBe(403);
  });
});
