// Signing in by the mailbox password against Debian's Dovecot, as far as it takes its time: its penalty for a wrong password, one that
// is slow, one that answers no more; and through the portal's pages. The rest stands in test/e2e/portal-dovecot.test.ts.
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { askImap, type Credentials } from '../../../portal/sign-in/imap.ts';
import { type LoginDovecot, startLoginDovecot } from '../../support/login-dovecot.ts';
import { openPortalStand } from '../../support/portal-stand.ts';
import { type SlowProxy, startSlowProxy } from '../../support/slow-proxy.ts';

const ULLA = 'ulla@example.org';
const PASSWORD = 'Grüße, "naïve" \\ Straße';

let dovecot: LoginDovecot;
const proxies: SlowProxy[] = [];

beforeAll(async () => {
  // Dovecot's own default.
  dovecot = await startLoginDovecot({ [ULLA]: PASSWORD }, '2 secs');
});
afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await dovecot?.remove();
});

function of(password: string): Credentials {
  return { login: ULLA, password, client: null };
}

/** The verdict, and how long it took in seconds. */
async function timed(port: number, password: string, implicitTls = true) {
  const began = performance.now();
  const verdict = await askImap({ host: '127.0.0.1', port, implicitTls }, of(password));
  return { verdict, seconds: (performance.now() - began) / 1000 };
}

async function behind(delayMs: number, most?: number): Promise<number> {
  const proxy = await startSlowProxy(dovecot.imapsPort, delayMs, most);
  proxies.push(proxy);
  return proxy.port;
}

it('the penalty for a wrong password is waited for', async () => {
  const { verdict, seconds } = await timed(dovecot.imapsPort, 'wrong');
  expect(verdict).toBe('wrong');
  expect(seconds).toBeGreaterThan(1.5);
  expect(seconds).toBeLessThan(10);
});

it('a slow server is waited for, and believed', async () => {
  const port = await behind(1500);
  const [right, wrong] = await Promise.all([timed(port, PASSWORD), timed(port, 'wrong')]);
  expect(right.verdict).toBe('right');
  expect(wrong.verdict).toBe('wrong');
});

it.each([0, 1, 2, 3, 4, 5])(
  'one that is silent after %i pieces of its answers says nothing of the password, in time',
  async (most) => {
    const { verdict, seconds } = await timed(await behind(0, most), PASSWORD);
    // With the last of them all that was asked may have been answered.
    if (most < 3) expect(verdict).toBe('unavailable');
    expect(seconds).toBeLessThan(45);
  },
);

it('one that goes on talking without an answer is given up', async () => {
  const talkers = new Set<Socket>();
  const server = createServer((socket) => {
    const talk = setInterval(() => socket.write('* OK one moment\r\n'), 500);
    talkers.add(socket);
    // What it says is read: only then does the end of the connection show.
    socket.resume();
    socket.on('error', () => undefined);
    socket.on('close', () => clearInterval(talk));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { verdict, seconds } = await timed(port, PASSWORD, false);
  expect(verdict).toBe('unavailable');
  expect(seconds).toBeLessThan(35);
  for (const talker of talkers) talker.destroy();
  await new Promise((resolve) => server.close(resolve));
});

it('on the portal the right password signs in, and a wrong one, an unknown name and an absent server are told apart from nothing', async () => {
  const stand = await openPortalStand(`imap://127.0.0.1:${dovecot.imapPort}`);
  try {
    await stand.enrolment.user('ulla');
    await stand.enrolment.user('otto');
    const tried = async (address: string, password: string) => {
      const browser = stand.browser();
      await browser.get('/');
      const { statusCode, headers, body } = await browser.post('/sign-in/password', { address, password });
      const page = body.replaceAll(address, 'ADDRESS').replace(/name="_csrf" value="[^"]*"/g, '');
      return { statusCode, location: headers.location, page };
    };
    expect(await tried(ULLA, PASSWORD)).toMatchObject({ statusCode: 303, location: '/' });
    const wrong = await tried(ULLA, 'wrong');
    expect(wrong).toMatchObject({ statusCode: 403 });
    // A user without a mailbox there, and nobody at all.
    expect(await tried('otto@example.org', PASSWORD)).toEqual(wrong);
    expect(await tried('nobody@example.org', PASSWORD)).toEqual(wrong);
    await dovecot.stop();
    const away = await tried(ULLA, PASSWORD);
    expect(away).toMatchObject({ statusCode: 503 });
    expect(await tried('nobody@example.org', PASSWORD)).toEqual(away);
  } finally {
    await stand.close();
  }
});
