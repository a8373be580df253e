// Sealed messages in Debian's Thunderbird: their Subject, their text and the names of their attachments are those that were sent.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeReaderKeys, type ReaderKeys } from '../../support/reader-keys.ts';
import { OPENPGP_LETTERS, SMIME_LETTERS, sealLetter } from '../../support/reader-letters.ts';
import { type Differences, expectSight } from '../../support/reader-suite.ts';
import { startThunderbird, type Thunderbird } from '../../support/thunderbird.ts';

const LETTERS = [...OPENPGP_LETTERS, ...SMIME_LETTERS];

/** In place of the text. */
const INVITATION = { texts: ['Event Invitation', 'Lunch'], attachments: ['invite.ics'] };
/** Beside its text, it is in the list of attachments. */
const FORWARDED = { attachments: ['ForwardedMessage.eml'] };

const DIFFERENCES: Differences = {
  'PGP/MIME: a calendar among the alternatives': INVITATION,
  'cbc-pkcs1: a calendar among the alternatives': INVITATION,
  'PGP/MIME: a message in a message': FORWARDED,
  'cbc-pkcs1: a message in a message': FORWARDED,
  // The text inside is in the attachment, which opens.
  'inline: a message in a message': { ...FORWARDED, texts: ['see below', 'the inner one'] },
  // The HTML alternative is decrypted, and its source is shown.
  'inline: alternatives': { texts: ['<p>in words</p>'] },
};

/** Messages with a Decrypt button above them: nothing is decrypted before it is pressed, and then in a window of its own. */
const BUTTONS: ReadonlySet<string> = new Set([
  'inline: an attachment',
  'inline: an attachment with a name in RFC 2231',
  'inline: two attachments, one in base64',
  'inline: HTML alone',
  'inline: a calendar among the alternatives',
]);

let keys: ReaderKeys;
let thunderbird: Thunderbird | undefined;
beforeAll(async () => {
  keys = await makeReaderKeys();
  const messages = await Promise.all(LETTERS.map((letter) => sealLetter(letter, keys)));
  thunderbird = await startThunderbird(keys, messages);
});
afterAll(async () => {
  await thunderbird?.close();
  keys.close();
});

describe('Thunderbird shows a sealed message', () => {
  it.each(LETTERS)('$name', async (letter) => {
    if (thunderbird === undefined) throw new Error('it did not start');
    const seen = await thunderbird.open(letter.messageId);
    expectSight('Thunderbird', letter, seen, DIFFERENCES);
    if (letter.form === 'gcm') expect(seen.text).toBe('');
    expect(seen.pressed).toBe(BUTTONS.has(letter.name));
  });
});
