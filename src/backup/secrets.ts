// The secrets beside the configuration: files below state_dir, and files that the configuration names.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { ConfigurationFile } from './configuration.ts';

/** Below state_dir: the key of pseudonyms, without which addresses in old events are found no more. */
export const STATE_FILES = ['log.key'] as const;

/** Where they stand in the archive: what is put back, and what is for a person to put where it belongs. */
export const STATE = 'state/';
export const SECRETS = 'secrets/';

/**
 * Reads those that are there.
 * @throws the file system's error where one is there and cannot be read
 */
export async function readSecrets(config: Config): Promise<readonly ConfigurationFile[]> {
  const named: (readonly [name: string, path: string | undefined])[] = [
    ...STATE_FILES.map((name) => [`${STATE}${name}`, join(config.state_dir, name)] as const),
    [`${SECRETS}portal.trusted_secret_file`, config.portal.trusted_secret_file || undefined],
    ...config.sync.map(
      ({ url }, index) =>
        [`${SECRETS}sync-${index}.url`, url.startsWith('@') ? url.slice(1) : undefined] as const,
    ),
  ];
  const files: ConfigurationFile[] = [];
  for (const [name, path] of named) {
    if (path === undefined) continue;
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (bytes !== null) files.push({ name, bytes });
  }
  return files;
}
