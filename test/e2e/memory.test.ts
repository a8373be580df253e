// The no-duplicates memory over a real PostgreSQL (the embedded one).
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { createVersionTracker } from '../../src/database/directory-version.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { type Database, openDatabase } from '../../src/database/open.ts';
import { RECALL, RECALL_AND_CLAIM, WRITE, WRITE_AND_GIVE_UP } from '../../src/delivery/acceptance-sql.ts';
import type { AcceptanceRow } from '../../src/delivery/acceptance-steps.ts';
import { type Acceptances, createAcceptances } from '../../src/delivery/acceptances.ts';
import { createMembership } from '../../src/delivery/membership.ts';
import { type MessageIdentity, messageHash, recipientHash } from '../../src/delivery/message-hash.ts';
import { createLogger } from '../../src/observe/log.ts';
import { waitUntil } from '../support/child.ts';

const folder = mkdtempSync(join(tmpdir(), 'sealpost-memory-'));
const config = configSchema.parse({ state_dir: folder });
let database: Database;

beforeAll(async () => {
  database = await openDatabase(config, { requireMigrated: false });
  await applyMigrations(database);
});

afterAll(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

const DAY = 86_400_000;
let messages = 0;

/** A message key of its own for every test. */
function message(): Promise<string> {
  messages += 1;
  return messageHash({ queueId: `Q${messages}`, messageId: '', sender: '', content: Buffer.from('content') });
}

/** Runs `meanwhile` while nothing can be written or read. */
async function away(meanwhile: () => Promise<void>): Promise<void> {
  await database.pool.query('ALTER TABLE deliveries RENAME TO deliveries_away');
  try {
    await meanwhile();
  } finally {
    await database.pool.query('ALTER TABLE deliveries_away RENAME TO deliveries');
  }
}

describe('the memory of deliveries', () => {
  it('recalls what was remembered, for that message and recipient only', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const [first, second] = [await message(), await message()];
    await memory.remember(first, recipientHash('a@x'), '250 queued as 1');
    const asked = ['a@x', 'b@x'].map(recipientHash);
    expect(await memory.recall(first, asked)).toEqual(new Map([[recipientHash('a@x'), '250 queued as 1']]));
    expect(await memory.recall(second, asked)).toEqual(new Map());
  });

  it('is shared by processes: another memory on the same database knows it', async () => {
    const one = await message();
    await createAcceptances(database.pool, DAY, createVersionTracker()).remember(
      one,
      recipientHash('a@x'),
      'ok',
    );
    const found = await createAcceptances(database.pool, DAY, createVersionTracker()).recall(one, [
      recipientHash('a@x'),
    ]);
    expect(found.size).toBe(1);
  });

  it('remembers the same acceptance twice without a fault, and keeps the first reply', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const one = await message();
    await Promise.all([
      memory.remember(one, recipientHash('a@x'), 'first'),
      memory.remember(one, recipientHash('a@x'), 'second'),
    ]);
    expect([...(await memory.recall(one, [recipientHash('a@x')])).values()]).toHaveLength(1);
  });

  it('forgets once our reply has arrived, at the latest when it is closed', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const one = await message();
    await memory.remember(one, recipientHash('a@x'), 'ok');
    await memory.remember(one, recipientHash('b@x'), 'ok');
    memory.forget(one, [recipientHash('a@x')]);
    await memory.close();
    const left = await memory.recall(one, ['a@x', 'b@x'].map(recipientHash));
    expect([...left.keys()]).toEqual([recipientHash('b@x')]);
  });

  it('forgets at once, and what is remembered again is not removed with the old row', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const one = await message();
    await memory.remember(one, recipientHash('a@x'), 'first');
    memory.forget(one, [recipientHash('a@x')]);
    expect((await memory.recall(one, [recipientHash('a@x')])).size).toBe(0);
    await memory.remember(one, recipientHash('a@x'), 'second');
    expect([...(await memory.recall(one, [recipientHash('a@x')])).values()]).toEqual(['second']);
    await memory.close();
    expect((await memory.recall(one, [recipientHash('a@x')])).size).toBe(1);
  });

  it('expires what is older than its lifetime, and nothing younger', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const [old, young] = [await message(), await message()];
    await memory.remember(old, recipientHash('a@x'), 'ok');
    await memory.remember(young, recipientHash('a@x'), 'ok');
    await database.pool.query(
      `UPDATE deliveries SET accepted_at = now() - interval '25 hours' WHERE message_key = decode($1, 'hex')`,
      [old],
    );
    expect(await memory.expire()).toBe(1);
    expect((await memory.recall(old, [recipientHash('a@x')])).size).toBe(0);
    expect((await memory.recall(young, [recipientHash('a@x')])).size).toBe(1);
  });

  it('takes a reply of any bytes', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const one = await message();
    await memory.remember(one, recipientHash('a@x'), 'queued\0 as \u{1f4ec}');
    expect([...(await memory.recall(one, [recipientHash('a@x')])).values()]).toEqual(['queued as \u{1f4ec}']);
  });

  it('serves a thousand transactions at once in a few statements', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const keys = await Promise.all(Array.from({ length: 1000 }, message));
    await Promise.all(keys.map((key) => memory.remember(key, recipientHash('a@x'), 'ok')));
    const found = await Promise.all(keys.map((key) => memory.recall(key, [recipientHash('a@x')])));
    expect(found.every((replies) => replies.size === 1)).toBe(true);
  });

  it('answers what is recalled although what is remembered at the same moment cannot be written', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const [known, other] = [await message(), await message()];
    await memory.remember(known, recipientHash('a@x'), 'ok');
    await database.pool.query("ALTER TABLE deliveries ADD CONSTRAINT no_such CHECK (reply <> 'refused')");
    try {
      const [recalled, failed] = await Promise.allSettled([
        memory.recall(known, [recipientHash('a@x')]),
        memory.remember(other, recipientHash('a@x'), 'refused'),
      ]);
      expect(recalled).toEqual({ status: 'fulfilled', value: new Map([[recipientHash('a@x'), 'ok']]) });
      expect(failed.status).toBe('rejected');
    } finally {
      await database.pool.query('ALTER TABLE deliveries DROP CONSTRAINT no_such');
    }
  });

  it('looks rows up by the index, as planned while the table was new', async () => {
    const client = await database.pool.connect();
    try {
      for (const [name, text, parameters] of [
        ['recall', RECALL, 2],
        ['write', WRITE, 5],
        ['claim', RECALL_AND_CLAIM, 7],
        ['give_up', WRITE_AND_GIVE_UP, 7],
      ] as const) {
        await client.query(`PREPARE plan_${name} AS ${text}`);
        const none = Array.from({ length: parameters }, () => 'NULL').join();
        const { rows } = await client.query(`EXPLAIN EXECUTE plan_${name}(${none})`);
        // Tables of one row, or of one for each process.
        const plan = rows
          .map((row) => row['QUERY PLAN'])
          .join('\n')
          .replace(/Seq Scan on (?:directory_version|nodes) /g, '');
        expect(plan).toContain('Index Scan using deliveries');
        expect(plan).not.toContain('Seq Scan');
      }
    } finally {
      client.release(true);
    }
  });

  it('fails while the database is away, but a process that could not record still knows', async () => {
    const own = await openDatabase(config);
    const memory = createAcceptances(own.pool, DAY, createVersionTracker());
    const one = await message();
    await away(async () => {
      await expect(memory.remember(one, recipientHash('a@x'), 'ok')).rejects.toThrow();
      await expect(memory.recall(one, [recipientHash('a@x')])).rejects.toThrow();
    });
    expect((await memory.recall(one, [recipientHash('a@x')])).size).toBe(1);
    await own.close();
  });
});

