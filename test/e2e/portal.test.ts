// A person's way through the portal without JavaScript: plain requests, a real database, letters opened with the person's own
// keys, and a clock that is moved. One stand and one person, step by step.
import type { PrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { supportLink } from '../../src/enrolment/sign-in.ts';
import { lackOfChromium } from '../support/chromium.ts';
import { fingerprintOf, newKey } from '../support/enrolment-stand.ts';
import { skipFor } from '../support/needs.ts';
import type { PlainBrowser } from '../support/portal-browser.ts';
import { startChromium } from '../support/portal-chromium.ts';
import { linkIn, openPortalStand, opens, type PortalStand } from '../support/portal-stand.ts';

const ADDRESS = 'ulla@example.org';
const DAY = 86_400_000;

let stand: PortalStand;
let keys: readonly [first: PrivateKey, second: PrivateKey, third: PrivateKey];

beforeAll(async () => {
  stand = await openPortalStand();
  await stand.enrolment.user('ulla');
  keys = [await newKey('ulla'), await newKey('ulla'), await newKey('ulla')];
});
afterAll(async () => {
  await stand?.close();
});

const round = () => stand.enrolment.round();

/** Signs in by a letter; `secret` opens a sealed one. */
async function signedIn(secret?: PrivateKey): Promise<PlainBrowser> {
  const browser = stand.browser();
  await browser.get('/');
  const plain: Readonly<Record<string, string>> = secret === undefined ? { plain: 'yes' } : {};
  expect((await browser.post('/sign-in/letter', { address: ADDRESS, ...plain })).statusCode).toBe(200);
  const link = await linkIn(await round(), 'sign-in', secret);
  await browser.get(link);
  expect((await browser.post(link)).headers.location).toBe('/');
  await browser.get('/');
  return browser;
}

/** Pastes a key, and gives the fields of the page that shows what was understood. */
async function reviewed(browser: PlainBrowser, key: PrivateKey): Promise<{ readonly carried: string }> {
  const { statusCode, body } = await browser.post('/key/paste', { key: key.toPublic().armor() });
  expect(statusCode).toBe(200);
  expect(body).toContain(fingerprintOf(key).replace(/(.{4})(?=.)/g, '$1 '));
  return { carried: /name="carried" value="([^"]+)"/.exec(body)?.[1] ?? '' };
}

/** Follows the link of a new key's letter in a browser that knows nothing. */
async function confirm(key: PrivateKey): Promise<string> {
  const link = await linkIn(await round(), 'confirm', key);
  const browser = stand.browser();
  await browser.get(link);
  return (await browser.post(link)).body;
}

async function expectSealedTo(key: PrivateKey | null): Promise<void> {
  const body = `letter ${Math.random()}`;
  const delivered = await stand.deliver(ADDRESS, body);
  if (key === null) expect(delivered).toContain(body);
  else expect(await opens(key, delivered, body)).toBe(true);
}

