// What apply keeps of each change, beside main.cf, so that undo can take it back: both files as they were and as they became, and
// a manifest with their hashes. Below a folder of root's, not below state_dir: root puts back what lies here, so nobody else may
// write it.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { packageVersion } from '../config/package.ts';
import { Refused } from '../host/exit-codes.ts';
import { replaceFile } from '../host/replace-file.ts';
import { syncFolder } from '../host/sync-folder.ts';

/** The two files, in the order in which a change is made: a service is there before main.cf speaks of it. */
export const FILES = ['master.cf', 'main.cf'] as const;
export type FileName = (typeof FILES)[number];

/** The bytes of both. */
export type Contents = Readonly<Record<FileName, Buffer>>;

const hashes = z.strictObject({ 'main.cf': z.string(), 'master.cf': z.string() });

const manifestSchema = z.strictObject({
  version: z.literal(1),
  wiring: z.string(),
  sealpost: z.string(),
  time: z.string(),
  /** `applying` and `undoing`: it began, and is to be rolled back or finished where nobody does it any more. */
  state: z.enum(['applying', 'applied', 'undoing']),
  /** SHA-256, hexadecimal. */
  before: hashes,
  after: hashes,
  /** While it is undone: what was there, and what takes its place. */
  undo: z.strictObject({ from: hashes, to: hashes }).optional(),
});

export type Manifest = z.output<typeof manifestSchema>;

/** One change that was applied. */
export interface RecordOfChange {
  /** Such as `002-delivery-lmtp`. */
  readonly id: string;
  readonly folder: string;
  readonly manifest: Manifest;
}

export function recordsFolder(configDir: string): string {
  return join(configDir, 'sealpost-applied');
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function hashesOf(contents: Contents): Record<FileName, string> {
  return { 'main.cf': hashOf(contents['main.cf']), 'master.cf': hashOf(contents['master.cf']) };
}

/** All changes that are recorded, the oldest first. @throws Refused for a record that cannot be read */
export async function listRecords(configDir: string): Promise<readonly RecordOfChange[]> {
  const parent = recordsFolder(configDir);
  const names = await readdir(parent).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const ids = names.filter((name) => /^\d{3}-/.test(name)).sort();
  return Promise.all(
    ids.map(async (id) => {
      const folder = join(parent, id);
      const path = join(folder, 'manifest.json');
      try {
        return { id, folder, manifest: manifestSchema.parse(JSON.parse(await readFile(path, 'utf8'))) };
      } catch {
        throw new Refused(
          `${path} cannot be read; main.cf and master.cf as they were lie in ${join(folder, 'before')}`,
        );
      }
    }),
  );
}

/** The change that a killed run has begun and not brought to an end; null: there is none. */
export async function interruptedRecord(configDir: string): Promise<RecordOfChange | null> {
  const records = await listRecords(configDir);
  return records.find(({ manifest }) => manifest.state !== 'applied') ?? null;
}

/** Writes a new record, state `applying`. It appears as a whole, or not at all. */
export async function makeRecord(
  configDir: string,
  wiring: string,
  before: Contents,
  after: Contents,
): Promise<RecordOfChange> {
  const parent = recordsFolder(configDir);
  const last = Number((await listRecords(configDir)).at(-1)?.id.slice(0, 3) ?? 0);
  const id = `${String(last + 1).padStart(3, '0')}-${wiring}`;
  const draft = join(parent, `new-${process.pid}`);
  const manifest: Manifest = {
    version: 1,
    wiring,
    sealpost: packageVersion(),
    time: new Date().toISOString(),
    state: 'applying',
    before: hashesOf(before),
    after: hashesOf(after),
  };
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true, mode: 0o700 });
  await keepContents(draft, 'before', before);
  await keepContents(draft, 'after', after);
  await keep(join(draft, 'manifest.json'), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  await syncFolder(draft);
  const folder = join(parent, id);
  await rename(draft, folder);
  await syncFolder(parent);
  return { id, folder, manifest };
}

/** Changes the manifest of a record. */
export async function rewriteManifest(record: RecordOfChange, manifest: Manifest): Promise<RecordOfChange> {
  const path = join(record.folder, 'manifest.json');
  await replaceFile(path, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  return { ...record, manifest };
}

/** Keeps both files in a folder of a record. */
export async function keepContents(folder: string, name: string, contents: Contents): Promise<void> {
  const place = join(folder, name);
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { mode: 0o700 });
  for (const file of FILES) await keep(join(place, file), contents[file]);
  await syncFolder(place);
}

/** The reverse of {@link keepContents}. @throws Refused where the bytes are not those of the manifest */
export async function keptContents(
  record: RecordOfChange,
  name: 'before' | 'after' | 'target',
  expected: Readonly<Record<FileName, string>>,
): Promise<Contents> {
  const read = async (file: FileName): Promise<Buffer> => {
    const path = join(record.folder, name, file);
    const bytes = await readFile(path);
    if (hashOf(bytes) === expected[file]) return bytes;
    throw new Refused(`${path} is not what apply wrote there: its hash differs from that in manifest.json`);
  };
  return { 'main.cf': await read('main.cf'), 'master.cf': await read('master.cf') };
}

/** Takes a record away, in one moment. */
export async function removeRecord(configDir: string, record: RecordOfChange): Promise<void> {
  const parent = recordsFolder(configDir);
  const old = join(parent, `old-${record.id}`);
  await rm(old, { recursive: true, force: true });
  await rename(record.folder, old);
  await syncFolder(parent);
  await rm(old, { recursive: true, force: true });
}

/** Removes what a killed run left half written or half removed. */
export async function sweepRecords(configDir: string): Promise<void> {
  const parent = recordsFolder(configDir);
  for (const name of await readdir(parent))
    if (/^(?:new|old|check)-/.test(name)) await rm(join(parent, name), { recursive: true, force: true });
}

async function keep(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
