// Takes a wiring back that apply has made.
import { join } from 'node:path';
import { Refused } from '../host/exit-codes.ts';
import { takenOut, unifiedDiff } from './difference.ts';
import { type Recovered, readContents, undoChange } from './exchange.ts';
import { underLock } from './one-at-a-time.ts';
import { type Contents, FILES, hashesOf, keptContents, listRecords, type RecordOfChange } from './records.ts';
import { refuseWhatChanged, refuseWhatPostfixRefuses } from './refuse.ts';
import { configFolder } from './rewire.ts';
import { readWiring } from './wiring.ts';

/** How an undo ended. */
export type Undone =
  | { readonly kind: 'undone'; readonly wiring: string; readonly merged: boolean }
  /** An interrupted run was brought to an end, and that was all. */
  | { readonly kind: 'recovered' }
  /** Somebody changed the files since; nothing was done. */
  | { readonly kind: 'changed'; readonly wiring: string; readonly diff: string };

/**
 * Takes the last wiring back, to the byte where nobody changed the files since.
 * @param name null: whichever was applied last
 * @param keepChanges where somebody did change them: takes only out what the wiring brought, and leaves the rest
 * @throws Refused where there is nothing to undo, or another wiring was applied later
 */
export async function undoWiring(
  name: string | null,
  given: string | null,
  keepChanges: boolean,
): Promise<{ readonly undone: Undone; readonly configDir: string; readonly recovered: Recovered | null }> {
  if (name !== null) readWiring(name);
  return underLock(await configFolder(given), async (configDir, recovered) => {
    if (recovered !== null && (name === null || name === recovered.wiring))
      return { undone: { kind: 'recovered' }, configDir, recovered };
    const record = lastRecord(await listRecords(configDir), name, configDir);
    return { undone: await undoRecord(configDir, record, keepChanges), configDir, recovered };
  });
}

function lastRecord(
  records: readonly RecordOfChange[],
  name: string | null,
  configDir: string,
): RecordOfChange {
  const last = records.at(-1);
  const wirings = records.map(({ manifest }) => manifest.wiring);
  if (last === undefined || (name !== null && !wirings.includes(name)))
    throw new Refused(
      `"sealpost postfix apply${name === null ? '' : ` ${name}`}" has changed nothing in ${configDir} that could be undone; for a wiring that was made by hand see its README`,
    );
  if (name === null || last.manifest.wiring === name) return last;
  throw new Refused(
    `${last.manifest.wiring} was applied after ${name}: undo that first ("sealpost postfix undo ${last.manifest.wiring}")`,
  );
}

async function undoRecord(configDir: string, record: RecordOfChange, keepChanges: boolean): Promise<Undone> {
  const { wiring, before, after } = record.manifest;
  const now = await readContents(configDir);
  const hashes = hashesOf(now);
  const kept = await keptContents(record, 'before', before);
  const untouched = FILES.every((file) => hashes[file] === after[file] || hashes[file] === before[file]);
  if (untouched) {
    await undoChange(configDir, record, now, kept);
    return { kind: 'undone', wiring, merged: false };
  }
  if (!keepChanges) return { kind: 'changed', wiring, diff: await changedSince(configDir, record, now) };
  const target = { 'main.cf': await without('main.cf'), 'master.cf': await without('master.cf') };
  await refuseWhatPostfixRefuses(configDir, target);
  await refuseWhatChanged(configDir, now);
  await undoChange(configDir, record, now, target);
  return { kind: 'undone', wiring, merged: true };

  async function without(file: 'main.cf' | 'master.cf'): Promise<Buffer> {
    const [older, oldest] = [join(record.folder, 'after', file), join(record.folder, 'before', file)];
    const result = await takenOut(join(configDir, file), older, oldest);
    if (result !== null) return result;
    throw new Refused(
      `nothing was changed: the very lines that ${wiring} brought into ${join(configDir, file)} were changed since; what was there before lies in ${join(record.folder, 'before')}`,
    );
  }
}

async function changedSince(configDir: string, record: RecordOfChange, now: Contents): Promise<string> {
  const parts: string[] = [];
  for (const file of FILES.toReversed()) {
    const path = join(configDir, file);
    parts.push(
      await unifiedDiff(join(record.folder, 'after', file), now[file], [
        `${path} (as applied)`,
        `${path} (now)`,
      ]),
    );
  }
  return parts.join('');
}
