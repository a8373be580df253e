// Whole enrolments by the thousand: users sign in, hand a key over, read its letter and press the button, or do not; some leave, some
// take the key back, some lose it and wait. Through the flow's own functions, and some of them through the portal over a socket.
import type { AddressInfo } from 'node:net';
import type { PrivateKey } from 'openpgp';
import { addUsers } from '../../src/directory/users.ts';
import { confirmKey, requestChange, startRecovery, submitKey, undoByLink } from '../../src/enrolment/flow.ts';
import { closeSession, findSession } from '../../src/enrolment/sessions.ts';
import { requestSignIn, signIn } from '../../src/enrolment/sign-in.ts';
import { forgetEnded } from '../../src/enrolment/timers.ts';
import type { Asker } from '../../src/enrolment/types.ts';
import { type Letter, newKey, tokenIn, upload, withKey } from './enrolment-stand.ts';
import { plainBrowser } from './portal-browser.ts';
import { PORTAL_HOST, type PortalStand } from './portal-stand.ts';
import { socketBrowser } from './socket-browser.ts';

const DAY = 86_400_000;

/** How an enrolment ends; they take turns. */
export const ENDS = ['stays', 'unread', 'leaves', 'taken back', 'recovered', 'stays signed in'] as const;
type End = (typeof ENDS)[number];

interface Person {
  readonly address: string;
  readonly client: string;
  readonly userId: number;
  readonly end: End;
  readonly key: PrivateKey;
  readonly other: PrivateKey;
  readonly overHttp: boolean;
}

export interface ManyOptions {
  readonly count: number;
  /** Of these: how many sign in and hand over through the portal, by HTTP. */
  readonly overHttp: number;
  /** People who are on their way at the same time. */
  readonly together: number;
}

/** What must be there in the end. */
export interface ManyResult {
  readonly users: number;
  readonly keys: number;
  /** Rows of the append-only audit. */
  readonly keyEvents: number;
}

/** Few keys for many people: each of them is a new key to its user. */
export async function keysFor(some: number): Promise<readonly PrivateKey[]> {
  return Promise.all(Array.from({ length: some }, (_, index) => newKey(`key${index}`)));
}

let people = 0;

/** Enrols. The clock of the stand moves on by some weeks for each batch. */
export async function enrolMany(
  stand: PortalStand,
  keys: readonly PrivateKey[],
  { count, overHttp, together }: ManyOptions,
): Promise<ManyResult> {
  if (!stand.server.server.listening) await stand.server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = stand.server.server.address() as AddressInfo;
  const total = { users: 0, keys: 0, keyEvents: 0 };
  for (let done = 0; done < count; ) {
    const size = Math.min(together, count - done);
    const batch = await addPeople(stand, keys, size, overHttp - done);
    await enrolBatch(stand, batch, port);
    for (const { end } of batch) {
      total.users += 1;
      total.keys += KEYS_LEFT[end];
      total.keyEvents += EVENTS[end];
    }
    done += size;
  }
  return total;
}

const KEYS_LEFT: Readonly<Record<End, number>> = {
  stays: 1,
  unread: 0,
  leaves: 0,
  'taken back': 0,
  recovered: 1,
  'stays signed in': 1,
};
const EVENTS: Readonly<Record<End, number>> = {
  stays: 1,
  unread: 0,
  leaves: 2,
  'taken back': 2,
  // Added; the other one added, and the first one removed.
  recovered: 3,
  'stays signed in': 1,
};

