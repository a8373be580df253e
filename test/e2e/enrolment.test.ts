// How a key comes to be used, and how nobody gets in its way unseen: through the flow, the commands and a real PostgreSQL. Letters
// are caught at the next hop and opened with OpenPGP.js. One stand for all.
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { PrivateKey } from 'openpgp';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerRule } from '../../src/cli/rule.ts';
import { registerUser } from '../../src/cli/user.ts';
import { isDatabaseUnavailable } from '../../src/database/errors.ts';
import {
  confirmKey,
  requestChange,
  startRecovery,
  stopByLink,
  stopRecovery,
  submitKey,
  undoByLink,
  withdrawKey,
} from '../../src/enrolment/flow.ts';
import { readHistory, readHome } from '../../src/enrolment/home.ts';
import { outboxState } from '../../src/enrolment/outbox.ts';
import { runOnce } from '../../src/enrolment/run.ts';
import { closeSession, findSession, KEY_LEVEL_MS, SESSION_IDLE_MS } from '../../src/enrolment/sessions.ts';
import { requestSignIn, signIn, supportLink } from '../../src/enrolment/sign-in.ts';
import { forgetEnded } from '../../src/enrolment/timers.ts';
import { readToken } from '../../src/enrolment/tokens.ts';
import type { Asker, Proof } from '../../src/enrolment/types.ts';
import {
  type EnrolmentStand,
  fingerprintOf,
  type Letter,
  newKey,
  openEnrolmentStand,
  PORTAL,
  tokenIn,
  upload,
  withKey,
} from '../support/enrolment-stand.ts';
import { decryptWith } from '../support/make-keys.ts';
import { mail, textOf } from '../support/trial.ts';

const DAY = 86_400_000;
const VISIT = { client: '192.0.2.7', language: 'en' } as const;
let stand: EnrolmentStand;
/** Made once: each costs some time. */
let keys: readonly PrivateKey[];

beforeAll(async () => {
  stand = await openEnrolmentStand([registerDomain, registerUser, registerKey, registerRule]);
  keys = await Promise.all(['one', 'two', 'three'].map(newKey));
});
afterAll(async () => {
  await stand?.close();
});

function key(index: number): PrivateKey {
  const found = keys[index];
  if (found === undefined) throw new Error(`there is no key ${index}`);
  return found;
}

async function only(letters: readonly Letter[]): Promise<Letter> {
  expect(letters.map(({ subject }) => subject)).toHaveLength(1);
  return letters[0] as Letter;
}

/** A user whose first key is in use, enrolled by the mailbox; the letter in the clear comes back. */
async function enrolled(
  name: string,
  secret: PrivateKey,
): Promise<{ readonly asks: (proof?: Proof) => Asker; readonly told: Letter; readonly token: string }> {
  const asks = await stand.user(name);
  expect(await submitKey(stand.context, asks(), upload(secret), 'add')).toMatchObject({ ok: true });
  const token = tokenIn(await (await only(await stand.round())).text(secret), 'confirm');
  expect(await confirmKey(stand.context, token, VISIT)).toMatchObject({ ok: true, result: 'active' });
  return { asks, told: await only(await stand.round()), token };
}

async function fingerprints(asker: Asker): Promise<readonly string[]> {
  return (await readHome(stand.context, asker.userId))?.currentKeys ?? [];
}

/** How many rows wait for something. */
async function rowsLeft(): Promise<number> {
  const { rows } = await stand.trial.database.orm.execute<{ left: string }>(sql`
    SELECT count(*)::text AS left FROM (
      SELECT id FROM enrolment_submissions UNION ALL SELECT id FROM enrolment_letters
      UNION ALL SELECT id FROM enrolment_recoveries UNION ALL SELECT id FROM reader_changes) AS rows`);
  return Number(rows[0]?.left);
}

