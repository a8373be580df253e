// Locks and leases of several processes: one holder at a time, and a killed holder is none.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  addLease,
  countLeases,
  dropLease,
  isAlive,
  ownIdentity,
  parseIdentity,
  parseProcStat,
  takeLock,
} from '../../../src/host/process-lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealpost-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A process ID that was in use a moment ago. */
async function deadProcess(): Promise<number> {
  const child = spawn('true');
  await new Promise((resolve) => child.on('close', resolve));
  return child.pid ?? 0;
}

describe('a process', () => {
  it('is known by its start time, also when its name holds parentheses and spaces', () => {
    const fields = ['S', ...Array.from({ length: 18 }, () => '0'), '4711', '0'];
    expect(parseProcStat(`12 (a) b (c) ${fields.join(' ')}`)).toEqual({ state: 'S', start: '4711' });
    expect(parseProcStat('')).toBeNull();
  });
  it('is alive while it runs', () => expect(isAlive(ownIdentity())).toBe(true));
  it('is dead when it has ended', { tags: ['slow'] }, async () =>
    expect(isAlive({ pid: await deadProcess(), start: null })).toBe(false),
  );
  it('is dead when another one has its process ID', () => {
    expect(isAlive({ pid: process.pid, start: '1 some-earlier-boot' })).toBe(false);
  });
  it.each([
    '',
    '{',
    '{}',
    '{"pid":0,"start":null}',
    '{"pid":"1","start":null}',
    '{"pid":1,"start":2}',
    'null',
  ])('is not read from %j', (text) => expect(parseIdentity(text)).toBeNull());
});

describe('the lock', () => {
  it('is held by one at a time', async () => {
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 12 }, async () => {
        for (let turn = 0; turn < 5; turn++) {
          const release = await takeLock(folder, 20_000);
          inside++;
          most = Math.max(most, inside);
          await sleep(1);
          inside--;
          release();
        }
      }),
    );
    expect(most).toBe(1);
    expect(readdirSync(folder).length).toBeLessThan(20);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });
  it('is given back by its own file, whatever has its name by then', async () => {
    const other = join(folder, 'precious');
    writeFileSync(other, 'text');
    const release = await takeLock(folder, 1000);
    rmSync(join(folder, '1'));
    symlinkSync(other, join(folder, '1'));
    release();
    expect(readFileSync(other, 'utf8')).toBe('text');
  });
  it('leaves no descriptor open, whether it was had or not', async () => {
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    const release = await takeLock(folder, 1000);
    await expect(takeLock(folder, 1)).rejects.toThrow('has held the lock');
    release();
    expect(open()).toBe(before);
  });
  it('passes from a holder that was killed', { tags: ['slow'] }, async () => {
    writeFileSync(join(folder, '7'), JSON.stringify({ pid: await deadProcess(), start: null }));
    const release = await takeLock(folder, 1000);
    expect(readdirSync(folder)).toContain('8');
    release();
  });
  it('passes from a holder that was killed while it wrote', async () => {
    writeFileSync(join(folder, '1'), '{"pi');
    (await takeLock(folder, 1000))();
  });
  it('tells who has it when the time is over', async () => {
    const release = await takeLock(folder, 1000);
    await expect(takeLock(folder, 100)).rejects.toThrow(`process ${process.pid} has held the lock ${folder}`);
    release();
    (await takeLock(folder, 100))();
  });
});

describe('leases', () => {
  it('count the living and forget the dead', { tags: ['slow'] }, async () => {
    const first = addLease(folder);
    addLease(folder);
    writeFileSync(join(folder, '1.aa'), JSON.stringify({ pid: await deadProcess(), start: null }));
    writeFileSync(join(folder, '1.bb'), '{"pid":');
    expect(countLeases(folder)).toBe(2);
    expect(readdirSync(folder)).toHaveLength(2);
    dropLease(first);
    dropLease(first);
    expect(countLeases(folder)).toBe(1);
  });
});
