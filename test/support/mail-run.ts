// A run of test mail: what is sent to whom, what must arrive in consequence, and the check that exactly that did.
import { expect } from 'vitest';
import { type Decrypt, gpgDecrypt, openpgpDecrypt } from './keys.ts';
import { ALICE, BOB, CREW, type MailSystem, SENDER, STRANGER, TEAM, ULLA } from './mail-system.ts';
import { allocatePlaces } from './places.ts';
import { type Delivery, startSink } from './sink.ts';
import { smtpSource } from './smtp-source.ts';
import { swaks } from './swaks.ts';
import { fieldValues, firstDifference, looksSealed, splitMessage, unsealAndCompare } from './unseal.ts';

/** Some messages to one address, told apart by their Message-Id, and from all other mail by their Subject. */
export interface Group {
  readonly subject: string;
  readonly count: number;
  readonly by: 'smtp-source' | 'swaks';
  readonly recipient: string;
  /** The final recipients of each message, and whether their copy must be sealed. */
  readonly arrivals: readonly { readonly address: string; readonly sealed: boolean }[];
}

const LENGTH = 4000;
const SESSIONS = 4;
const TEXT = 'Grüße\n.\n..dots\nhunter2 is the password\n-- \nswaks';

/**
 * Mail to a keyed, an unkeyed and an unknown address, to an alias that Postfix expands, and to one that only sealpost knows.
 * @param total how many messages in all; a tenth of them by swaks, the rest by smtp-source
 */
export function mixedRun(name: string, total: number): Group[] {
  const targets = [
    { to: ALICE, arrivals: [{ address: ALICE, sealed: true }] },
    { to: ULLA, arrivals: [{ address: ULLA, sealed: false }] },
    { to: TEAM, arrivals: [ALICE, BOB].map((address) => ({ address, sealed: true })) },
    { to: CREW, arrivals: [{ address: CREW, sealed: true }] },
    { to: STRANGER, arrivals: [{ address: STRANGER, sealed: false }] },
  ];
  const bySwaks = Math.floor(total / 10 / targets.length);
  const bySource = total / targets.length - bySwaks;
  return targets.flatMap(({ to, arrivals }) => [
    {
      subject: `${name} smtp-source ${to}`,
      count: bySource,
      by: 'smtp-source' as const,
      recipient: to,
      arrivals,
    },
    { subject: `${name} swaks ${to}`, count: bySwaks, by: 'swaks' as const, recipient: to, arrivals },
  ]);
}

/** Hands every group's messages to Postfix; all groups at the same time. */
export async function sendRun(groups: readonly Group[], port: number): Promise<void> {
  await Promise.all(groups.map((group) => sendGroup(group, port)));
}

async function sendGroup(group: Group, port: number): Promise<void> {
  const { subject, count, recipient } = group;
  if (count === 0) return;
  if (group.by === 'smtp-source') {
    await smtpSource({
      port,
      count,
      sessions: Math.min(SESSIONS, count),
      length: LENGTH,
      sender: SENDER,
      recipient,
      subject,
    });
    return;
  }
  for (let sent = 0; sent < count; sent += 1) {
    await swaks({ port, sender: SENDER, recipients: [recipient], subject, body: TEXT });
  }
}

export const expectedArrivals = (groups: readonly Group[]): number =>
  groups.reduce((sum, group) => sum + group.count * group.arrivals.length, 0);

let known: Promise<Record<Group['by'], Buffer>> | undefined;

/** What each program sends as a message, which is the same for every run. */
function originals(): Promise<Record<Group['by'], Buffer>> {
  known ??= sendOriginals();
  return known;
}

/** Sends one by each program to a sink, without Postfix or sealpost in between. */
async function sendOriginals(): Promise<Record<Group['by'], Buffer>> {
  const places = await allocatePlaces();
  const sink = await startSink({ protocol: 'smtp', listen: { port: places.submitPort } });
  try {
    const group = { subject: 'original', count: 1, recipient: ULLA, arrivals: [] };
    await sendGroup({ ...group, by: 'smtp-source' }, places.submitPort);
    await sendGroup({ ...group, by: 'swaks' }, places.submitPort);
    const [bySource, bySwaks] = sink.transactions;
    if (!bySource || !bySwaks) throw new Error('smtp-source or swaks sent nothing');
    return { 'smtp-source': bySource.message, swaks: bySwaks.message };
  } finally {
    await sink.stop();
    await places.remove();
  }
}