describe('a key that an administrator hands over with --confirm', () => {
  it('is used once the link in its own letter was followed, and then the next mail is sealed', async () => {
    const { trial, context, engine, hop } = stand;
    await stand.user('alice');
    const file = trial.file('alice.asc', upload(key(0)));
    const added = await trial.json('key', 'add', 'alice@example.org', file, '--confirm', '--language', 'de');
    expect(added).toMatchObject({ fingerprint: fingerprintOf(key(0)), result: 'submitted' });
    expect((await trial.sealpost('key', 'add', 'alice@example.org', file)).code).toBe(2);

    const letter = await only(await stand.round());
    expect(letter).toMatchObject({ to: 'alice@example.org', sender: '', sealed: true });
    expect(letter.raw).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(letter.raw).toMatch(/^From: .*<keys@example\.org>\r$/m);
    expect(letter.raw).toMatch(/^Message-ID: <sealpost-[0-9a-f]{32}@example\.org>\r$/im);
    expect(letter.raw).toMatch(/^Date: /m);
    expect(letter.raw).not.toContain('/confirm/');
    const text = await letter.text(key(0));
    expect(text).toContain('Fingerabdruck');
    const token = tokenIn(text, 'confirm');
    expect(await trial.json('key', 'list', 'alice@example.org')).toEqual([]);
    expect(await readToken(context, token)).toMatchObject({
      action: 'confirm',
      address: 'alice@example.org',
    });

    // Pressed twice at once, and once more.
    const both = await Promise.all([confirmKey(context, token, VISIT), confirmKey(context, token, VISIT)]);
    expect(both.map(({ ok }) => ok).sort()).toEqual([false, true]);
    expect(await confirmKey(context, token, VISIT)).toEqual({ ok: false, because: 'token used' });
    const before = hop.sent.length;
    await engine.deliverer.deliver(mail('Subject: hello\r\n\r\nBody\r\n', 'alice@example.org'));
    const sealed = textOf(hop.sent[before] as (typeof hop.sent)[number]);
    const armor = sealed.slice(sealed.indexOf('-----BEGIN PGP MESSAGE'));
    expect((await decryptWith(key(0), Buffer.from(armor, 'latin1'))).toString()).toContain('Body');
    expect(await stand.round()).toEqual([]);
  });

  it('leaves nothing behind when all is done', async () => {
    expect(await rowsLeft()).toBe(0);
  });
});

