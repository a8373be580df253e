// The course of `pull`, with a real Maildir and a server in memory. The end-to-end tests ask a real one.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Decryptor } from '../../../client/decrypt/decryptor.ts';
import { openMaildir } from '../../../client/pull/maildir.ts';
import { type PullResult, pull } from '../../../client/pull/pull.ts';
import type { Server } from '../../../client/queue/http.ts';
import { ServerAway } from '../../../client/queue/server-errors.ts';
import type { Frame } from '../../../src/queue-api/frames.ts';

const HOUR = 3_600_000;
const mail = Buffer.from('Subject: x\n\nx\n');
const waiting = (id: string) => ({ id, size: mail.length, received: '2026-11-25T10:00:00.000Z' });

/** What is sealed is the plaintext itself. */
const decryptor: Decryptor = {
  async open(message) {
    const pieces: Uint8Array[] = [];
    for await (const piece of message) pieces.push(piece);
    return { ok: true, plaintext: Buffer.concat(pieces), signatures: [] };
  },
  verify: async () => null,
  verifyCleartext: async () => null,
  addressesOf: async () => [],
};

function frame(id: string): Frame {
  async function* bytes(): AsyncGenerator<Buffer> {
    yield mail;
  }
  return { message: waiting(id), bytes: bytes() };
}

/** One user's queue. */
function serverOf(ids: readonly string[], changes: Partial<Server> = {}): Server & { left(): string[] } {
  const queue = new Set(ids);
  const gone = new Set<string>();
  return {
    left: () => [...queue],
    list: async (after) =>
      after === null ? { messages: [...queue].map(waiting), next: 'end' } : { messages: [], next: null },
    async *batch(wanted) {
      for (const id of wanted) if (queue.has(id)) yield frame(id);
    },
    async acknowledge(some) {
      for (const id of some) if (queue.delete(id)) gone.add(id);
      return some.filter((id) => gone.has(id)).length;
    },
    async *events() {
      yield null;
      throw new ServerAway('the event stream ended');
    },
    ...changes,
  };
}

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-'));
  path = join(folder, 'Maildir');
});
afterEach(() => rm(folder, { recursive: true }));

interface Run {
  readonly watch?: boolean;
  readonly stop?: AbortSignal;
  readonly pause?: (ms: number) => Promise<void>;
  /** What the clock says, in Unix milliseconds. */
  readonly now?: number;
}

async function run(
  server: Server,
  { watch = false, stop, pause, now = Date.now() }: Run = {},
): Promise<PullResult> {
  const maildir = await openMaildir(path, () => now);
  const nothing = () => undefined;
  const progress = {
    found: nothing,
    delivered: nothing,
    failed: nothing,
    away: nothing,
    waiting: nothing,
    end: nothing,
  };
  try {
    return await pull({
      server,
      maildir,
      decryptor,
      progress,
      watch,
      stop: stop ?? new AbortController().signal,
      parallel: 2,
      pause: pause ?? (async () => undefined),
    });
  } finally {
    await maildir.close();
  }
}

const fresh = () => readdir(join(path, 'new'));

describe('pull', () => {
  it('takes a message that the server sends twice in one answer for an answer that was cut off', async () => {
    const server = serverOf(['a', 'b']);
    const twice: Server = {
      ...server,
      async *batch(wanted, signal) {
        for await (const { message } of server.batch(wanted, signal)) {
          yield frame(message.id);
          yield frame(message.id);
        }
      },
    };
    expect(await run(twice)).toMatchObject({ delivered: 2, failed: [] });
    expect(await fresh()).toHaveLength(2);
    expect(server.left()).toEqual([]);
  });

  it('takes nothing that it has not asked for', async () => {
    const server = serverOf(['a'], {
      async *batch() {
        yield frame('z');
      },
    });
    await expect(run(server)).rejects.toThrow(ServerAway);
    expect(await fresh()).toEqual([]);
  });

  /** The pauses between attempts of pull --watch, in milliseconds. */
  async function pausesOf(server: Server): Promise<readonly number[]> {
    const stop = new AbortController();
    const pauses: number[] = [];
    await run(server, {
      watch: true,
      stop: stop.signal,
      pause: async (ms) => {
        // The long one is the wait for news.
        if (ms > 60_000) return new Promise(() => undefined);
        pauses.push(ms);
        if (pauses.length === 5) stop.abort();
      },
    });
    return pauses;
  }

  it('--watch comes back quickly when a connection ends that had stood, mail or no mail', async () => {
    expect(await pausesOf(serverOf([]))).toEqual([500, 500, 500, 500, 500]);
  });

  it('--watch waits longer and longer for a server that does not answer', async () => {
    const away = serverOf([], {
      list: async () => {
        throw new ServerAway('away');
      },
    });
    expect(await pausesOf(away)).toEqual([500, 1000, 2000, 4000, 8000]);
  });
});

describe('two users who fill one Maildir', () => {
  const now = Date.UTC(2026, 10, 25);
  const unreachable = async (): Promise<never> => {
    throw new ServerAway('away');
  };

  /** Delivers messages of Alice whose acknowledgement is lost; her mail program moves them out of the Maildir. */
  async function deliverUnacknowledged(ids: readonly string[]): Promise<void> {
    const lost = serverOf(ids, { acknowledge: unreachable });
    await expect(run(lost, { now })).rejects.toThrow(ServerAway);
    expect(await fresh()).toHaveLength(ids.length);
    for (const name of await fresh()) await rm(join(path, 'new', name));
  }

  it('get nothing twice when an acknowledgement of the one is made good only after a run of the other', async () => {
    await deliverUnacknowledged(['a1', 'a2']);
    const bob = serverOf(['b1']);
    expect(await run(bob, { now: now + 48 * HOUR })).toMatchObject({ delivered: 1 });
    const alice = serverOf(['a1', 'a2', 'a3']);
    expect(await run(alice, { now: now + 96 * HOUR })).toMatchObject({ delivered: 1 });
    expect(alice.left()).toEqual([]);
    expect(await fresh()).toHaveLength(2);
  });

  it('have what the server knows forgotten at once, and the rest after some months', async () => {
    await deliverUnacknowledged(['a1', 'a2']);
    const pending = async (): Promise<readonly string[]> => {
      const maildir = await openMaildir(path, () => now);
      await maildir.close();
      return maildir.unacknowledged;
    };
    await run(serverOf(['a1']), { now });
    expect(await pending()).toEqual(['a2']);
    await run(serverOf([]), { now: now + 89 * 24 * HOUR });
    expect(await pending()).toEqual(['a2']);
    await run(serverOf([]), { now: now + 91 * 24 * HOUR });
    expect(await pending()).toEqual([]);
  });
});
