// Sealed messages in Debian's Claws Mail: their Subject, their text and the names of their attachments are those that were sent.
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type NotShown, openInClaws } from '../../support/claws.ts';
import { makeReaderKeys, type ReaderKeys } from '../../support/reader-keys.ts';
import { OPENPGP_LETTERS, type Seen, SMIME_LETTERS, sealLetter } from '../../support/reader-letters.ts';
import { expectSight } from '../../support/reader-suite.ts';

const LETTERS = [...OPENPGP_LETTERS, ...SMIME_LETTERS];
const OPENED_MS = 900_000;

let keys: ReaderKeys;
let seen: readonly (Seen | NotShown)[] = [];
beforeAll(async () => {
  keys = await makeReaderKeys();
  const { gpg } = keys;
  const sealed = await Promise.all(
    LETTERS.map(async (letter) => [letter.messageId, await sealLetter(letter, keys)] as const),
  );
  seen = await openInClaws(gpg.home, new Map(sealed));
}, OPENED_MS);
afterAll(() => keys.close());

describe('Claws shows a sealed message', () => {
  it.each(LETTERS.map((letter, index) => ({ ...letter, index })))('$name', ({ index, ...letter }) => {
    const shown = seen[index];
    if (shown === undefined || 'failed' in shown) throw new Error(shown?.failed ?? 'it was not opened');
    expectSight('Claws', letter, shown);
  });
});