describe('a person who never heard of this', () => {
  it('signs in, hands a key over, reads its letter and presses the button: the next mail is sealed', async () => {
    const browser = await signedIn();
    expect((await browser.get('/')).body).toContain('Your mail is not sealed');
    const fields = await reviewed(browser, keys[0]);
    await expectSealedTo(null);
    expect((await browser.post('/key/submit', fields)).headers.location).toBe('/?done=submitted');
    await expectSealedTo(null);
    expect(await confirm(keys[0])).toContain('Your mail is sealed');
    await expectSealedTo(keys[0]);
    expect((await browser.get('/')).body).toMatch(/Your mail is sealed since .* to this key/);
  });

  it('has a test letter sent, which only the key opens', async () => {
    const browser = await signedIn();
    expect((await browser.post('/test-letter')).headers.location).toBe('/?done=test_letter');
    const letters = await round();
    expect(letters.some(({ sealed }) => sealed)).toBe(true);
    const texts = letters.filter(({ sealed }) => sealed).map((letter) => letter.text(keys[0]));
    await expect(Promise.all(texts)).resolves.not.toHaveLength(0);
  });

  it('cannot change the key with the mailbox alone, and can after reading a sealed letter', async () => {
    const thief = await signedIn();
    const refused = await thief.post('/key/submit', {
      ...(await reviewed(thief, keys[1])),
      intent: 'replace',
    });
    expect(refused.statusCode).toBe(403);
    expect(refused.body).toContain('I have lost my key');
    const owner = await signedIn(keys[0]);
    const fields = { ...(await reviewed(owner, keys[1])), intent: 'replace' };
    expect((await owner.post('/key/submit', fields)).headers.location).toBe('/?done=submitted');
    await expectSealedTo(keys[0]);
    expect(await confirm(keys[1])).toContain('Your mail is sealed');
    await expectSealedTo(keys[1]);
  });

  it('who has lost the key waits: mail stays sealed to the old one until the wait is over', async () => {
    const browser = await signedIn();
    const fields = { ...(await reviewed(browser, keys[2])), intent: 'replace' };
    expect((await browser.post('/recovery/start', fields)).headers.location).toBe('/?done=recovery_started');
    expect(await confirm(keys[2])).toContain('when the waiting time is over');
    await expectSealedTo(keys[1]);
    stand.enrolment.pass(6 * DAY);
    await round();
    await expectSealedTo(keys[1]);
    stand.enrolment.pass(1.2 * DAY);
    await round();
    await expectSealedTo(keys[2]);
  });

  it('stops a change that somebody else has asked for', async () => {
    const thief = await signedIn();
    expect((await thief.post('/leave')).statusCode).toBe(403);
    expect((await thief.post('/recovery/start', { kind: 'leave' })).headers.location).toBe(
      '/?done=recovery_started',
    );
    await round();
    const owner = await signedIn(keys[2]);
    expect((await owner.get('/')).body).toContain('A change waits');
    expect((await owner.post('/recovery/stop')).headers.location).toBe('/?done=recovery_stopped');
    stand.enrolment.pass(8 * DAY);
    await round();
    await expectSealedTo(keys[2]);
  });

  it('makes settings stronger with the mailbox, weaker with the key, and sees every change', async () => {
    const browser = await signedIn();
    const stronger = await browser.post('/settings', { kind: 'settings', subject: 'hide' });
    expect(stronger.headers.location).toBe('/settings?done=changed');
    const weaker = await browser.post('/settings', { kind: 'settings', subject: 'keep' });
    expect(weaker.statusCode).toBe(403);
    expect((await browser.post('/devices/add', { name: 'laptop' })).statusCode).toBe(403);
    const owner = await signedIn(keys[2]);
    const added = await owner.post('/devices/add', { name: 'laptop' });
    expect(added.body).toMatch(/sealpost_[\w-]{43}/);
    const { body } = await owner.get('/history');
    expect(body).toContain('The chain is whole');
    expect(body).toContain(fingerprintOf(keys[2]).replace(/(.{4})(?=.)/g, '$1 '));
  });

  it('pauses, goes on, removes the key, begins anew, and leaves', async () => {
    const owner = await signedIn(keys[2]);
    expect((await owner.post('/pause')).headers.location).toBe('/?done=pause');
    await expectSealedTo(null);
    expect((await owner.post('/pause/end')).headers.location).toBe('/?done=pause_ended');
    await expectSealedTo(keys[2]);
    const removed = await owner.post('/key/remove', { fingerprint: fingerprintOf(keys[2]) });
    expect(removed.headers.location).toBe('/key?done=changed');
    await expectSealedTo(null);
    await owner.post('/key/submit', await reviewed(owner, keys[0]));
    await confirm(keys[0]);
    await expectSealedTo(keys[0]);
    const leaving = await signedIn(keys[0]);
    expect((await leaving.post('/leave')).headers.location).toBe('/?done=left');
    await expectSealedTo(null);
    expect((await leaving.get('/')).body).toContain('Your mail is not sealed');
    // The page says that it is sealed: leaving has switched that off.
    await leaving.post('/key/submit', await reviewed(leaving, keys[1]));
    expect(await confirm(keys[1])).toContain('Your mail is sealed');
    await expectSealedTo(keys[1]);
    expect((await leaving.get('/')).body).toContain('Your mail is sealed since');
    expect((await (await signedIn(keys[1])).post('/leave')).headers.location).toBe('/?done=left');
  });

  it('signs in by the mailbox password, and by a link from support; signing out ends the session', async () => {
    const browser = stand.browser();
    await browser.get('/');
    stand.imap = 'right';
    expect((await browser.post('/sign-in/password', { address: ADDRESS, password: 'x' })).statusCode).toBe(
      303,
    );
    expect((await browser.get('/')).body).toContain(ADDRESS);
    const cookie = new Map(browser.cookies);
    expect((await browser.post('/sign-out')).statusCode).toBe(303);
    for (const [name, value] of cookie) browser.cookies.set(name, value);
    expect((await browser.get('/')).body).toContain('Send me a link');
    const { url } = await supportLink(stand.enrolment.context, { address: ADDRESS });
    const helped = stand.browser();
    await helped.get(new URL(url).pathname);
    expect((await helped.post(new URL(url).pathname)).headers.location).toBe('/');
  });
});

it('in Chromium the first page and the first step fit a small screen, and axe-core finds nothing serious', async (context) => {
  skipFor(context, lackOfChromium());
  const chromium = await startChromium(stand, null);
  try {
    const visitor = await chromium.visitor();
    await visitor.open('/');
    expect(await visitor.look('sign in', [360])).toEqual([]);
    stand.imap = 'right';
    await visitor.page.locator('#login').fill(ADDRESS);
    await visitor.page.locator('#password').fill('x');
    await visitor.press('Sign in');
    await visitor.page.getByText('Your mail is not sealed').waitFor();
    expect(await visitor.look('home', [360])).toEqual([]);
  } finally {
    await chromium.close();
  }
});
