// Folding against Postfix's own: each character is looked up in a map, as postmap(1) folds it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foldCase } from '../../src/address/fold.ts';
import { mustRun } from './child.ts';

/** Letters with two cases that are newer than the ICU of the oldest Postfix: Debian 12 has ICU 72, hence Unicode 15. */
const SINCE_UNICODE_16 = /[\u1c89\ua7cb\ua7cc\ua7da\ua7dc\u{10d50}-\u{10d65}]/u;
const SINCE_UNICODE_17 = /[\ua7ce\ua7d2\ua7d4\u{16ea0}-\u{16eb8}]/u;

const hex = (text: string) => Buffer.from(text, 'utf8').toString('hex');

/** A key of texthash(5) holds no quote and nothing that ends it or a line; half surrogate pairs are no UTF-8. */
function charactersBelow(end: number): string[] {
  return Array.from({ length: end }, (_, code) => code)
    .filter((code) => code > 0x20 && code !== 0x22 && code !== 0x7f && !(code >= 0xd800 && code <= 0xdfff))
    .map((code) => String.fromCodePoint(code));
}

/** Registers the test of every character. @param end the first code point that is left out */
export function describeFolds(end: number): void {
  describe(`every character below U+${end.toString(16).toUpperCase()}`, () => {
    const characters = charactersBelow(end);
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sp-'));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it('folds as Postfix folds what its maps are asked for', async () => {
      await writeFile(join(folder, 'main.cf'), 'compatibility_level = 3.6\nsmtputf8_enable = yes\n');
      // In the map is what we fold to. Postfix folds that as well: what was not folded to the end would not be found as itself.
      const folded = [...new Set(characters.map(foldCase))];
      const map = join(folder, 'map');
      await writeFile(map, folded.map((text) => `x${text}y ${hex(text)}\n`).join(''));
      const asked = characters.map((character) => `x${character}y`);
      const { stdout } = await mustRun('postmap', ['-c', folder, '-q', '-', `texthash:${map}`], {
        stdin: `${asked.join('\n')}\n`,
        timeout: 200_000,
      });
      const answers = new Map(
        stdout
          .toString('utf8')
          .split('\n')
          .map((line): [string, string] => [
            line.slice(0, line.indexOf('\t')),
            line.slice(line.indexOf('\t') + 1),
          ]),
      );
      const different = characters.filter(
        (character) => answers.get(`x${character}y`) !== hex(foldCase(character)),
      );
      const explained = different.filter(
        (each) => SINCE_UNICODE_16.test(each) || SINCE_UNICODE_17.test(each),
      );
      expect(different.map((each) => each.codePointAt(0)?.toString(16))).toEqual(
        explained.map((each) => each.codePointAt(0)?.toString(16)),
      );
      // Of those that are newer some have no answer.
      expect(answers.size).toBeGreaterThan(characters.length - 100);
    });
  });
}
