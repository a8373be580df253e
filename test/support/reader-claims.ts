// What the documentation says that a mail program opens and shows: the tests of mail programs take it at its word.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './places.ts';
import type { Form, SealedLetter, Sight } from './reader-letters.ts';

/** Whether README's table of `smime_cipher` names the program among those that open it. */
function opensCipher(program: string, cipher: Form): boolean {
  const cells = rowsOf('README.md').find(([first]) => first?.startsWith(`\`${cipher}\``));
  if (cells === undefined) throw new Error(`README.md tells nothing of ${cipher}`);
  const [those = ''] = (cells.at(-1) ?? '').split(';');
  return those.includes(program);
}

/** Whether docs/reading says that the program shows a hidden Subject once a message is open. */
function showsHiddenSubject(program: string, key: 'OpenPGP' | 'S/MIME'): boolean {
  const rows = rowsOf('docs/reading/README.md');
  const first = rows.findIndex(([name]) => name?.includes(program));
  const next = rows.findIndex(([name], index) => index > first && name !== '');
  const its = rows.slice(first, next < 0 ? undefined : next).find((cells) => cells[1]?.includes(key));
  if (first < 0 || its === undefined) throw new Error(`docs/reading tells nothing of ${program} with ${key}`);
  return its.at(-1)?.includes('shown') === true;
}

/** Whether README says that the program cannot open S/MIME with `hide_key_ids`. */
function isClosedByHiddenIds(program: string): boolean {
  const paragraph = textOf('README.md')
    .split('\n\n')
    .find((each) => each.startsWith('With `hide_key_ids` a message'));
  if (paragraph === undefined) throw new Error('README.md tells nothing of hide_key_ids with S/MIME');
  return paragraph.includes(program);
}

/** Whether the documentation says that the program opens a message. */
export function opens(program: string, { form, seal }: SealedLetter): boolean {
  if (form === 'PGP/MIME' || form === 'inline') return true;
  return opensCipher(program, form) && !(seal.hideKeyIds === true && isClosedByHiddenIds(program));
}

/** What the reader of a message is to see in that program; null: nothing of it. */
export function claimedSight(program: string, letter: SealedLetter): Sight | null {
  if (!opens(program, letter)) return null;
  const { form, seal, sight } = letter;
  const key = form === 'PGP/MIME' || form === 'inline' ? 'OpenPGP' : 'S/MIME';
  const outside = seal.subject === 'hide' && !showsHiddenSubject(program, key);
  return outside ? { ...sight, subject: '[...]' } : sight;
}

/** The cells of every row of the tables in a file. */
function rowsOf(file: string): readonly (readonly string[])[] {
  return textOf(file)
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function textOf(file: string): string {
  return readFileSync(join(repository, file), 'utf8');
}
