// The configuration that a restore goes by: the one that this machine has, else the one in the backup.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { stringify } from 'smol-toml';
import { isTable, type Table } from '../config/conf-d.ts';
import { setInToml } from '../config/edit.ts';
import { type Layer, parseLayer } from '../config/layers.ts';
import { loadLayers } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { replaceFile } from '../host/replace-file.ts';
import { CONFIGURATION, type ConfigurationFile } from './configuration.ts';

export interface RestoredConfiguration {
  readonly config: Config;
  /** The files to write; none where this machine has its own. */
  readonly files: readonly Pick<Layer, 'path' | 'text'>[];
}

/**
 * Reads the configuration of a backup as if it stood at `target`.
 * @param databaseUrl counts in place of what it says; null: that counts
 * @throws ConfigError
 */
export function configurationOf(
  files: readonly ConfigurationFile[],
  target: string,
  databaseUrl: string | null,
): RestoredConfiguration {
  const layers = files
    .filter(({ name }) => name.startsWith(CONFIGURATION))
    .map(({ name, bytes }, index) => {
      const path = index === 0 ? target : join(dirname(target), 'conf.d', basename(name));
      return parseLayer({ path, text: bytes.toString('utf8'), guarded: false });
    })
    .map((layer, index) => (databaseUrl === null ? layer : withUrl(layer, databaseUrl, index === 0)));
  const { config } = loadLayers(layers, dirname(target), process.env);
  return { config, files: layers };
}

/** A later file would have the last word. */
function withUrl(layer: Layer, url: string, always: boolean): Layer {
  const { database } = layer.document;
  if (!always && !(isTable(database) && 'url' in database)) return layer;
  const document: Table = { ...layer.document, database: { ...(isTable(database) ? database : {}), url } };
  return {
    ...layer,
    document,
    text: setInToml(layer.text, ['database', 'url'], url) ?? stringify(document),
  };
}

/** Writes the files, for their owner alone, where there are none. */
export async function writeConfiguration(files: RestoredConfiguration['files']): Promise<void> {
  for (const { path, text } of files) {
    if (existsSync(path)) continue;
    await mkdir(dirname(path), { recursive: true });
    await replaceFile(path, Buffer.from(text));
  }
}
