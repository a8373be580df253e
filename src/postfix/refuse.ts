// The last questions before new files take the place of the old ones.
import { join } from 'node:path';
import { Refused } from '../host/exit-codes.ts';
import { checkContents } from './check.ts';
import { readContents } from './exchange.ts';
import { type Contents, FILES } from './records.ts';

/** @throws Refused with what `postfix check` says against new files */
export async function refuseWhatPostfixRefuses(configDir: string, contents: Contents): Promise<void> {
  const complaints = await checkContents(configDir, contents);
  if (complaints.length > 0)
    throw new Refused(
      `nothing was changed: Postfix has something against the new files: ${complaints.join('; ')}`,
    );
}

/** @throws Refused where the files are no longer those that the new ones were made from */
export async function refuseWhatChanged(configDir: string, before: Contents): Promise<void> {
  const now = await readContents(configDir);
  for (const file of FILES)
    if (!now[file].equals(before[file]))
      throw new Refused(
        `nothing was changed: somebody else changed ${join(configDir, file)} just now; try again`,
      );
}
