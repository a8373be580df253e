// main.cf and master.cf change places with new ones, whatever kills the process: both are there, old or new, and the next run ends
// what was begun.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  applyChange,
  applyOrRollBack,
  everyStep,
  readContents,
  recover,
  type Stepper,
  undoChange,
} from '../../../src/postfix/exchange.ts';
import { underLock } from '../../../src/postfix/one-at-a-time.ts';
import { type Contents, keptContents, listRecords, recordsFolder } from '../../../src/postfix/records.ts';

const OLD = { 'main.cf': Buffer.from('a = 1 # caf\xe9\n', 'latin1'), 'master.cf': Buffer.from('smtp inet') };
const NEW = { 'main.cf': Buffer.from('a = 2\n'), 'master.cf': Buffer.from('smtp inet\nnew unix\n') };

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sp-exchange-'));
  mkdirSync(recordsFolder(dir), { mode: 0o700 });
  for (const [name, bytes] of Object.entries(OLD)) writeFileSync(join(dir, name), bytes);
  chmodSync(join(dir, 'main.cf'), 0o640);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Plays a process that is killed before its nth step. */
function killedBefore(n: number): Stepper {
  let step = 0;
  return async (_name, task) => {
    if (step++ === n) throw new Error('killed');
    await task();
  };
}

/** How many steps a change has. */
async function stepsOf(task: (stepper: Stepper) => Promise<void>): Promise<string[]> {
  const names: string[] = [];
  await task(async (name, step) => {
    names.push(name);
    await step();
  });
  return names;
}

const apply = (stepper = everyStep) => applyChange(dir, 'delivery-lmtp', OLD, NEW, stepper);
const isNow = async (expected: Contents) => expect(await readContents(dir)).toEqual(expected);
/** Nothing but the files and what is recorded. */
const leftovers = () =>
  [...readdirSync(dir), ...readdirSync(recordsFolder(dir))].filter(
    (name) => !/^(?:main\.cf|master\.cf|sealpost-applied|001-delivery-lmtp)$/.test(name),
  );

async function undo(stepper: Stepper): Promise<void> {
  const [record] = await listRecords(dir);
  if (record === undefined) throw new Error('no record');
  const before = await keptContents(record, 'before', record.manifest.before);
  await undoChange(dir, record, await readContents(dir), before, stepper);
}

describe('a change', () => {
  it('goes service by service before main.cf speaks of them, and the other way round when it is undone', async () => {
    expect(await stepsOf(apply)).toEqual([
      'record',
      'draft master.cf',
      'put master.cf',
      'draft main.cf',
      'put main.cf',
      'mark as applied',
    ]);
    await isNow(NEW);
    expect(await stepsOf(undo)).toEqual([
      'keep the target',
      'mark as being undone',
      'draft main.cf',
      'put main.cf',
      'draft master.cf',
      'put master.cf',
      'remove the record',
    ]);
    await isNow(OLD);
    expect(leftovers()).toEqual([]);
    expect(await listRecords(dir)).toEqual([]);
  });

  it('keeps mode and owner of the files, and its own record to itself', async () => {
    await apply();
    expect(statSync(join(dir, 'main.cf')).mode & 0o777).toBe(0o640);
    for (const name of ['before/main.cf', 'after/master.cf', 'manifest.json'])
      expect(statSync(join(recordsFolder(dir), '001-delivery-lmtp', name)).mode & 0o777).toBe(0o600);
  });

  it('follows a symbolic link to the file that is meant', async () => {
    const real = join(recordsFolder(dir), '..', 'real.cf');
    writeFileSync(real, OLD['main.cf']);
    rmSync(join(dir, 'main.cf'));
    symlinkSync('real.cf', join(dir, 'main.cf'));
    await apply();
    expect(readFileSync(real)).toEqual(NEW['main.cf']);
  });

  it.each([0, 1, 2, 3, 4, 5])(
    'that is killed before step %i of apply is rolled back by the next run',
    async (n) => {
      await expect(apply(killedBefore(n))).rejects.toThrow('killed');
      for (const file of ['main.cf', 'master.cf'] as const)
        expect([OLD[file], NEW[file]]).toContainEqual(readFileSync(join(dir, file)));
      expect(await recover(dir)).toEqual(n === 0 ? null : { wiring: 'delivery-lmtp', what: 'rolled back' });
      await isNow(OLD);
      expect(leftovers()).toEqual([]);
      await apply();
      await isNow(NEW);
    },
  );

  it.each([0, 1, 2, 3, 4, 5, 6])(
    'that is killed before step %i of undo is finished by the next run',
    async (n) => {
      await apply();
      await expect(undo(killedBefore(n))).rejects.toThrow('killed');
      expect(await recover(dir)).toEqual(n < 2 ? null : { wiring: 'delivery-lmtp', what: 'finished' });
      if (n < 2) await undo(everyStep);
      await isNow(OLD);
      expect(leftovers()).toEqual([]);
    },
  );

  it('that fails is rolled back at once', async () => {
    await expect(applyOrRollBack(dir, 'pipe', OLD, NEW, killedBefore(4))).rejects.toThrow('killed');
    await isNow(OLD);
    expect(await listRecords(dir)).toEqual([]);
  });
});

describe('what an interrupted run has left', () => {
  it('is not touched where somebody has changed a file since', async () => {
    await expect(apply(killedBefore(4))).rejects.toThrow('killed');
    writeFileSync(join(dir, 'main.cf'), 'by hand\n');
    await expect(recover(dir)).rejects.toThrow(
      /an apply of delivery-lmtp was interrupted, and .*main\.cf has been changed since/,
    );
    expect(readFileSync(join(dir, 'main.cf'), 'utf8')).toBe('by hand\n');
    expect(readFileSync(join(dir, 'master.cf'))).toEqual(NEW['master.cf']);
  });

  it('is not put back where the record itself was changed', async () => {
    await expect(apply(killedBefore(3))).rejects.toThrow('killed');
    writeFileSync(
      join(recordsFolder(dir), '001-delivery-lmtp/before/master.cf'),
      'evil unix - n n - - pipe user=root\n',
    );
    await expect(recover(dir)).rejects.toThrow('is not what apply wrote there');
  });

  it('of a record that was half written is swept away', async () => {
    mkdirSync(join(recordsFolder(dir), 'new-1'));
    mkdirSync(join(recordsFolder(dir), 'old-001-pipe'));
    writeFileSync(join(dir, '.main.cf.sealpost-new'), 'half');
    expect(await recover(dir)).toBeNull();
    expect(leftovers()).toEqual([]);
  });
});

describe('one at a time', () => {
  it('refuses a folder of records that others can write: root would put back what they left there', async () => {
    chmodSync(recordsFolder(dir), 0o777);
    await expect(underLock(dir, () => Promise.resolve())).rejects.toThrow('must belong to this user');
  });

  it('lets the second run wait for the first', async () => {
    const order: string[] = [];
    const slow = underLock(dir, async () => {
      order.push('first');
      await new Promise((resolve) => setTimeout(resolve, 50));
      order.push('end of first');
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    await underLock(dir, async () => void order.push('second'));
    await slow;
    expect(order).toEqual(['first', 'end of first', 'second']);
  });
});
