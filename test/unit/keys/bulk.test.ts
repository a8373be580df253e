// Many keys at once. The certificates are made by openssl.
// @module-tag slow
import { generateKey } from 'openpgp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { judgeForBulk } from '../../../src/keys/bulk.ts';
import { type Authority, openAuthority } from '../../support/authority.ts';

let authority: Authority;
beforeAll(() => {
  authority = openAuthority();
});
afterAll(() => authority.close());

const options = () => ({
  policy: { allowSha1: false },
  now: Date.now(),
  x509: () => ({ anchors: [], pin: true }),
});

it('finds the OpenPGP key and the certificate that stand in one file', async () => {
  const { pem } = authority.issue('alice', {});
  const { publicKey } = await generateKey({
    userIDs: [{ email: 'bob@example.org' }],
    date: new Date(Date.now() - 60_000),
  });
  const found = await judgeForBulk(Buffer.from(`${pem}\n${publicKey}`), options());
  expect(found.map(({ kind, names, refusal }) => [kind, names, refusal])).toEqual([
    ['x509', ['alice@example.org'], null],
    ['openpgp', ['bob@example.org'], null],
  ]);
});

it('takes a certificate that has expired as it takes such a key', async () => {
  const { pem } = authority.issue('old', { days: 5 });
  const later = { ...options(), now: Date.now() + 6 * 86_400_000 };
  const [only] = await judgeForBulk(Buffer.from(pem), later);
  expect(only).toMatchObject({ refusal: null, lapsed: { code: 'expired' } });
});
