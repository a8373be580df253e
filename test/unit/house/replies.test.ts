import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as ourReplies from '../../../src/smtp/our-replies.ts';
import { encodeReply } from '../../../src/smtp/replies.ts';
import type { Reply } from '../../../src/smtp/types.ts';
import { readImports } from '../../support/house.ts';
import { repository } from '../../support/places.ts';

/** A reply that is written out: its code in a call or in an object, or its enhanced code. */
const WRITTEN_OUT = /\breply\(\s*[2-5]\d\d\b|\bcode: [2-5]\d\d, *\n? *enhanced:|\benhanced: '[245]\./;

const HOME = 'src/smtp/our-replies.ts';
/** What the warm-up's own next hop says: nobody else hears it. */
const REHEARSAL = 'src/serve/warm-up.ts';

function isReply(value: unknown): value is Reply {
  return typeof value === 'object' && value !== null && 'code' in value;
}

describe('what sealpost itself says', () => {
  it('is written out in one file only', () => {
    const files = [...readImports(repository, ['src', 'filters', 'policy', 'receiver']).keys()];
    const speaking = files.filter((file) => WRITTEN_OUT.test(readFileSync(join(repository, file), 'utf8')));
    expect(speaking.sort()).toEqual([REHEARSAL, HOME]);
  });

  it('goes over the wire as it is written: one line, and a code of the same class as its enhanced code', () => {
    const replies = Object.values(ourReplies).filter(isReply);
    expect(replies.length).toBeGreaterThan(50);
    for (const reply of replies) {
      const { code, enhanced, text } = reply;
      expect(encodeReply(reply)).toBe(
        `${[code, enhanced, text].filter((word) => word !== '').join(' ')}\r\n`,
      );
      if (code !== 354)
        expect(enhanced).toMatch(new RegExp(`^${String(code).charAt(0)}\\.\\d{1,3}\\.\\d{1,3}$`));
    }
  });
});
