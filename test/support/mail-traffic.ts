// Traffic that goes on while something fails: letters to each node, sent again until Postfix has taken them; and the ledger, which
// says of every letter that was taken whether it is there, how often, and whether it is sealed where the directory said so.
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateKey } from 'openpgp';
import { decryptWith } from './make-keys.ts';
import type { Sink } from './sink.ts';
import { sendRaw } from './submit.ts';
import { armoredPart, looksSealed } from './unseal.ts';

/** Somebody who gets letters. */
export interface Reader {
  readonly address: string;
  /** null: has no key, and gets plaintext. */
  readonly secret: PrivateKey | null;
}

export interface Letter {
  readonly name: string;
  /** Of the attempt that Postfix took: one whose reply did not come may have been taken, too, and is another letter. */
  id: string;
  readonly reader: Reader;
  readonly node: number;
  readonly begun: number;
  /** When Postfix took it. Unix milliseconds. */
  taken: number;
}

export interface Traffic {
  readonly letters: readonly Letter[];
  /** From now on this reader gets letters, too. */
  add(reader: Reader): void;
  /** Ends when every letter that was begun is taken. */
  stop(): Promise<void>;
}

export interface TrafficOptions {
  /** Of each node: where Postfix takes mail. */
  readonly ports: readonly number[];
  readonly readers: readonly Reader[];
  /** Each of them sends one letter after the other. */
  readonly sendersPerNode: number;
  /** Between two letters of a sender. Milliseconds. */
  readonly pause: number;
  readonly name: string;
}

/** In the body of every letter. */
const SECRET_WORDS = 'only the owner of this mailbox reads this line';
const AGAIN_MS = 200;
/** How long a client waits for one transaction. */
const SMTP_MS = 20_000;
/** Longer than any failover. */
const PATIENCE_MS = 120_000;

interface Running extends TrafficOptions {
  readonly all: Letter[];
  readonly known: Reader[];
  stopped: boolean;
}

export function startTraffic(options: TrafficOptions): Traffic {
  const state: Running = { ...options, all: [], known: [...options.readers], stopped: false };
  const senders = options.ports.flatMap((port, node) =>
    Array.from({ length: options.sendersPerNode }, (_, sender) => sendOn(state, port, node, sender)),
  );
  const done = Promise.all(senders);
  // A sender that fails is told of by stop().
  done.catch(() => undefined);
  return {
    letters: state.all,
    add: (reader) => state.known.push(reader),
    async stop() {
      state.stopped = true;
      await done;
    },
  };
}

async function sendOn(state: Running, port: number, node: number, sender: number): Promise<void> {
  for (let number = 0; !state.stopped; number += 1) {
    const reader = state.known[(number * 7 + sender) % state.known.length] as Reader;
    const name = `${state.name}-${node}-${sender}-${number}`;
    const letter: Letter = { name, id: name, reader, node, begun: Date.now(), taken: 0 };
    state.all.push(letter);
    letter.taken = await takenAt(letter, port);
    await sleep(state.pause);
  }
}

/** Sends it again and again. @returns when Postfix took it. @throws where it refuses for good, or for too long */
async function takenAt(letter: Letter, port: number): Promise<number> {
  const since = Date.now();
  for (let attempt = 0; ; attempt += 1) {
    letter.id = `${letter.name}-${attempt}`;
    const refusal = await refusalOf(letter, port);
    if (refusal === null) return Date.now();
    // Everybody exists: what comes with 5xx is a fault.
    if (/^5\d\d/.test(refusal) || Date.now() - since > PATIENCE_MS)
      throw new Error(`${letter.id} to ${letter.reader.address}: ${refusal}`);
    await sleep(AGAIN_MS);
  }
}

/** What Postfix said against it; null: it took it. */
async function refusalOf({ id, reader }: Letter, port: number): Promise<string | null> {
  const message = `From: carol@outside.test\r\nTo: ${reader.address}\r\nMessage-Id: <${id}@outside.test>\r\nSubject: ${id}\r\n\r\n${SECRET_WORDS}: ${id}\r\n`;
  try {
    const [reply = ''] = await sendRaw({
      to: { port },
      sender: 'carol@outside.test',
      recipients: [reader.address],
      message: Buffer.from(message),
      signal: AbortSignal.timeout(SMTP_MS),
    });
    return reply.startsWith('2') ? null : reply;
  } catch (error) {
    return (error as Error).message.replace(/^expected \d+: /, '');
  }
}

export interface Ledger {
  readonly letters: number;
  /** The longest time from a letter's first attempt until Postfix took it. Milliseconds. */
  readonly slowest: number;
  readonly sealed: number;
  /** Taken, and not there. */
  readonly lost: readonly string[];
  /** There in plaintext, though its reader has a key. */
  readonly plaintext: readonly string[];
  /** There more than once: when each copy came. Unix milliseconds, in order. */
  readonly doubled: ReadonlyMap<string, readonly number[]>;
  /** Of each node: when copies came, in order. */
  readonly arrivals: readonly (readonly number[])[];
}

/**
 * Holds what arrived against what was taken.
 * @param openEvery one sealed letter of so many is opened with its reader's key
 * @throws where a sealed one does not open, or has another text inside
 */
export async function ledgerOf(letters: readonly Letter[], mailboxes: Sink, openEvery = 5): Promise<Ledger> {
  const copies = new Map<string, { readonly message: Buffer; readonly at: number }[]>();
  for (const { message, at } of mailboxes.deliveries()) {
    const id = /^Message-Id: <([^@>]+)@outside\.test>/im.exec(message.toString('latin1', 0, 8192))?.[1] ?? '';
    copies.set(id, [...(copies.get(id) ?? []), { message, at }]);
  }
  const ledger = {
    letters: letters.length,
    slowest: Math.max(0, ...letters.map(({ begun, taken }) => taken - begun)),
    sealed: 0,
    lost: [] as string[],
    plaintext: [] as string[],
    doubled: new Map<string, readonly number[]>(),
    arrivals: [] as number[][],
  };
  for (const [index, { id, reader, node }] of letters.entries()) {
    const found = copies.get(id) ?? [];
    if (found.length === 0) ledger.lost.push(id);
    const times = found.map(({ at }) => at).sort((a, b) => a - b);
    if (found.length > 1) ledger.doubled.set(id, times);
    ledger.arrivals[node] = [...(ledger.arrivals[node] ?? []), ...times.slice(0, 1)];
    if (reader.secret === null) continue;
    for (const { message } of found) {
      if (message.includes(SECRET_WORDS) || !looksSealed(message)) ledger.plaintext.push(id);
      else ledger.sealed += 1;
    }
    if (index % openEvery === 0 && found[0] !== undefined && looksSealed(found[0].message))
      await mustOpen(found[0].message, reader.secret, id);
  }
  for (const each of ledger.arrivals) each?.sort((a, b) => a - b);
  return ledger;
}

async function mustOpen(message: Buffer, secret: PrivateKey, id: string): Promise<void> {
  const inside = await decryptWith(secret, armoredPart(message));
  if (!inside.includes(`${SECRET_WORDS}: ${id}`)) throw new Error(`${id} has another text inside`);
}
