// A person's whole way through the portal in Debian's Chromium, every page looked at by axe-core at 360 and 1280 px, light and dark;
// letters are opened with gpg. $SEALPOST_PICTURES names a folder for screenshots.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lackOfChromium } from '../../support/chromium.ts';
import { createGpgHome, type GpgHome, makeKey, type TestKey } from '../../support/keys.ts';
import { skipFor } from '../../support/needs.ts';
import { type ChromiumStand, startChromium, type Visitor } from '../../support/portal-chromium.ts';
import { openPortalStand, PORTAL_HOST, type PortalStand } from '../../support/portal-stand.ts';

const ADDRESS = 'ulla@example.org';
const DAY = 86_400_000;

let stand: PortalStand;
let chromium: ChromiumStand;
let gpg: GpgHome;
let keys: readonly TestKey[];
const lacking = lackOfChromium();

beforeAll(async () => {
  if (lacking !== null) return;
  stand = await openPortalStand();
  await stand.enrolment.user('ulla');
  gpg = await createGpgHome();
  keys = [await makeKey(gpg, ADDRESS), await makeKey(gpg, ADDRESS), await makeKey(gpg, ADDRESS)];
  chromium = await startChromium(stand, process.env.SEALPOST_PICTURES ?? null);
});
afterAll(async () => {
  await chromium?.close();
  await stand?.close();
  await gpg?.close();
});
beforeEach((context) => skipFor(context, lacking));

/** The text of every letter of a round, opened by gpg where it is sealed. */
async function letters(): Promise<readonly string[]> {
  const sent = await stand.enrolment.round();
  return Promise.all(
    sent.map(async (letter) => {
      if (!letter.sealed) return letter.text();
      const { stdout } = await gpg.run(['--decrypt'], letter.raw.slice(letter.raw.indexOf('-----BEGIN PGP')));
      return Buffer.from(stdout)
        .toString()
        .replace(/=\r?\n/g, '')
        .replace(/=3D/g, '=');
    }),
  );
}

async function link(action: string): Promise<string> {
  const found = (await letters())
    .map((text) => new RegExp(`https://${PORTAL_HOST}(/${action}/[\\w-]{43})`).exec(text)?.[1])
    .find((path) => path !== undefined);
  if (found === undefined) throw new Error(`no letter has a link to ${action}`);
  return found;
}

async function seen(visitor: Visitor, name: string): Promise<void> {
  expect(await visitor.look(name)).toEqual([]);
}

/** Signs in by a letter. @param plain by one that needs no key */
async function signIn(plain: boolean): Promise<Visitor> {
  const visitor = await chromium.visitor();
  await visitor.open('/');
  await visitor.page.locator('#address').fill(ADDRESS);
  await visitor.press('Send me a link');
  if (plain) await visitor.press('I cannot read it');
  await visitor.open(await link('sign-in'));
  await visitor.press('Sign in');
  return visitor;
}

async function paste(visitor: Visitor, text: string): Promise<void> {
  await visitor.page.locator('#paste').fill(text);
  await visitor.press('Look at this key');
}

async function sealedTo(key: TestKey | null): Promise<void> {
  const body = `letter ${Math.random()}`;
  const delivered = await stand.deliver(ADDRESS, body);
  if (key === null) return expect(delivered).toContain(body);
  expect(delivered).not.toContain(body);
  const { stdout, stderr } = await gpg.run(
    ['--status-fd', '2', '--decrypt'],
    delivered.slice(delivered.indexOf('-----BEGIN PGP')),
  );
  expect(Buffer.from(stdout).toString()).toContain(body);
  return expect(Buffer.from(stderr).toString()).toContain(key.fingerprint);
}

