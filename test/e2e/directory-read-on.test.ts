// Other names of a domain, and addresses that Postfix makes other ones of, over a real PostgreSQL.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerUser } from '../../src/cli/user.ts';
import { listenForChanges } from '../../src/database/notifications.ts';
import { type CachedDirectory, createDirectory } from '../../src/directory/lookup.ts';
import type { RecipientFacts } from '../../src/directory/types.ts';
import { waitUntil } from '../support/child.ts';
import { openTrial, type Trial } from '../support/trial.ts';

let trial: Trial;

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerAlias]);
  for (const domain of ['example.org', 'other.example']) await trial.json('domain', 'add', domain);
  for (const user of ['alice@example.org', 'news@example.org', 'both@example.org', 'both@other.example'])
    await trial.json('user', 'add', user);
  await trial.json('alias', 'add', '@other.example', 'both@other.example');
});

afterAll(() => trial?.close());

function who({ resolution, domain }: RecipientFacts): string {
  const [reader] = 'readers' in resolution ? resolution.readers : [];
  return reader?.kind === 'user'
    ? reader.user.address
    : `${resolution.kind} of ${domain?.name ?? 'no domain'}`;
}

async function readerOf(path: string, directory?: CachedDirectory): Promise<string> {
  const { database, config } = trial;
  return who(await (directory ?? createDirectory({ database, config })).recipient(path));
}

describe('other names of a domain', () => {
  it('are set, shown and listed in the words of the command line', async () => {
    const set = ['domain', 'set', 'example.org', 'local=on'];
    expect(
      await trial.json(...set, 'other_names=MX.example.org., localhost,[IPv6:2001:DB8:0::9]'),
    ).toMatchObject({
      local: true,
      other_names: ['[ipv6:2001:db8::9]', 'localhost', 'mx.example.org'],
    });
    expect(await trial.json('domain', 'show', 'localhost')).toMatchObject({
      name: 'example.org',
      local: true,
    });
    const { out } = await trial.sealpost('domain', 'list');
    expect(out).toContain('local=on other_names=[ipv6:2001:db8::9],localhost,mx.example.org');
  });

  it.each([
    [
      ['domain', 'set', 'other.example', 'other_names=localhost'],
      1,
      /localhost is another name of example\.org/,
    ],
    [['domain', 'set', 'other.example', 'other_names=example.org'], 1, /example\.org is a domain of its own/],
    [
      ['domain', 'set', 'other.example', 'other_names=a..b'],
      2,
      /expected names and address literals such as/,
    ],
    [['domain', 'set', 'other.example', 'local=perhaps'], 2, /expected on or off/],
    [['domain', 'add', 'mx.example.org'], 1, /mx\.example\.org is another name of example\.org/],
    [['user', 'set', 'alice@example.org', 'local=on'], 2, /expected one of/],
  ])('are refused where they cannot be: %j', async (words, exit, expected) => {
    const { code, err } = await trial.sealpost(...words);
    expect(code).toBe(exit);
    expect(err).toMatch(expected);
  });

  it('mean the same mailboxes', async () => {
    expect(await readerOf('News+x@MX.example.org')).toBe('news@example.org');
    expect(await readerOf('alice@[IPv6:2001:db8::9]')).toBe('alice@example.org');
    expect(await readerOf('ghost@localhost')).toBe('nobody of example.org');
  });

  it('reach a directory that has cached the answer, and leave it again', async () => {
    const { database, config } = trial;
    const directory = createDirectory({ database, config });
    const changes = await listenForChanges(config, {
      onChange: (change) => directory.invalidate(change),
      onLost: () => directory.watch(false),
      onRestored: () => directory.watch(true),
    });
    try {
      const becomes = (expected: string) =>
        waitUntil(`news@new.example to be ${expected}`, 10_000, async () => {
          return (await readerOf('news@new.example', directory)) === expected;
        });
      await becomes('nobody of no domain');
      await trial.json('domain', 'set', 'example.org', 'other_names=new.example');
      await becomes('news@example.org');
      await trial.json('domain', 'set', 'example.org', 'other_names=', 'local=');
      await becomes('nobody of no domain');
    } finally {
      await changes.close();
    }
  });
});

describe('an address that Postfix makes another one of', () => {
  it.each([
    ['alice%example.org@mx.example', 'alice@example.org'],
    ['"alice@example.org"@localhost', 'alice@example.org'],
    [`alice${'%localhost'.repeat(10)}@localhost`, 'alice@example.org'],
    [`alice%example.org${'%localhost'.repeat(18)}@localhost`, 'alice@example.org'],
    [`alice%example.org${'%localhost'.repeat(30)}@localhost`, 'unclear of no domain'],
    ['news@localhost', 'news@example.org'],
    ['news+x', 'news@example.org'],
    ['id_1@localhost', 'alice@example.org'],
    ['both@[127.0.0.1]', 'unclear of no domain'],
    ['ghost@localhost', 'nobody of no domain'],
    ['alice%example.org@other.example', 'unclear of example.org'],
    ['alice%example.org@elsewhere.example', 'nobody of no domain'],
  ])('%s is for %s', async (path, expected) => {
    expect(await readerOf(path)).toBe(expected);
  });

  it('costs one query more only where the machine is meant', async () => {
    const { database, config } = trial;
    let queries = 0;
    const pool = new Proxy(database.pool, {
      get: (target, name) => {
        if (name === 'query') queries += 1;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const directory = createDirectory({ database: { pool }, config });
    await directory.recipient('alice+list@example.org');
    expect(queries).toBe(1);
    await directory.recipient('alice%example.org@other.example');
    expect(queries).toBe(2);
    await directory.recipient('news%localhost%localhost@localhost');
    expect(queries).toBeLessThanOrEqual(5);
  });

  it('is not kept where any of our domains may come to have the name', async () => {
    const { database, config } = trial;
    const directory = createDirectory({ database, config });
    expect(await readerOf('later@localhost', directory)).toBe('nobody of no domain');
    await trial.json('user', 'add', 'later@other.example');
    expect(await readerOf('later@localhost', directory)).toBe('later@other.example');
  });
});