describe('after the database was away', () => {
  const recipient = recipientHash('a@x');
  const rowsOf = async (key: string): Promise<number> => {
    const found = await database.pool.query('SELECT FROM deliveries WHERE message_key = decode($1, $2)', [
      key,
      'hex',
    ]);
    return found.rowCount ?? 0;
  };

  /** A message that was remembered, and then forgotten while the database was away. */
  async function forgottenInVain(): Promise<{ readonly memory: Acceptances; readonly one: string }> {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const one = await message();
    await memory.remember(one, recipient, 'ok');
    await away(async () => {
      memory.forget(one, [recipient]);
      // Takes the removal along, and fails with it.
      await expect(memory.remember(await message(), recipient, 'ok')).rejects.toThrow();
    });
    return { memory, one };
  }

  it('an acceptance that could not be recorded is written, so that other processes know it', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const one = await message();
    await away(() => expect(memory.remember(one, recipient, 'ok')).rejects.toThrow());
    await waitUntil('the acceptance to be written', 20_000, async () => (await rowsOf(one)) === 1);
    const other = createAcceptances(database.pool, DAY, createVersionTracker());
    expect(await other.recall(one, [recipient])).toEqual(new Map([[recipient, 'ok']]));
    await memory.close();
  });

  it('or at the latest when the memory is closed, however many they are', async () => {
    const memory = createAcceptances(database.pool, DAY, createVersionTracker());
    const one = await message();
    const recipients = Array.from({ length: 1100 }, (_, index) => recipientHash(`${index}@x`));
    await away(async () => {
      const tried = await Promise.allSettled(recipients.map((each) => memory.remember(one, each, 'ok')));
      expect(new Set(tried.map(({ status }) => status))).toEqual(new Set(['rejected']));
    });
    await memory.close();
    expect(await rowsOf(one)).toBe(recipients.length);
  });

  it('what could not be forgotten is unknown all the same, and is removed', async () => {
    const { memory, one } = await forgottenInVain();
    expect(await memory.recall(one, [recipient])).toEqual(new Map());
    await waitUntil('the row to be removed', 20_000, async () => (await rowsOf(one)) === 0);
    await memory.close();
  });

  it('what is accepted again before that stays', async () => {
    const { memory, one } = await forgottenInVain();
    await memory.remember(one, recipient, 'again');
    await memory.close();
    expect(await rowsOf(one)).toBe(1);
  });
});

