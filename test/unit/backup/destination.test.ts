// Where a backup goes: the name is given to a whole file only, and what was there before stays until then.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noteBackup, writeTo } from '../../../src/backup/destination.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sp-destination-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function* bytes(text: string, error?: Error): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
  if (error !== undefined) throw error;
}

describe('the file of a backup', () => {
  it('is for its owner alone, whoever could read the one before', async () => {
    const file = join(folder, 'a.tar');
    writeFileSync(file, 'before');
    chmodSync(file, 0o644);
    await writeTo(file, bytes('after'));
    expect(readFileSync(file, 'utf8')).toBe('after');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('stays as it was when the new one cannot be finished, and nothing is left beside it', async () => {
    const file = join(folder, 'b.tar');
    writeFileSync(file, 'the night before');
    await expect(writeTo(file, bytes('half', new Error('the disk is full')))).rejects.toThrow('disk is full');
    expect(readFileSync(file, 'utf8')).toBe('the night before');
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is rid of what a run left that was killed, and of no other run’s', async () => {
    const file = join(folder, 'c.tar');
    const alive = `.c.tar.part-${process.ppid}`;
    writeFileSync(join(folder, '.c.tar.part-999999999'), 'half');
    writeFileSync(join(folder, alive), 'at work');
    await writeTo(file, bytes('whole'));
    expect(readdirSync(folder).filter((name) => name.startsWith('.c'))).toEqual([alive]);
  });

  it('is no folder, and nothing but a file', async () => {
    await expect(writeTo(folder, bytes(''))).rejects.toThrow('no regular file');
    await expect(writeTo('/dev/full', bytes(''))).rejects.toThrow('no regular file');
  });
});

describe('the note of the last backup', () => {
  it('is as old as the backup', async () => {
    await noteBackup(join(folder, 'state'), 'x.tar');
    expect(statSync(join(folder, 'state', 'last-backup')).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
  });
});
