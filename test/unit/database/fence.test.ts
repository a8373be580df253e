import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { createFence, type Fence, OtherServer, whyRefused } from '../../../src/database/fence.ts';

const OURS = { system: '7001', timeline: 3 };

describe('a database server', () => {
  it.each([
    ['the same one', OURS, OURS, null],
    ['one that nobody has seen yet', null, OURS, null],
    ['one that was promoted', OURS, { system: '7001', timeline: 4 }, null],
    ['its standby, which tells no timeline', OURS, { system: '7001', timeline: 0 }, null],
    [
      'an old primary',
      OURS,
      { system: '7001', timeline: 2 },
      /old primary: its timeline is 2, and 3 was seen/,
    ],
    ['another one', OURS, { system: '7002', timeline: 9 }, /another server.* 7002, not 7001/],
    ['a standby of another one', OURS, { system: '7002', timeline: 0 }, /another server/],
  ])('%s is judged by what it says', (_, known, found, refused) => {
    const because = whyRefused(known, found);
    if (refused === null) expect(because).toBeNull();
    else expect(because).toMatch(refused);
  });
});

describe('the fence', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sp-fence-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const fence = (url = 'postgres://u:p@db1,db2/mail', keeps = true): Fence | null =>
    createFence(configSchema.parse({ state_dir: folder, database: { url } }), keeps);
  const written = (): string => {
    try {
      return readFileSync(join(folder, 'database-servers.json'), 'utf8');
    } catch {
      return '';
    }
  };
  const seen = async (url?: string): Promise<void> => {
    fence(url)?.check(OURS);
    await expect.poll(written).toContain('7001');
  };

  it('knows the highest timeline after a restart, and by a URL with another password', async () => {
    await seen();
    expect(() =>
      fence('postgres://u:new@db1,db2/mail?connect_timeout=3')?.check({ system: '7001', timeline: 2 }),
    ).toThrow(OtherServer);
    expect(written()).not.toContain(':p@');
  });

  it('knows nothing of other servers, of another database and of the embedded server', async () => {
    await seen();
    const other = { system: '7002', timeline: 1 };
    expect(() => fence('postgres://db3/mail')?.check(other)).not.toThrow();
    expect(() => fence('postgres://db1,db2/more')?.check(other)).not.toThrow();
    expect(fence('embedded:')).toBeNull();
  });

  it('is not written by who only looks, nor in a folder that everybody may write', () => {
    fence(undefined, false)?.check(OURS);
    chmodSync(folder, 0o777);
    expect(fence()).toBeNull();
    expect(written()).toBe('');
  });

  it('lets the other server pass once somebody has accepted it, also in a process that runs', async () => {
    await seen();
    const running = fence();
    const old = { system: '7001', timeline: 2 };
    expect(() => running?.check(old)).toThrow('old primary');
    expect(await fence()?.accept(old)).toMatchObject(OURS);
    expect(() => running?.check(old)).not.toThrow();
    // What is seen from then on counts anew.
    expect(() => running?.check({ system: '7001', timeline: 1 })).toThrow('old primary');
  });

  it('is not lowered by a file that could not be written', async () => {
    await seen();
    const running = fence(undefined, false);
    running?.check({ system: '7001', timeline: 5 });
    expect(() => running?.check(OURS)).toThrow('old primary');
  });
});
