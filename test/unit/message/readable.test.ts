// What `explain --message` says of a reader: can he open it, can he not, or cannot that be told?
import { describe, expect, it } from 'vitest';
import type { Detection } from '../../../src/message/detection.ts';
import { canRead } from '../../../src/message/readable.ts';

const V4 = '0123456789abcdef0123456789abcdef01234567';
const V6 = 'fedcba9876543210'.repeat(4);
const STRANGER = '1111111111111111';
const HIDDEN = '0000000000000000';

function encryptedTo(...keyIds: readonly string[]): Detection {
  return { encrypted: true, how: 'pgp-mime', because: '', keyIds };
}

describe('a reader', () => {
  it.each([
    ['named by the key ID of a v4 key, the end of its fingerprint', [V4.slice(-16)], true],
    ['named by the key ID of a v6 key, the beginning of its fingerprint', [V6.slice(0, 16)], true],
    ['named by the whole fingerprint of a v4 key', [V4], true],
    ['named by the whole fingerprint of a v6 key', [V6], true],
    ['named beside strangers and a hidden one', [STRANGER, HIDDEN, V4.slice(-16)], true],
    ['not named, beside strangers', [STRANGER], false],
    ['named by the beginning of a v4 fingerprint, which is no key ID', [V4.slice(0, 16)], false],
    ['named by the end of a v6 fingerprint, which is no key ID', [V6.slice(-16).replace('f', 'e')], false],
    ['who may be the hidden one', [HIDDEN], null],
    ['who may be the hidden one beside a stranger', [STRANGER, HIDDEN], null],
    ['of a message that names nobody (a password, CMS)', [], null],
  ] as const)('%s', (_name, keyIds, expected) => {
    expect(canRead(encryptedTo(...keyIds), [V4, V6])).toBe(expected);
  });

  it('without keys cannot read what is encrypted to others', () => {
    expect(canRead(encryptedTo(STRANGER), [])).toBe(false);
  });

  it('is not asked about a message that is not encrypted', () => {
    expect(canRead({ encrypted: false, because: 'plain' }, [V4])).toBeNull();
  });
});
