import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listNew, readSpoolFile, removeFiled, setAside } from '../../../receiver/spool/maildir.ts';
import { createBudget } from '../../../src/smtp/server/budget.ts';

let spool: string;
beforeEach(() => {
  spool = mkdtempSync(join(tmpdir(), 'sp-maildir-'));
  for (const folder of ['new', 'tmp']) mkdirSync(join(spool, folder));
});
afterEach(() => rmSync(spool, { recursive: true, force: true }));

const put = (name: string, content: string) => writeFileSync(join(spool, 'new', name), content);
const read = (name: string, most = 1000, budget = createBudget(1000)) =>
  readSpoolFile(spool, name, most, (bytes) => budget.request(bytes), most);

describe('a spool', () => {
  it('lists its messages oldest first, and nothing that begins with a dot', async () => {
    for (const name of ['1000.b', '999.z', '1000.a', '.nfs1', 'odd']) put(name, 'x');
    expect(await listNew(spool)).toEqual(['999.z', '1000.a', '1000.b', 'odd']);
  });

  it('says that a file which vanished is gone, and does not mind removing it', async () => {
    expect(await read('1.a')).toEqual({ kind: 'gone' });
    await removeFiled(spool, ['1.a']);
    await setAside(spool, '1.a', 'reason');
    expect(readdirSync(join(spool, 'failed'))).toEqual([]);
  });

  it('lets a file wait for memory, and sets aside one that could never have enough', async () => {
    put('1.a', 'x'.repeat(600));
    const budget = createBudget(1000);
    const first = await read('1.a', 1000, budget);
    expect(first.kind).toBe('message');
    expect((await read('1.a', 1000, budget)).kind).toBe('no room');
    first.lease?.release();
    expect((await read('1.a', 1000, budget)).kind).toBe('message');
    expect((await read('1.a', 599)).kind).toBe('broken');
  });

  it('reads names and contents of any bytes', async () => {
    const name = Buffer.from([0x31, 0x2e, 0xff, 0xe9]);
    writeFileSync(Buffer.concat([Buffer.from(`${spool}/new/`), name]), Buffer.from([0, 255, 10]));
    const [listed = ''] = await listNew(spool);
    const found = await read(listed);
    expect(found.kind === 'message' && [...found.head]).toEqual([0, 255, 10]);
    await removeFiled(spool, [listed]);
    expect(await listNew(spool)).toEqual([]);
  });

  it('leaves a large message in its file, open for whoever reads on', async () => {
    put('1.a', `${'h'.repeat(2 ** 20)}rest`);
    const size = 2 ** 20 + 4;
    const found = await readSpoolFile(spool, '1.a', size, () => createBudget(size).request(size), 100);
    if (found.kind !== 'message' || found.file === null) throw new Error('not left in its file');
    expect(found.size).toBe(size);
    expect(found.head.equals(Buffer.alloc(2 ** 20, 'h'))).toBe(true);
    rmSync(join(spool, 'new', '1.a'));
    expect((await found.file.readFile()).length).toBe(size);
    await found.file.close();
  });

  it('takes a file that it may not read for one to be set aside', async () => {
    put('1.a', 'x');
    chmodSync(join(spool, 'new', '1.a'), 0);
    chmodSync(spool, 0o755);
    // root may read everything.
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid?.(65534);
    const found = await read('1.a').finally(() => {
      if (root) process.seteuid?.(0);
    });
    expect(found.kind === 'broken' && found.because).toMatch(/permission denied/);
  });

  it('writes one line of reason beside what is set aside', async () => {
    put('1.a', 'kept');
    await setAside(spool, '1.a', 'two\nlines');
    expect(readFileSync(join(spool, 'failed', '1.a'), 'utf8')).toBe('kept');
    expect(readFileSync(join(spool, 'failed', '1.a.reason'), 'utf8')).toBe('two lines\n');
    expect(await listNew(spool)).toEqual([]);
  });

  it('replaces nothing that was set aside under the same name, nor its reason', async () => {
    for (const content of ['one', 'two']) {
      put('1.a', content);
      await setAside(spool, '1.a', content);
    }
    writeFileSync(join(spool, 'failed', '1.a.3.reason'), 'of a process that was killed\n');
    put('1.a', 'three');
    await setAside(spool, '1.a', 'three');
    for (const [name, content] of [
      ['1.a', 'one'],
      ['1.a.2', 'two'],
      ['1.a.4', 'three'],
    ] as const) {
      expect(readFileSync(join(spool, 'failed', name), 'utf8')).toBe(content);
      expect(readFileSync(join(spool, 'failed', `${name}.reason`), 'utf8')).toBe(`${content}\n`);
    }
  });
});
