// Sealed messages in Debian's neomutt: their Subject, their text and the names of their attachments are those that were sent.
import { afterAll, beforeAll, describe, it } from 'vitest';
import { openInNeomutt } from '../../support/neomutt.ts';
import { makeReaderKeys, type ReaderKeys } from '../../support/reader-keys.ts';
import { OPENPGP_LETTERS, SMIME_LETTERS, sealLetter } from '../../support/reader-letters.ts';
import { type Differences, expectSight } from '../../support/reader-suite.ts';

/** As with every message: neomutt shows HTML by other programs, which its user names. */
const HTML = { texts: ['text/html is unsupported'] };

const DIFFERENCES: Differences = { 'PGP/MIME: HTML alone': HTML, 'cbc-pkcs1: HTML alone': HTML };

let keys: ReaderKeys;
beforeAll(async () => {
  keys = await makeReaderKeys();
});
afterAll(() => keys.close());

describe('neomutt shows a sealed message', () => {
  it.each([...OPENPGP_LETTERS, ...SMIME_LETTERS])('$name', async (letter) => {
    const seen = await openInNeomutt(keys.gpg.home, await sealLetter(letter, keys));
    expectSight('neomutt', letter, seen, DIFFERENCES);
  });
});