describe('what makes two deliveries the same message', () => {
  const content = Buffer.from('content');
  const base = { queueId: 'Q', messageId: '<1@x>', sender: 'a@x', content };
  it.each<[string, Partial<MessageIdentity>, boolean]>([
    ['the same queue ID and content', {}, true],
    ['another queue ID', { queueId: 'R' }, false],
    ['other content', { content: Buffer.from('other') }, false],
    ['the queue ID decides, not Message-ID and sender', { messageId: '<2@x>', sender: 'b@x' }, true],
    [
      "a listener's own next hop",
      { nextHop: { protocol: 'smtp', endpoint: { kind: 'unix', path: '/x' } } },
      false,
    ],
  ])('%s', async (_name, change, same) => {
    expect((await messageHash({ ...base, ...change })) === (await messageHash(base))).toBe(same);
  });
  it.each([
    ['the same Message-ID, sender and content', {}, true],
    ['another Message-ID', { messageId: '<2@x>' }, false],
    ['another sender', { sender: 'b@x' }, false],
    ['other content', { content: Buffer.from('other') }, false],
  ])('without a queue ID: %s', async (_name, change, same) => {
    const without = { ...base, queueId: '' };
    expect((await messageHash({ ...without, ...change })) === (await messageHash(without))).toBe(same);
  });
});

describe('between nodes', () => {
  const carol = recipientHash('carol@x');

  /** A process of a node of its own, with the names of the statements that it sends for its mail. */
  function process(inHand: () => readonly AcceptanceRow[] = () => []) {
    const statements: string[] = [];
    const pool = {
      query(asked: unknown, values?: unknown) {
        const { name = '' } = asked as { name?: string };
        if (name !== '' && name !== 'sealpost-lease') statements.push(name);
        return database.pool.query(asked as never, values as never);
      },
    } as unknown as Database['pool'];
    const logger = createLogger({ level: 'silent' });
    const membership = createMembership(pool, { node: randomUUID(), leaseMs: 2000, logger });
    const memory = createAcceptances(pool, DAY, createVersionTracker(), { membership, inHand });
    return { memory, membership, statements };
  }

  const claims = async (): Promise<number> =>
    (await database.pool.query('SELECT count(*)::int AS rows FROM claims')).rows[0].rows;

  it('one that is alone sends the same statements as before, and writes no claim', async () => {
    const { memory, statements } = process();
    const one = await message();
    const begun = await memory.begin(one, [carol]);
    expect([begun.accepted.size, begun.elsewhere.size, await begun.mayFinish()]).toEqual([0, 0, true]);
    await memory.remember(one, carol, 'ok');
    memory.forget(one, [carol]);
    const failed = await memory.begin(await message(), [carol]);
    failed.giveUp([carol]);
    await memory.remember(await message(), carol, 'ok');
    expect(statements.filter((name) => !name.startsWith('sealpost-directory'))).toEqual([
      'sealpost-recall-nodes',
      'sealpost-memory',
      'sealpost-recall-nodes',
      'sealpost-memory',
    ]);
    expect(await claims()).toBe(0);
    await memory.close();
  });

  it('what one has in hand is claimed when a second one comes, and is its own until it is given up', async () => {
    const one = await message();
    const hand: AcceptanceRow[] = [];
    const first = process(() => hand);
    await first.membership.joined();
    hand.push({ message: one, recipient: carol });
    const begun = await first.memory.begin(one, [carol]);
    expect(await claims()).toBe(0);
    const second = process();
    // It waits until the first one has claimed.
    expect((await second.memory.begin(one, [carol])).elsewhere).toEqual(new Set([carol]));
    begun.giveUp([carol]);
    await waitUntil('the claim to be given up', 5000, async () => (await claims()) === 0);
    expect((await second.memory.begin(one, [carol])).elsewhere.size).toBe(0);
    await second.memory.remember(one, carol, 'ok');
    expect((await first.memory.begin(one, [carol])).accepted).toEqual(new Map([[carol, 'ok']]));
    // The first one was not told to wait: nobody else asks for it, once the second one's client has the reply.
    second.memory.forget(one, [carol]);
    await second.memory.close();
    await first.memory.close();
  });

  it('take the same letters in any order at once, each of them at one node', async () => {
    const nodes = [process(), process()];
    for (const { membership } of nodes) await membership.joined();
    const letters = await Promise.all(Array.from({ length: 300 }, message));
    const [here = [], there = []] = await Promise.all(
      nodes.map(({ memory }, index) =>
        Promise.all(
          (index === 0 ? letters : letters.toReversed()).map((each) => memory.begin(each, [carol])),
        ),
      ),
    );
    const taken = [...here, ...there].filter(({ elsewhere }) => elsewhere.size === 0);
    expect(taken).toHaveLength(letters.length);
    for (const { memory } of nodes) await memory.close();
  });
});