describe('a change that an administrator makes', () => {
  it('is told to each key that could read before, by whatever command, sealed to it', async () => {
    const { trial } = stand;
    await stand.user('bob');
    const bob = 'bob@example.org';
    const [old, other] = [key(0), key(1)];
    const files = [old, other].map((each, index) => trial.file(`bob-${index}.asc`, upload(each)));
    const one = fingerprintOf(old);
    const steps: readonly (readonly [readonly string[], RegExp | null])[] = [
      [['key', 'import', files[0] ?? '', '--for', bob, '--yes'], null],
      [['user', 'set', bob, 'subject=hide'], null],
      [['user', 'set', bob, 'subject=keep'], /subject is keep now/],
      [['user', 'set', bob, 'encrypt=off'], /encrypt is off now/],
      [['user', 'set', bob, 'encrypt='], null],
      [['user', 'set', bob, 'forward=bob@outside.example'], /goes to bob@outside\.example/],
      [['rule', 'add', bob, '--action', 'pass', '--sender', '*@shop.example'], /lets some mail through/],
      [['domain', 'set', 'example.org', 'on_expired_key=pass'], /on_expired_key is pass now/],
      [['domain', 'set', 'example.org', 'on_expired_key='], null],
      [
        ['key', 'import', files[1] ?? '', '--for', bob, '--yes', '--replace'],
        /can be read with another key[\s\S]*not sealed with this key any more/,
      ],
    ];
    for (const [words, expected] of steps) {
      await trial.json(...words);
      const letters = (await stand.round()).filter(({ to }) => to === bob);
      expect(letters, words.join(' ')).toHaveLength(expected === null ? 0 : 1);
      if (expected === null) continue;
      const text = await (letters[0] as Letter).text(old);
      expect(text).toMatch(expected);
      expect(text).toMatch(/the administrator \(/);
    }
    // Another owner has it too: that one's mail is another matter.
    await trial.json('key', 'disable', fingerprintOf(other));
    expect(await (await only(await stand.round())).text(other)).toContain(
      'not sealed with this key any more',
    );
    expect(one).not.toBe(fingerprintOf(other));
    const view = (await trial.json('key', 'show', bob)) as readonly { readonly status: string }[];
    expect(view).toMatchObject([{ status: 'disabled' }]);
    // Nobody can read with it, so nobody is told of what comes.
    await trial.json('key', 'enable', fingerprintOf(other));
    expect(await stand.round()).toEqual([]);
  });

  it('is written down with it, also when serve does not run, and is told once by however many nodes', async () => {
    const { trial, context, hop } = stand;
    await trial.json('key', 'remove', fingerprintOf(key(1)), '--yes');
    const before = hop.sent.length;
    await Promise.all([runOnce(context), runOnce(context)]);
    expect(hop.sent).toHaveLength(before + 1);
    expect(await rowsLeft()).toBe(0);
  });
});

describe('a first key', () => {
  it('is told of in the clear, and can be taken back by whoever has the mailbox, for seven days', async () => {
    const { context } = stand;
    const { asks, told, token } = await enrolled('carol', key(0));
    expect(told).toMatchObject({ to: 'carol@example.org', sealed: false });
    const text = await told.text();
    expect(text).toContain('If it was not you');
    const link = tokenIn(text, 'undo');
    // Tokens do one thing only.
    expect(await confirmKey(context, link, VISIT)).toEqual({ ok: false, because: 'token unknown' });
    expect(await undoByLink(context, token, VISIT)).toEqual({ ok: false, because: 'token used' });
    stand.pass(6 * DAY);
    expect(await undoByLink(context, link, VISIT)).toEqual({ ok: true });
    expect(await fingerprints(asks())).toEqual([]);
    // Whoever had the key hears of it.
    expect(await (await only(await stand.round())).text(key(0))).toContain(
      'not sealed with this key any more',
    );
  });

  it('stays when the seven days are over', async () => {
    const { context } = stand;
    const { asks, told } = await enrolled('chris', key(0));
    const link = tokenIn(await told.text(), 'undo');
    stand.pass(7 * DAY + 1);
    expect(await stand.round()).toEqual([]);
    expect(await undoByLink(context, link, VISIT)).toEqual({ ok: false, because: 'token expired' });
    expect((await readHome(context, asks().userId))?.undoUntil).toBeNull();
  });

  it('is the one that was read first, where two were handed over', async () => {
    const { context } = stand;
    const asks = await stand.user('claire');
    const both = [key(0), key(1)];
    await Promise.all(both.map((each) => submitKey(context, asks(), upload(each), 'add')));
    const letters = await stand.round();
    const tokens = await Promise.all(
      both.map(async (each) => {
        const texts = await Promise.all(letters.map((letter) => letter.text(each).catch(() => '')));
        return tokenIn(texts.join(''), 'confirm');
      }),
    );
    const results = await Promise.all(tokens.map((token) => confirmKey(context, token, VISIT)));
    expect(results.map((result) => (result.ok ? result.result : result.because)).sort()).toEqual([
      'active',
      'needs key',
    ]);
    expect(await fingerprints(asks())).toHaveLength(1);
    stand.pass(2 * DAY);
    await stand.round();
    expect(await rowsLeft()).toBe(0);
  });
});

describe('whoever has the mailbox and not the key', () => {
  it('replaces nothing, weakens nothing, and an old proof counts no longer', async () => {
    const { context, trial } = stand;
    const { asks } = await enrolled('dora', key(0));
    const other = upload(key(1));
    expect(await submitKey(context, asks(), other, 'replace')).toEqual({ ok: false, because: 'needs key' });
    const off = { kind: 'settings', settings: { encrypt: false } } as const;
    expect(await requestChange(context, asks(), off)).toEqual({ ok: false, because: 'needs key' });
    expect(await requestChange(context, asks(), { kind: 'settings', settings: { subject: 'hide' } })).toEqual(
      {
        ok: true,
      },
    );
    // By the key; but it is replaced by an administrator while the new one's letter is unread.
    expect(await submitKey(context, asks(withKey(key(0))), other, 'replace')).toMatchObject({ ok: true });
    const token = tokenIn(await (await only(await stand.round())).text(key(1)), 'confirm');
    expect(await fingerprints(asks())).toEqual([fingerprintOf(key(0))]);
    const file = trial.file('dora.asc', upload(key(2)));
    await trial.json('key', 'import', file, '--for', 'dora@example.org', '--yes', '--replace');
    expect(await confirmKey(context, token, VISIT)).toEqual({ ok: false, because: 'needs key' });
    expect(await fingerprints(asks())).toEqual([fingerprintOf(key(2))]);
    await stand.round();
    // The owner of the current one may, though an administrator brought it.
    expect(await submitKey(context, asks(withKey(key(2))), other, 'replace')).toMatchObject({ ok: true });
    const next = tokenIn(await (await only(await stand.round())).text(key(1)), 'confirm');
    expect(await confirmKey(context, next, VISIT)).toMatchObject({ ok: true, result: 'active' });
    expect(await fingerprints(asks())).toEqual([fingerprintOf(key(1))]);
    expect(await (await only(await stand.round())).text(key(2))).toContain('another key');
  });

  it('waits seven days with letters in the clear, while mail stays sealed to the old key', async () => {
    const { context } = stand;
    const { asks } = await enrolled('emil', key(0));
    const wanted = { upload: upload(key(1)), intent: 'replace' } as const;
    expect(await startRecovery(context, asks(), wanted)).toMatchObject({ ok: true });
    expect(await startRecovery(context, asks(), wanted)).toEqual({ ok: false, because: 'recovery runs' });
    const letters = await stand.round();
    expect(letters.map(({ sealed }) => sealed).sort()).toEqual([false, true]);
    const sealed = letters.find((letter) => letter.sealed) as Letter;
    expect(await confirmKey(context, tokenIn(await sealed.text(key(1)), 'confirm'), VISIT)).toMatchObject({
      result: 'waiting',
    });
    const told: number[] = [];
    for (let day = 1; day <= 6; day += 1) {
      stand.pass(DAY);
      if ((await stand.round()).length > 0) told.push(day);
    }
    expect(told).toEqual([3, 6]);
    expect(await fingerprints(asks())).toEqual([fingerprintOf(key(0))]);
    stand.pass(DAY + 60_000);
    expect(await (await only([...(await stand.round()), ...(await stand.round())])).text(key(0))).toContain(
      'another key',
    );
    expect(await fingerprints(asks())).toEqual([fingerprintOf(key(1))]);
    expect(await rowsLeft()).toBe(0);
  });

  it('is stopped by the link; a second stop without the key goes to the administrator, who decides', async () => {
    const { context, trial } = stand;
    const { asks } = await enrolled('fanny', key(0));
    const wanted = { upload: upload(key(1)), intent: 'replace' } as const;
    await startRecovery(context, asks(), wanted);
    const clear = (await stand.round()).find((letter) => !letter.sealed) as Letter;
    const link = tokenIn(await clear.text(), 'stop');
    expect(await stopByLink(context, link, VISIT)).toEqual({ ok: true, result: 'stopped' });
    expect(await stopByLink(context, link, VISIT)).toEqual({ ok: false, because: 'token used' });

    await startRecovery(context, asks(), wanted);
    const again = await stand.round();
    const home = await readHome(context, asks().userId);
    expect(await withdrawKey(context, asks(), home?.submissions[0]?.id ?? 0)).toEqual({ ok: true });
    const administrator = await only(await stand.round());
    expect(administrator.to).toBe('postmaster@example.org');
    expect(await administrator.text()).toContain('sealpost key recovery fanny@example.org --allow');
    expect(await stopRecovery(context, asks())).toEqual({ ok: true, result: 'administrator' });
    stand.pass(20 * DAY);
    // Neither side gets anywhere by waiting; the new key's own letter has expired by now, too.
    await stand.round();
    expect(await fingerprints(asks())).toEqual([fingerprintOf(key(0))]);
    expect(again).toHaveLength(2);
    expect((await trial.sealpost('key', 'recovery', 'fanny@example.org', '--allow')).code).toBe(1);

    await startRecovery(context, asks(), wanted);
    const sealed = (await stand.round()).find((letter) => letter.sealed) as Letter;
    expect(await trial.json('key', 'recovery', 'fanny@example.org', '--allow')).toMatchObject({
      result: 'waiting',
    });
    const token = tokenIn(await sealed.text(key(1)), 'confirm');
    expect(await confirmKey(context, token, VISIT)).toMatchObject({ result: 'active' });
    expect(await fingerprints(asks())).toEqual([fingerprintOf(key(1))]);
    await stand.round();
  });

  it('comes too late where the recovery is stopped at the very moment of its end', async () => {
    const { context } = stand;
    const { asks } = await enrolled('greta', key(0));
    const change = { kind: 'settings', settings: { encrypt: false } } as const;
    await startRecovery(context, asks(), { change });
    for (const days of [0, 3, 3, 0.9]) {
      stand.pass(days * DAY);
      await stand.round();
    }
    stand.pass(0.2 * DAY);
    const [, stopped] = await Promise.all([runOnce(context), stopRecovery(context, asks(withKey(key(0))))]);
    const home = await readHome(context, asks().userId);
    expect(home?.recovery).toBeNull();
    expect(home?.settings.values.encrypt).toBe(stopped.ok);
    await stand.round();
  });
});

describe('signing in', () => {
  const asked = { client: '198.51.100.1', language: 'en', clear: false } as const;

  it('is by a sealed letter at key level, and in the clear at mailbox level', async () => {
    const { context } = stand;
    const { asks } = await enrolled('henry', key(0));
    await requestSignIn(context, { ...asked, address: 'Henry@example.org' });
    const sealed = await only(await stand.round());
    expect(sealed.sealed).toBe(true);
    const token = tokenIn(await sealed.text(key(0)), 'sign-in');
    const opened = await signIn(context, token, VISIT);
    expect(await signIn(context, token, VISIT)).toEqual({ ok: false, because: 'token used' });
    const secret = opened.ok ? opened.secret : '';
    expect(await findSession(context, secret)).toMatchObject({
      address: 'henry@example.org',
      proof: withKey(key(0)),
    });
    await requestSignIn(context, { ...asked, address: 'henry@example.org', clear: true });
    const clear = await only(await stand.round());
    const weak = await signIn(context, tokenIn(await clear.text(), 'sign-in'), VISIT);
    expect(await findSession(context, weak.ok ? weak.secret : '')).toMatchObject({
      proof: { level: 'mailbox' },
    });
    // The proof ends with the key, and with time; the session with idling.
    await requestChange(context, asks(withKey(key(0))), {
      kind: 'remove key',
      fingerprint: fingerprintOf(key(0)),
    });
    expect(await findSession(context, secret)).toMatchObject({ proof: { level: 'mailbox' } });
    stand.pass(SESSION_IDLE_MS + 1);
    expect(await findSession(context, secret)).toBeNull();
    expect(KEY_LEVEL_MS).toBeGreaterThan(SESSION_IDLE_MS);
    await stand.round();
  });

  it('answers alike for nobody, and sends nothing then', async () => {
    const { context } = stand;
    for (const address of [
      'nobody@example.org',
      'nobody@elsewhere.example',
      '@example.org',
      'no address\r\nBcc: x',
      'a'.repeat(10_000),
    ]) {
      expect(await requestSignIn(context, { ...asked, address })).toEqual({ ok: true });
    }
    expect(await stand.round()).toEqual([]);
  });

  it('of a thousand requests for one address sends a few letters, of which the last one counts', async () => {
    const { context } = stand;
    await stand.user('ida');
    let allowed = 0;
    const links: string[] = [];
    for (let request = 0; request < 1000; request += 1) {
      const client = `203.0.113.${request % 250}`;
      const answer = await requestSignIn(context, { ...asked, client, address: 'ida@example.org' });
      if (!answer.ok) {
        expect(answer).toMatchObject({ because: 'limited', retryAt: expect.any(Number) });
        break;
      }
      allowed += 1;
      if (allowed % 10 === 0)
        for (const letter of await stand.round()) links.push(tokenIn(await letter.text(), 'sign-in'));
    }
    expect(allowed).toBe(20);
    expect(links).toHaveLength(2);
    expect(await signIn(context, links[0] ?? '', VISIT)).toEqual({ ok: false, because: 'token unknown' });
    expect(await signIn(context, links[1] ?? '', VISIT)).toMatchObject({ ok: true });
    stand.pass(3_600_001);
    expect(await requestSignIn(context, { ...asked, address: 'ida@example.org' })).toEqual({ ok: true });
    await stand.round();
  });

  it('by a link of support is at mailbox level, and ends when the user is renamed, disabled or removed', async () => {
    const { context, trial } = stand;
    await stand.user('jane');
    const link = async (): Promise<string> => {
      const { url } = await supportLink(context, { address: 'jane@example.org' });
      expect(url.startsWith(`${PORTAL}/sign-in/`)).toBe(true);
      return url.slice(`${PORTAL}/sign-in/`.length);
    };
    const first = await link();
    await trial.json('user', 'set', 'jane@example.org', '--status', 'disabled');
    expect(await signIn(context, first, VISIT)).toEqual({ ok: false, because: 'no user' });
    await trial.json('user', 'set', 'jane@example.org', '--status', 'active');
    const opened = await signIn(context, await link(), VISIT);
    const secret = opened.ok ? opened.secret : '';
    expect(await findSession(context, secret)).toMatchObject({ proof: { level: 'mailbox' } });
    await closeSession(context, secret);
    expect(await findSession(context, secret)).toBeNull();
    const second = await link();
    await trial.json('user', 'rename', 'jane@example.org', 'joan@example.org');
    expect(await signIn(context, second, VISIT)).toEqual({ ok: false, because: 'token unknown' });
    await trial.json('user', 'remove', 'joan@example.org', '--yes');
    expect(await signIn(context, second, VISIT)).toEqual({ ok: false, because: 'token unknown' });
  });
});

describe('a letter', () => {
  it('that the next hop does not take waits and comes later; nothing goes on as if it had been sent', async () => {
    const { context, hop } = stand;
    const asks = await stand.user('karl');
    const answer = hop.answer;
    hop.answer = () => ({ code: 451, enhanced: '4.3.0', text: 'later' });
    await submitKey(context, asks(), upload(key(0)), 'add');
    const refused = await only(await stand.round());
    const dead = tokenIn(await refused.text(key(0)), 'confirm');
    expect((await readHome(context, asks().userId))?.submissions).toMatchObject([{ letterSentAt: null }]);
    hop.answer = answer;
    expect(await stand.round()).toEqual([]);
    stand.pass(31_000);
    const token = tokenIn(await (await only(await stand.round())).text(key(0)), 'confirm');
    expect((await readHome(context, asks().userId))?.submissions).toMatchObject([
      { letterSentAt: expect.any(Number) },
    ]);
    expect(await confirmKey(context, dead, VISIT)).toEqual({ ok: false, because: 'token unknown' });
    expect(await confirmKey(context, token, VISIT)).toMatchObject({ ok: true });
    await stand.round();
  });

  it('that is refused for good stays to be seen, and a recovery whose owner could not be told goes to the administrator', async () => {
    const { context, hop } = stand;
    const { asks } = await enrolled('lena', key(0));
    const answer = hop.answer;
    hop.answer = ({ envelope }) =>
      envelope.recipients[0]?.path === 'lena@example.org'
        ? { code: 550, enhanced: '5.1.1', text: 'no such user' }
        : { code: 250, enhanced: '2.0.0', text: 'Ok' };
    await startRecovery(context, asks(), { change: { kind: 'leave' } });
    await stand.round();
    expect(await outboxState(context)).toEqual({ waiting: 0, given_up: 1 });
    const letters = await stand.round();
    hop.answer = answer;
    expect(letters.map(({ to }) => to)).toEqual(['postmaster@example.org']);
    stand.pass(30 * DAY);
    await stand.round();
    expect((await readHome(context, asks().userId))?.recovery).toMatchObject({ state: 'administrator' });
    expect(await stand.trial.json('key', 'recovery', 'lena@example.org', '--refuse')).toMatchObject({
      result: 'stopped',
    });
    expect(await fingerprints(asks())).toHaveLength(1);
  });

  it('ends with the user who is removed meanwhile', async () => {
    const { context, trial } = stand;
    const asks = await stand.user('mona');
    await submitKey(context, asks(), upload(key(0)), 'add');
    await trial.json('user', 'remove', 'mona@example.org', '--yes');
    expect(await stand.round()).toEqual([]);
    expect(await rowsLeft()).toBe(0);
    expect(await submitKey(context, asks(), upload(key(0)), 'add')).toEqual({
      ok: false,
      because: 'no user',
    });
  });
});

describe('the database', () => {
  it('that is away is a temporary failure, and nothing was done then', async () => {
    const { context } = stand;
    const asks = await stand.user('nora');
    // Nobody listens there.
    const pool = new pg.Pool({ host: '127.0.0.1', port: 1, connectionTimeoutMillis: 5000 });
    const database = { orm: drizzle(pool) };
    const away = { ...context, database };
    for (const attempt of [
      () => submitKey(away, asks(), upload(key(0)), 'add'),
      () => requestSignIn(away, { address: 'nora@example.org', client: '::1', language: 'en', clear: false }),
      () => runOnce(away),
    ]) {
      const error = await attempt().catch((thrown: unknown) => thrown);
      expect(isDatabaseUnavailable(error), String(error)).toBe(true);
    }
    await pool.end();
    expect(await rowsLeft()).toBe(0);
  });

  it('chains the audit of keys: what was edited, taken out or put in between shows', async () => {
    const { context, trial } = stand;
    const { asks } = await enrolled('olga', key(0));
    await requestChange(context, asks(withKey(key(0))), {
      kind: 'remove key',
      fingerprint: fingerprintOf(key(0)),
    });
    const { userId } = asks();
    const history = await readHistory(context, userId);
    expect(history.events.map(({ event, actor }) => `${event} by ${actor}`)).toEqual([
      'removed by portal',
      'added by portal',
    ]);
    expect(history.whole).toBe(true);
    const { orm } = trial.database;
    const forged = async (change: ReturnType<typeof sql>): Promise<boolean> => {
      await orm.execute(sql`ALTER TABLE key_events DISABLE TRIGGER sealpost_append_only`);
      await orm.execute(change);
      const { whole } = await readHistory(context, userId);
      return whole;
    };
    expect(
      await forged(
        sql`UPDATE key_events SET actor = 'somebody' WHERE user_id = ${userId} AND event = 'added'`,
      ),
    ).toBe(false);
    expect(
      await forged(sql`UPDATE key_events SET actor = 'portal' WHERE user_id = ${userId} AND event = 'added'`),
    ).toBe(true);
    expect(await forged(sql`DELETE FROM key_events WHERE user_id = ${userId} AND event = 'added'`)).toBe(
      false,
    );
    await orm.execute(sql`ALTER TABLE key_events ENABLE ALWAYS TRIGGER sealpost_append_only`);
    await stand.round();
  });

  it('keeps nothing of what has ended', async () => {
    const { context, trial } = stand;
    stand.pass(60 * DAY);
    await stand.round();
    await forgetEnded(context);
    const { rows } = await trial.database.orm.execute<{ left: string }>(sql`
      SELECT ((SELECT count(*) FROM enrolment_tokens) + (SELECT count(*) FROM enrolment_limits)
            + (SELECT count(*) FROM portal_sessions))::text AS left`);
    expect(rows[0]?.left).toBe('0');
    expect(await rowsLeft()).toBe(0);
  });
});