describe('in a browser', () => {
  it('a person signs in, uploads a key, reads its letter, presses the button, and the next mail is sealed', async () => {
    const visitor = await chromium.visitor();
    await visitor.open('/');
    await seen(visitor, '01-sign-in');
    await visitor.page.locator('#login').fill(ADDRESS);
    await visitor.page.locator('#password').fill('wrong');
    await visitor.press('Sign in');
    await seen(visitor, '02-wrong-password');
    await visitor.open('/?lang=de');
    await seen(visitor, '03-sign-in-german');
    await visitor.open('/?lang=en');
    await visitor.page.locator('#address').fill(ADDRESS);
    await visitor.press('Send me a link');
    await seen(visitor, '04-link-sent');
    await visitor.open(await link('sign-in'));
    await seen(visitor, '05-sign-in-link');
    await visitor.press('Sign in');
    await seen(visitor, '06-home-without-key');
    const [first] = keys as [TestKey];
    await paste(visitor, first.secretKey);
    await seen(visitor, '07-secret-key');
    await visitor.page.locator('#file').setInputFiles({
      name: 'key.asc',
      mimeType: 'application/pgp-keys',
      buffer: Buffer.from(first.publicKey),
    });
    await visitor.page.locator('form[action="/key/upload"] button').click();
    await visitor.page.waitForLoadState();
    await seen(visitor, '08-review');
    await visitor.press('Yes: send me the letter');
    await seen(visitor, '09-read-the-letter');
    await sealedTo(null);
    await visitor.open(await link('confirm'));
    await seen(visitor, '10-confirm');
    await visitor.press('Seal my mail to this key');
    await seen(visitor, '11-sealed');
    await sealedTo(first);
    await visitor.open('/');
    await visitor.press('Send me a test letter');
    await seen(visitor, '12-home-sealed');
    expect((await letters()).some((text) => /test/i.test(text))).toBe(true);
    for (const [path, name] of [
      ['/key', '13-keys'],
      ['/settings', '14-settings'],
      ['/devices', '15-devices'],
      ['/history', '16-history'],
      ['/leave', '17-leave'],
      ['/nothing', '18-not-found'],
      ['/confirm/xxx', '19-bad-link'],
    ] as const) {
      await visitor.open(path);
      await seen(visitor, name);
    }
  });

  it('from signing in to sealed there are at most four pages and three clicks for who has a key', async () => {
    await stand.enrolment.user('vera');
    const address = 'vera@example.org';
    const key = await makeKey(gpg, address);
    const visitor = await chromium.visitor();
    await visitor.open('/');
    stand.imap = 'right';
    await visitor.page.locator('#login').fill(address);
    await visitor.page.locator('#password').fill('x');
    await visitor.press('Sign in');
    stand.imap = 'wrong';
    visitor.steps.begin();
    await paste(visitor, key.publicKey);
    await visitor.press('Yes: send me the letter');
    await visitor.open(await link('confirm'));
    // The page with the button that seals is the last one of them; the next one only says that it is done.
    const pages = visitor.steps.pages;
    await visitor.press('Seal my mail to this key');
    const { clicks } = visitor.steps;
    process.stdout.write(`from signing in to sealed: ${pages} pages, ${clicks} clicks\n`);
    expect(pages).toBeLessThanOrEqual(4);
    expect(clicks).toBeLessThanOrEqual(3);
    await visitor.page.getByText('Your mail is sealed').first().waitFor();
  });

  it('the key is replaced by who can read with it, and recovered after a wait by who lost it', async () => {
    const [first, second, third] = keys as [TestKey, TestKey, TestKey];
    const owner = await signIn(false);
    await owner.open('/key');
    await paste(owner, second.publicKey);
    await seen(owner, '20-review-second');
    await owner.press('Yes: send me the letter');
    await sealedTo(first);
    await owner.open(await link('confirm'));
    await owner.press('Seal my mail to this key');
    await sealedTo(second);

    const without = await signIn(true);
    await without.open('/key');
    await paste(without, third.publicKey);
    await without.press('Yes: send me the letter');
    await seen(without, '21-needs-key');
    await without.press(/Do it after 7 days/);
    await seen(without, '22-recovery');
    await without.open(await link('confirm'));
    await without.press('Seal my mail to this key');
    await seen(without, '23-read-and-waiting');
    await sealedTo(second);
    stand.enrolment.pass(6 * DAY);
    await letters();
    stand.enrolment.pass(1.2 * DAY);
    await letters();
    await sealedTo(third);
  });

  it('a recovery is stopped, a device added, the key removed, and the person leaves', async () => {
    const [, , third] = keys as [TestKey, TestKey, TestKey];
    const thief = await signIn(true);
    await thief.open('/leave');
    await thief.press(/^Leave/);
    await thief.press(/Do it after 7 days/);
    await thief.press('Stop this change');
    await seen(thief, '24-stopped');
    await letters();
    await sealedTo(third);
    const owner = await signIn(false);
    await owner.open('/devices');
    await owner.page.locator('#name').fill('laptop');
    await owner.press('Add a device');
    await seen(owner, '25-device-added');
    await owner.open('/leave');
    await owner.press('Pause for a day');
    await seen(owner, '26-paused');
    await owner.press('Seal again now');
    await owner.open('/key');
    await owner.press('Remove this key');
    await seen(owner, '27-removed');
    await sealedTo(null);
    await owner.open('/leave');
    await seen(owner, '28-nothing-to-leave');
    // Handed over once more, so that there is something to leave.
    await owner.open('/key');
    await paste(owner, third.publicKey);
    await owner.press('Yes: send me the letter');
    await owner.open(await link('confirm'));
    await owner.press('Seal my mail to this key');
    await sealedTo(third);
    const leaving = await signIn(false);
    await leaving.open('/leave');
    await leaving.press(/^Leave/);
    await seen(leaving, '29-left');
    await sealedTo(null);
    await leaving.press('Sign out');
    await seen(leaving, '30-signed-out');
  });
});
