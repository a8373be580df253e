// Puts new files of a Postfix in the place of the old ones, step by step: killed between any two, the next run finishes the change
// or takes it back, since the record says what was there and what was to be.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Refused } from '../host/exit-codes.ts';
import { draftFile, dropDraft, putDraft } from '../host/replace-file.ts';
import {
  type Contents,
  FILES,
  type FileName,
  hashesOf,
  interruptedRecord,
  keepContents,
  keptContents,
  makeRecord,
  type RecordOfChange,
  removeRecord,
  rewriteManifest,
  sweepRecords,
} from './records.ts';

/** Carries out the steps of a change, in order. Tests stop it between two of them, as a kill would. */
export type Stepper = (name: string, step: () => Promise<void>) => Promise<void>;

export const everyStep: Stepper = (_name, step) => step();

/** What lies in a configuration folder now. @throws Error of the system */
export async function readContents(configDir: string): Promise<Contents> {
  return {
    'main.cf': await readFile(join(configDir, 'main.cf')),
    'master.cf': await readFile(join(configDir, 'master.cf')),
  };
}

/**
 * Makes a change and records it.
 * @throws Error of the system, or of a step: {@link recover} puts the files back
 */
export async function applyChange(
  configDir: string,
  wiring: string,
  before: Contents,
  after: Contents,
  stepper: Stepper = everyStep,
): Promise<void> {
  const made: { record?: RecordOfChange } = {};
  await stepper('record', async () => {
    made.record = await makeRecord(configDir, wiring, before, after);
  });
  await exchange(configDir, FILES, after, stepper);
  await stepper('mark as applied', async () => {
    if (made.record !== undefined)
      await rewriteManifest(made.record, { ...made.record.manifest, state: 'applied' });
  });
}

/** The same; where it fails, the files are put back before the error goes on. */
export async function applyOrRollBack(...change: Parameters<typeof applyChange>): Promise<void> {
  try {
    await applyChange(...change);
  } catch (error) {
    await recover(change[0]);
    throw error;
  }
}

/**
 * Takes a change back: `target` takes the place of `from`, and the record is removed.
 * @param from what is there now
 */
export async function undoChange(
  configDir: string,
  record: RecordOfChange,
  from: Contents,
  target: Contents,
  stepper: Stepper = everyStep,
): Promise<void> {
  await stepper('keep the target', () => keepContents(record.folder, 'target', target));
  const undo = { from: hashesOf(from), to: hashesOf(target) };
  const marked: { record: RecordOfChange } = { record };
  await stepper('mark as being undone', async () => {
    marked.record = await rewriteManifest(record, { ...record.manifest, state: 'undoing', undo });
  });
  await exchange(configDir, FILES.toReversed(), target, stepper);
  await stepper('remove the record', () => removeRecord(configDir, marked.record));
}

async function exchange(
  configDir: string,
  files: readonly FileName[],
  contents: Contents,
  stepper: Stepper,
): Promise<void> {
  for (const file of files) {
    const path = join(configDir, file);
    if (contents[file].equals(await readFile(path))) continue;
    await stepper(`draft ${file}`, () => draftFile(path, contents[file]));
    await stepper(`put ${file}`, () => putDraft(path));
  }
}

/** What an interrupted run had begun, and what became of it. */
export interface Recovered {
  readonly wiring: string;
  readonly what: 'rolled back' | 'finished';
}

/**
 * Rolls an interrupted apply back, and finishes an interrupted undo. Call it under the lock.
 * @throws Refused where somebody has changed a file in between: it is left as it is
 */
export async function recover(configDir: string): Promise<Recovered | null> {
  await sweepRecords(configDir);
  for (const file of FILES) await dropDraft(join(configDir, file));
  const begun = await interruptedRecord(configDir);
  if (begun === null) return null;
  const { manifest } = begun;
  const undo = manifest.state === 'undoing' ? manifest.undo : undefined;
  const { from, to } = undo ?? { from: manifest.after, to: manifest.before };
  const now = hashesOf(await readContents(configDir));
  for (const file of FILES)
    if (now[file] !== from[file] && now[file] !== to[file])
      throw new Refused(
        `${undo ? 'an undo' : 'an apply'} of ${manifest.wiring} was interrupted, and ${join(configDir, file)} has been changed since; ` +
          `what was there before lies in ${join(begun.folder, 'before')}: compare, put right what you want to keep, and remove ${begun.folder}`,
      );
  const contents = await keptContents(begun, undo ? 'target' : 'before', to);
  await exchange(configDir, FILES.toReversed(), contents, everyStep);
  await removeRecord(configDir, begun);
  return { wiring: manifest.wiring, what: undo ? 'finished' : 'rolled back' };
}
