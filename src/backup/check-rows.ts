// What the rows of a backup must be: keys that parse, a queue of whole OpenPGP messages, counts that agree, an audit whose chain is
// whole. Rows come one after the other; what is kept of them is a few numbers for each user and for each large message.

import { type EventOwner, follows, type KeyEventView } from '../keys/chain.ts';
import { readComponents } from '../keys/components.ts';
import { encryptedMessageKeyIds } from '../openpgp/encrypted-message.ts';
import { readX509 } from '../smime/certificate.ts';
import { bytesOf, type Row } from './copy-text.ts';

export interface RowCheck {
  /** What to do with the rows of a table; null: nothing beyond counting them. */
  of(table: string): ((row: Row) => Promise<void> | void) | null;
  /** What is to be seen when all rows are known. */
  end(): void;
  /** What is wrong, each named. */
  readonly problems: readonly string[];
}

interface Count {
  messages: number;
  bytes: number;
}

interface State {
  readonly problems: string[];
  left: number;
  /** By user: what is in the queue. */
  readonly found: Map<string, Count>;
  /** Messages in pieces that have not come yet. */
  readonly inChunks: Map<string, { readonly size: number; readonly chunks: number }>;
  current: { readonly id: string; readonly pieces: Buffer[] } | null;
  /** By owner: the hash of the last row of the audit. */
  readonly chain: Map<string, string>;
  readonly broken: Set<string>;
}

/** More than a person reads. */
const MOST_PROBLEMS = 100;

export function createRowCheck(): RowCheck {
  const state: State = {
    problems: [],
    left: 0,
    found: new Map(),
    inChunks: new Map(),
    current: null,
    chain: new Map(),
    broken: new Set(),
  };
  const tables: Readonly<Record<string, (row: Row) => Promise<void> | void>> = {
    keys: (row) => checkKey(state, row),
    key_events: (row) => checkEvent(state, row),
    incoming: (row) => checkMessage(state, row),
    incoming_chunks: (row) => checkChunk(state, row),
    incoming_counts: (row) => checkCount(state, row),
  };
  return {
    of: (table) => tables[table] ?? null,
    end() {
      endMessage(state);
      for (const id of state.inChunks.keys()) complain(state, `queue message ${id}: its pieces are missing`);
      for (const [user, { messages }] of state.found)
        if (messages > 0)
          complain(state, `incoming_counts: no row for user ${user}, who has ${messages} messages`);
      if (state.left > 0) state.problems.push(`and ${state.left} more`);
    },
    problems: state.problems,
  };
}

function complain(state: State, problem: string): void {
  if (state.problems.length < MOST_PROBLEMS) state.problems.push(problem);
  else state.left += 1;
}

const textOf = (row: Row, column: string): string => row.get(column) ?? '';

async function checkKey(state: State, row: Row): Promise<void> {
  const fingerprint = textOf(row, 'fingerprint');
  try {
    const certificate = bytesOf(row.get('certificate'));
    const found =
      row.get('kind') === 'x509'
        ? readX509(certificate).fingerprint
        : (await readComponents(certificate)).fingerprint;
    if (found !== fingerprint) complain(state, `key ${fingerprint}: the certificate is that of ${found}`);
  } catch (error) {
    complain(state, `key ${fingerprint} does not parse: ${error instanceof Error ? error.message : error}`);
  }
}

/** As PostgreSQL writes a moment in UTC, such as `2026-01-02 03:04:05.67+00`, to the form that is hashed. */
function instant(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  const [, date, time, fraction = ''] = /^(\S+) (\d\d:\d\d:\d\d)(?:\.(\d+))?\+00$/.exec(text) ?? [];
  return date === undefined ? text : `${date}T${time}.${fraction.padEnd(6, '0')}Z`;
}

function ownerOf(row: Row): EventOwner {
  for (const kind of ['user', 'contact', 'domain'] as const) {
    const id = row.get(`${kind}_id`);
    if (id !== null && id !== undefined) return { kind, id: Number(id) };
  }
  throw new Error('an event of no owner');
}

/** As firstBroken() of keys/chain.ts has it, for all owners at once. */
function checkEvent(state: State, row: Row): void {
  const owner = ownerOf(row);
  const name = `${owner.kind}:${owner.id}`;
  if (state.broken.has(name)) return;
  const hash = row.get('hash') ?? null;
  const event: KeyEventView = {
    id: Number(textOf(row, 'id')),
    at: instant(row.get('at')) ?? '',
    event: textOf(row, 'event') as KeyEventView['event'],
    fingerprint: textOf(row, 'fingerprint'),
    status: textOf(row, 'status'),
    source: textOf(row, 'source'),
    expires_at: instant(row.get('expires_at')),
    revoked: row.get('revoked') === 't',
    actor: textOf(row, 'actor'),
    hash: hash === null ? null : hash.slice(2),
  };
  if (!follows(event, owner, state.chain.get(name) ?? null)) {
    complain(state, `key_events: row ${event.id} of ${name} does not follow the one before it`);
    state.broken.add(name);
    return;
  }
  if (event.hash !== null) state.chain.set(name, event.hash);
}

function checkMessage(state: State, row: Row): void {
  const id = textOf(row, 'id');
  const user = textOf(row, 'user_id');
  const size = Number(textOf(row, 'size'));
  const count = state.found.get(user) ?? { messages: 0, bytes: 0 };
  state.found.set(user, { messages: count.messages + 1, bytes: count.bytes + size });
  if (row.get('content') === null) state.inChunks.set(id, { size, chunks: Number(textOf(row, 'chunks')) });
  else judgeMessage(state, id, bytesOf(row.get('content')), size);
}

function judgeMessage(state: State, id: string, content: Buffer, size: number): void {
  if (content.length !== size)
    complain(state, `queue message ${id} has ${content.length} bytes, expected ${size}`);
  if (encryptedMessageKeyIds(content) === null)
    complain(state, `queue message ${id} is no encrypted OpenPGP message`);
}

/** The pieces of a message come one after the other, in their order. */
function checkChunk(state: State, row: Row): void {
  const id = textOf(row, 'id');
  if (state.current?.id !== id) {
    endMessage(state);
    state.current = { id, pieces: [] };
  }
  const { pieces = [] } = state.current ?? {};
  if (Number(textOf(row, 'chunk')) !== pieces.length)
    complain(state, `queue message ${id}: piece ${pieces.length} is missing`);
  pieces.push(bytesOf(row.get('content')));
}

function endMessage(state: State): void {
  if (state.current === null) return;
  const { id, pieces } = state.current;
  state.current = null;
  const wanted = state.inChunks.get(id);
  state.inChunks.delete(id);
  if (wanted === undefined) {
    complain(state, `queue message ${id}: pieces of no message`);
    return;
  }
  if (wanted.chunks !== pieces.length)
    complain(state, `queue message ${id} has ${pieces.length} pieces, expected ${wanted.chunks}`);
  judgeMessage(state, id, Buffer.concat(pieces), wanted.size);
}

function checkCount(state: State, row: Row): void {
  const user = textOf(row, 'user_id');
  const { messages, bytes } = state.found.get(user) ?? { messages: 0, bytes: 0 };
  state.found.delete(user);
  const [toldMessages, toldBytes] = [Number(textOf(row, 'messages')), Number(textOf(row, 'bytes'))];
  if (toldMessages !== messages || toldBytes !== bytes)
    complain(
      state,
      `incoming_counts of user ${user}: ${toldMessages} messages and ${toldBytes} bytes, but there are ${messages} and ${bytes}`,
    );
}