/** @param overHttp so many of them use the portal */
async function addPeople(
  stand: PortalStand,
  keys: readonly PrivateKey[],
  count: number,
  overHttp: number,
): Promise<readonly Person[]> {
  const first = people;
  people += count;
  const addresses = Array.from({ length: count }, (_, index) => `many${first + index}@example.org`);
  const users = await addUsers(stand.enrolment.trial.database, addresses, null, '+');
  return users.map(({ id, address }, index) => {
    const number = first + index;
    return {
      address,
      userId: id,
      client: `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
      end: ENDS[number % ENDS.length] ?? 'stays',
      key: keyAt(keys, number),
      other: keyAt(keys, number + 1),
      overHttp: index < overHttp,
    };
  });
}

function keyAt(keys: readonly PrivateKey[], number: number): PrivateKey {
  const key = keys[number % keys.length];
  if (key === undefined) throw new Error('there are no keys');
  return key;
}

async function enrolBatch(stand: PortalStand, batch: readonly Person[], port: number): Promise<void> {
  const { enrolment } = stand;
  const { context } = enrolment;
  await each(batch, (person) => asksForLink(stand, person, port));
  const links = byAddress(await allLetters(stand));
  await each(batch, async (person) =>
    handsOver(stand, person, await theToken(links, person, 'sign-in'), port),
  );
  const confirms = byAddress(await allLetters(stand));
  await each(batch, async (person) => {
    if (person.end === 'unread') return;
    const token = await theToken(confirms, person, 'confirm', person.key);
    mustBe(await confirmKey(context, token, visit(person)), 'active');
  });
  const told = byAddress(await allLetters(stand));
  await each(batch, async (person) => {
    const owner = asker(person, person.key);
    if (person.end === 'leaves') mustBe(await requestChange(context, owner, { kind: 'leave' }));
    if (person.end === 'taken back')
      mustBe(await undoByLink(context, await theToken(told, person, 'undo'), visit(person)));
    if (person.end === 'recovered')
      mustBe(
        await startRecovery(context, asker(person), { upload: upload(person.other), intent: 'replace' }),
      );
  });
  const waits = byAddress(await allLetters(stand));
  await each(batch, async (person) => {
    if (person.end !== 'recovered') return;
    const token = await theToken(waits, person, 'confirm', person.other);
    mustBe(await confirmKey(context, token, visit(person)), 'waiting');
  });
  for (const days of [1, 2, 3, 1.01, 8]) {
    enrolment.pass(days * DAY);
    await allLetters(stand);
    await forgetEnded(context);
  }
}

function asker({ userId }: Person, key?: PrivateKey): Asker {
  return {
    userId,
    proof: key === undefined ? { level: 'mailbox' } : withKey(key),
    name: 'portal',
    language: null,
  };
}

function visit({ client }: Person) {
  return { client, language: 'en' } as const;
}

async function asksForLink(stand: PortalStand, person: Person, port: number): Promise<void> {
  const { address, client } = person;
  if (person.overHttp) {
    const browser = plainBrowser(socketBrowser(port, client), PORTAL_HOST);
    await browser.get('/');
    const { statusCode } = await browser.post('/sign-in/letter', { address });
    if (statusCode !== 200) throw new Error(`${address} was answered ${statusCode}`);
    return;
  }
  const asked = { address, client, language: 'en', clear: false } as const;
  mustBe(await requestSignIn(stand.enrolment.context, asked));
}

/** Signs in by the link, hands the key over, and signs out; some forget to. */
async function handsOver(stand: PortalStand, person: Person, token: string, port: number): Promise<void> {
  const { address, client, key, end } = person;
  if (person.overHttp) {
    const browser = plainBrowser(socketBrowser(port, client), PORTAL_HOST);
    await browser.get(`/sign-in/${token}`);
    await browser.post(`/sign-in/${token}`);
    await browser.get('/');
    const { body } = await browser.post('/key/paste', { key: upload(key).toString() });
    const carried = /name="carried" value="([^"]+)"/.exec(body)?.[1] ?? '';
    const { headers } = await browser.post('/key/submit', { carried });
    if (headers.location !== '/?done=submitted') throw new Error(`${address} could hand over no key`);
    if (end !== 'stays signed in') await browser.post('/sign-out');
    return;
  }
  const { context } = stand.enrolment;
  const opened = await signIn(context, token, visit(person));
  if (!opened.ok) throw new Error(`${address} could not sign in: ${opened.because}`);
  const session = await findSession(context, opened.secret);
  if (session === null) throw new Error(`${address} has no session`);
  mustBe(await submitKey(context, asker(person), upload(key), 'add'));
  if (end !== 'stays signed in') await closeSession(context, opened.secret);
}

/** Rounds until none brings a letter. The hop forgets them, or they would be what is left behind. */
async function allLetters({ enrolment }: PortalStand): Promise<readonly Letter[]> {
  const all: Letter[] = [];
  for (;;) {
    const letters = await enrolment.round();
    if (letters.length === 0) break;
    all.push(...letters);
  }
  enrolment.hop.sent.length = 0;
  return all;
}

function byAddress(letters: readonly Letter[]): ReadonlyMap<string, readonly Letter[]> {
  const found = new Map<string, Letter[]>();
  for (const letter of letters) {
    const known = found.get(letter.to);
    if (known === undefined) found.set(letter.to, [letter]);
    else known.push(letter);
  }
  return found;
}

/** The token of the one letter that has such a link. @param secret opens the sealed ones; without it they are left alone */
async function theToken(
  letters: ReadonlyMap<string, readonly Letter[]>,
  { address }: Person,
  action: string,
  secret?: PrivateKey,
): Promise<string> {
  for (const letter of letters.get(address) ?? []) {
    if (letter.sealed !== (secret !== undefined)) continue;
    const text = await letter.text(secret).catch(() => '');
    if (text.includes(`/${action}/`)) return tokenIn(text, action);
  }
  throw new Error(`${address} got no letter with a link to ${action}`);
}

function mustBe(
  outcome: { readonly ok: boolean; readonly result?: string; readonly because?: string },
  result?: string,
): void {
  if (!outcome.ok) throw new Error(`refused: ${outcome.because}`);
  if (result !== undefined && outcome.result !== result)
    throw new Error(`found ${outcome.result}, expected ${result}`);
}

const AT_ONCE = 4;

async function each<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const rest = [...items];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
    }),
  );
}
