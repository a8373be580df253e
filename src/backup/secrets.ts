// The secrets beside the configuration: files below state_dir, and files that the configuration names.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { domainOfKeyFile, SUBMISSION_FOLDER } from '../publishing/submission-key.ts';
import type { ConfigurationFile } from './configuration.ts';

/** Below state_dir: the key of pseudonyms, without which addresses in old events are found no more. */
export const STATE_FILES = ['log.key'] as const;

/** Where they stand in the archive: what is put back, and what is for a person to put where it belongs. */
export const STATE = 'state/';
export const SECRETS = 'secrets/';
/** Of the domains' submission keys, within what is put back. */
export const SUBMISSION_KEYS = `${STATE}${SUBMISSION_FOLDER}/`;

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
  for (const name of await submissionKeys(config.state_dir))
    named.push([`${SUBMISSION_KEYS}${name}`, join(config.state_dir, SUBMISSION_FOLDER, name)]);
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

/** The files of the domains' submission keys; none where no domain ever had one. */
async function submissionKeys(stateDir: string): Promise<readonly string[]> {
  try {
    const names = await readdir(join(stateDir, SUBMISSION_FOLDER));
    return names.filter((name) => domainOfKeyFile(name) !== null).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
