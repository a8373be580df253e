// Messages sealed as S/MIME in Debian's gpgsm: every byte of the body is there again, and the Subject, hidden or not.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decryptWithGpgsm } from '../../support/gpgsm.ts';
import { opens } from '../../support/reader-claims.ts';
import { makeReaderKeys, type ReaderKeys } from '../../support/reader-keys.ts';
import { SMIME_LETTERS, sealLetter } from '../../support/reader-letters.ts';

let keys: ReaderKeys;
beforeAll(async () => {
  keys = await makeReaderKeys();
});
afterAll(() => keys.close());

describe('gpgsm opens what the documentation says that it opens, and nothing else', () => {
  it.each(SMIME_LETTERS)('$name', async (letter) => {
    const opened = await decryptWithGpgsm(keys.gpg.home, await sealLetter(letter, keys));
    if (opens('gpgsm', letter)) {
      if ('refusal' in opened) throw new Error(opened.refusal);
      const inside = opened.inside.toString('latin1');
      expect(inside.slice(inside.indexOf('\r\n\r\n') + 4)).toBe(letter.letter.body);
      expect(inside).toContain(`\r\nSubject: ${letter.letter.subject ?? 'a letter'}\r\n`);
    } else expect(opened).toMatchObject({ refusal: expect.stringContaining('gpgsm: ') });
  });
});
