// Properties of the raw message reader: no byte is lost, whatever comes; and plaintext never hides beside ciphertext.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { contentTypeShape, parseContentType } from '../../src/message/content-type.ts';
import { detectEncrypted } from '../../src/message/detect.ts';
import { fieldValue, splitMessage } from '../../src/message/header.ts';
import { countReceived, findMessageId } from '../../src/message/received.ts';
import { stripSealpostFields } from '../../src/message/sealpost-fields.ts';
import { decodeBase64 } from '../../src/message/transfer-encoding.ts';
import { encryptedMessageKeyIds } from '../../src/openpgp/encrypted-message.ts';
import { makeSamples, type Samples } from '../support/encrypted-samples.ts';
import { anyMessage } from './any-message.ts';

let samples: Samples;

beforeAll(async () => {
  samples = await makeSamples();
});

describe('any bytes', () => {
  it('come out of splitMessage as they went in', () => {
    fc.assert(
      fc.property(anyMessage(), (message) => {
        const parts = splitMessage(message);
        const raw = parts.fields.map((field) => field.raw);
        expect(Buffer.concat([parts.preamble, ...raw, parts.separator, parts.body]).equals(message)).toBe(
          true,
        );
        for (const field of parts.fields) fieldValue(field);
      }),
      { numRuns: 500 },
    );
  });

  it('lose exactly their Sealpost-* fields', () => {
    fc.assert(
      fc.property(anyMessage(), (message) => {
        const clean = stripSealpostFields(message);
        const kept = splitMessage(message).fields.filter(({ name }) => !name.startsWith('sealpost-'));
        expect(splitMessage(clean).fields.map(({ name }) => name)).toEqual(kept.map(({ name }) => name));
        expect(splitMessage(clean).body.equals(splitMessage(message).body)).toBe(true);
        expect(stripSealpostFields(clean)).toBe(clean);
      }),
      { numRuns: 500 },
    );
  });

  it('are never encrypted mail by accident, and never an exception', () => {
    fc.assert(
      fc.property(anyMessage(), (message) => {
        expect(detectEncrypted(message).encrypted).toBe(false);
        countReceived(message);
        findMessageId(message);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        encryptedMessageKeyIds(bytes);
        parseContentType(Buffer.from(bytes).toString('latin1'));
        const { typeEnd } = contentTypeShape(Buffer.from(bytes).toString('latin1'));
        expect(typeEnd).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 1000 },
    );
  });

  it('survive base64 with white space anywhere, and with anything else do not', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(300),
        fc.constantFrom('!', '\0', '-', '\x80'),
        (bytes, at, junk) => {
          const text = Buffer.from(bytes).toString('base64');
          const position = at % (text.length + 1);
          const put = (piece: string) =>
            Buffer.from(text.slice(0, position) + piece + text.slice(position), 'latin1');
          expect(decodeBase64(put(' \r\n\t'))?.equals(Buffer.from(bytes))).toBe(true);
          expect(decodeBase64(put(junk))).toBeNull();
        },
      ),
    );
  });
});

describe('plaintext beside ciphertext', () => {
  it('is found wherever it stands in an armored text', () => {
    const header = 'Subject: x\r\n\r\n';
    const whole = Buffer.from(`${header}${samples.armor}`);
    expect(detectEncrypted(whole).encrypted).toBe(true);
    const end = samples.armor.trimEnd().length;
    fc.assert(
      fc.property(
        fc.nat(samples.armor.length),
        fc.constantFrom('Meet me', 'a b', 'yes!', '\r\nfoo\r\n', '\n-- \n'),
        (at, words) => {
          const text = samples.armor.slice(0, at) + words + samples.armor.slice(at);
          const detection = detectEncrypted(Buffer.from(`${header}${text}`));
          // Letters alone may be read as base64; then the packets must be whole all the same, or it is not encrypted.
          expect(detection.encrypted, JSON.stringify({ at, words, end })).toBe(false);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('is found wherever it stands among binary packets, or the packets are no longer whole', () => {
    fc.assert(
      fc.property(
        fc.nat(samples.binary.length),
        fc.uint8Array({ minLength: 1, maxLength: 20 }),
        (at, extra) => {
          const bytes = Buffer.concat([samples.binary.subarray(0, at), extra, samples.binary.subarray(at)]);
          expect(encryptedMessageKeyIds(bytes)).toBeNull();
        },
      ),
      { numRuns: 400 },
    );
  });
});
