// Properties of sealing: any message comes back byte for byte, and nothing of its body stands outside.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../src/message/detect.ts';
import { splitMessage } from '../../src/message/header.ts';
import { createEngine } from '../../src/openpgp/engine.ts';
import { sealMime } from '../../src/sealing/seal-mime.ts';
import { armorMessage } from '../support/armor-message.ts';
import { decryptWith, makeKey, type TestKey } from '../support/make-keys.ts';
import { anyMessage } from './any-message.ts';

const encrypt = createEngine();
let key: TestKey;

beforeAll(async () => {
  key = await makeKey('p256');
});

describe('any message', () => {
  it('comes back byte for byte, is recognised as sealed, and keeps its fields', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyMessage(),
        fc.constantFrom('keep', 'hide'),
        fc.boolean(),
        async (message, subject, hideKeyIds) => {
          const sealed = Buffer.concat(
            await sealMime(
              message,
              {
                subject,
                hideKeyIds,
                keys: [key.recipient],
                status: { host: 'mx.example.org', queueId: 'Q1', date: new Date(0) },
              },
              encrypt,
            ),
          );
          expect(detectEncrypted(sealed)).toMatchObject({ encrypted: true, how: 'pgp-mime' });
          const at = sealed.indexOf('-----BEGIN PGP MESSAGE-----', sealed.lastIndexOf('encrypted.asc'));
          const end = sealed.indexOf('-----END PGP MESSAGE-----', at) + '-----END PGP MESSAGE-----'.length;
          const inner = await decryptWith(key.secret, sealed.subarray(at, end));
          const { body } = splitMessage(message);
          expect(splitMessage(inner).body.equals(body)).toBe(true);
          expect(inner.subarray(inner.length - body.length).equals(body)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('any bytes', () => {
  it('come back from the engine, armored and binary', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        fc.constantFrom('armor', 'binary'),
        async (plaintext, format) => {
          const sealed = await encrypt({ plaintext, keys: [key.recipient], hideKeyIds: false, format });
          expect((await decryptWith(key.secret, sealed)).equals(Buffer.from(plaintext))).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('are armored in lines of 7-bit text that no delimiter can be mistaken for', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        const lines = armorMessage(bytes).toString('latin1').split('\r\n');
        for (const line of lines)
          expect(line).toMatch(
            /^(-----(BEGIN|END) PGP MESSAGE-----|=[A-Za-z0-9+/]{4}|[A-Za-z0-9+/=]{0,76})$/,
          );
      }),
    );
  });
});