export interface CheckOptions {
  /**
   * When sealpost was killed (Unix milliseconds). What the next hop was accepting at that very moment may come twice, since
   * nobody was left to take its reply (RFC 1047): one message for each of Postfix's sessions. Default: nothing may.
   */
  readonly killedAt?: number;
}

/** How many deliveries the examples let Postfix do at once, and how close to the kill an acceptance must have been. */
const SESSIONS_AT_ONCE = 20;
const MOMENT_MS = 1000;

/**
 * Checks that every message of the groups arrived in each mailbox exactly once, sealed where it must be (all decrypted by
 * OpenPGP.js, a sample by gpg), byte-identical bodies, and nothing sealed that must not be.
 */
export async function checkRun(
  groups: readonly Group[],
  deliveries: readonly Delivery[],
  system: MailSystem,
  options: CheckOptions = {},
): Promise<void> {
  const sent = await originals();
  const problems: string[] = [];
  const allowance = {
    left: SESSIONS_AT_ONCE,
    since: (options.killedAt ?? Number.POSITIVE_INFINITY) - MOMENT_MS,
  };
  for (const group of groups) {
    const arrived = deliveries.filter(({ message }) => subjectOf(message) === group.subject);
    for (const { address, sealed } of group.arrivals) {
      const here = arrived.filter(({ recipient }) => recipient === address);
      problems.push(...countProblems(group, address, here, allowance));
      for (const [index, delivery] of here.entries()) {
        const problem = await copyProblem(
          sent[group.by],
          delivery,
          sealed ? readersOf(address, system, index < 1) : null,
        );
        if (problem !== null) problems.push(`"${group.subject}" for ${address}: ${problem}`);
      }
    }
    const known = new Set(group.arrivals.map(({ address }) => address));
    for (const { recipient } of arrived)
      if (!known.has(recipient)) problems.push(`"${group.subject}" reached ${recipient}`);
  }
  const bounces = deliveries.filter(({ recipient }) => recipient === SENDER);
  for (const { message } of bounces.slice(0, 3))
    problems.push(`bounced:\n${message.toString('latin1').slice(0, 3000)}`);
  expect(problems.slice(0, 20)).toEqual([]);
}

function subjectOf(message: Buffer): string | undefined {
  return fieldValues(splitMessage(message).fields, 'Subject')[0];
}

function countProblems(
  group: Group,
  address: string,
  here: readonly Delivery[],
  allowance: { left: number; readonly since: number },
): string[] {
  const arrivals = new Map<string, number[]>();
  for (const { message, at } of here) {
    const id = fieldValues(splitMessage(message).fields, 'Message-Id')[0] ?? 'no Message-Id';
    arrivals.set(id, [...(arrivals.get(id) ?? []), at]);
  }
  const problems: string[] = [];
  if (arrivals.size !== group.count) {
    problems.push(`"${group.subject}": ${arrivals.size} of ${group.count} messages reached ${address}`);
  }
  for (const [id, times] of arrivals) {
    if (times.length === 1) continue;
    allowance.left -= times.length - 1;
    if (allowance.left >= 0 && Math.min(...times) >= allowance.since) continue;
    problems.push(`"${group.subject}": ${id} reached ${address} ${times.length} times`);
  }
  return problems;
}

/** Those who must be able to read a copy, each by OpenPGP.js, and by gpg too when asked. */
function readersOf(address: string, system: MailSystem, gpgToo: boolean): Decrypt[] {
  const readers = address === CREW ? [ALICE, BOB] : [address];
  const decrypts = readers.map((reader) => {
    const key = system.keys.get(reader);
    if (!key) throw new Error(`the test has no key for ${reader}`);
    return openpgpDecrypt(key);
  });
  return gpgToo ? [...decrypts, gpgDecrypt(system.gpg)] : decrypts;
}

async function copyProblem(
  original: Buffer,
  delivery: Delivery,
  readers: readonly Decrypt[] | null,
): Promise<string | null> {
  const { fields, body } = splitMessage(delivery.message);
  const statuses = fieldValues(fields, 'Sealpost-Status');
  try {
    if (readers === null) {
      if (looksSealed(delivery.message)) return 'sealed, and should have passed';
      if (statuses.length > 0) return `passed, and yet Sealpost-Status is ${statuses.join(' | ')}`;
      return firstDifference(splitMessage(original).body, body);
    }
    for (const decrypt of readers) await unsealAndCompare(original, delivery.message, decrypt);
    return statuses.length === 1 && statuses[0]?.startsWith('sealed')
      ? null
      : `Sealpost-Status: ${statuses.join(' | ')}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
