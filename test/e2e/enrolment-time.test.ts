// Enrolment and time: what comes due while nobody is there, what changes though nobody changes it, and what many enrolments leave. One
// stand; its clock is moved. What takes long stands in test/long/enrolment.
import type { PrivateKey } from 'openpgp';
import { readMessage } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { confirmKey, resendLetter, startRecovery, stopByLink, submitKey } from '../../src/enrolment/flow.ts';
import { readHome } from '../../src/enrolment/home.ts';
import { tellSubkeys } from '../../src/enrolment/tell-subkeys.ts';
import { forgetEnded } from '../../src/enrolment/timers.ts';
import type { Asker, Proof } from '../../src/enrolment/types.ts';
import { leaveNothingBehind } from '../support/enrol-suite.ts';
import { fingerprintOf, type Letter, newKey, tokenIn, upload } from '../support/enrolment-stand.ts';
import { openPortalStand, type PortalStand } from '../support/portal-stand.ts';
import { armoredPart } from '../support/unseal.ts';

const DAY = 86_400_000;
const VISIT = { client: '192.0.2.7' } as const;
let stand: PortalStand;
let keys: readonly [PrivateKey, PrivateKey];

beforeAll(async () => {
  stand = await openPortalStand();
  keys = [await newKey('one'), await newKey('two')];
});
afterAll(async () => {
  await stand?.close();
});

async function enrolled(name: string, secret: PrivateKey): Promise<(proof?: Proof) => Asker> {
  const { enrolment } = stand;
  const asks = await enrolment.user(name);
  expect(await submitKey(enrolment.context, asks(), upload(secret), 'add')).toMatchObject({ ok: true });
  const [letter] = await enrolment.round();
  const token = tokenIn((await letter?.text(secret)) ?? '', 'confirm');
  expect(await confirmKey(enrolment.context, token, VISIT)).toMatchObject({ result: 'active' });
  await enrolment.round();
  return asks;
}

async function inUse({ userId }: Asker): Promise<readonly string[]> {
  return (await readHome(stand.enrolment.context, userId))?.currentKeys ?? [];
}

/** Days on which `serve` runs. */
async function live(...days: readonly number[]): Promise<readonly Letter[]> {
  const all: Letter[] = [];
  for (const each of days) {
    stand.enrolment.pass(each * DAY);
    all.push(...(await stand.enrolment.round()));
  }
  return all;
}

describe('a recovery whose end falls into an outage', () => {
  it('comes a day after the letter that tells of it, when its new key was read before', async () => {
    const { enrolment } = stand;
    const { context } = enrolment;
    const asks = await enrolled('otto', keys[0]);
    await startRecovery(context, asks(), { upload: upload(keys[1]), intent: 'replace' });
    const sealed = (await enrolment.round()).find((letter) => letter.sealed);
    const token = tokenIn((await sealed?.text(keys[1])) ?? '', 'confirm');
    expect(await confirmKey(context, token, VISIT)).toMatchObject({ result: 'waiting' });
    expect(await live(3, 3)).toHaveLength(2);
    // Four days without any round: the end, and the time for the letter, are over.
    const told = await live(4);
    expect(told.map(({ sealed: each, subject }) => [each, subject])).toEqual([
      [false, expect.stringContaining('stop it')],
    ]);
    expect(await inUse(asks())).toEqual([fingerprintOf(keys[0])]);
    expect((await readHome(context, asks().userId))?.submissions).toMatchObject([
      { readAt: expect.any(Number) },
    ]);
    expect(await live(0.9)).toEqual([]);
    expect(await inUse(asks())).toEqual([fingerprintOf(keys[0])]);
    await live(0.11);
    expect(await inUse(asks())).toEqual([fingerprintOf(keys[1])]);
  });

  it('can be read after it, and stopped by the letter that tells so', async () => {
    const { enrolment } = stand;
    const { context } = enrolment;
    const asks = await enrolled('olaf', keys[0]);
    await startRecovery(context, asks(), { upload: upload(keys[1]), intent: 'replace' });
    await live(0, 3, 3);
    const [told] = await live(4);
    const id = (await readHome(context, asks().userId))?.submissions[0]?.id ?? 0;
    expect(await resendLetter(context, asks(), id)).toEqual({ ok: true });
    const [again] = await enrolment.round();
    const token = tokenIn((await again?.text(keys[1])) ?? '', 'confirm');
    expect(await confirmKey(context, token, VISIT)).toMatchObject({
      result: 'waiting',
      dueAt: expect.toSatisfy((due: number) => due > context.now() + 0.9 * DAY),
    });
    const stop = tokenIn((await told?.text()) ?? '', 'stop');
    expect(await stopByLink(context, stop, VISIT)).toEqual({ ok: true, result: 'stopped' });
    await live(2);
    expect(await inUse(asks())).toEqual([fingerprintOf(keys[0])]);
  });
});

describe('a subkey that takes over by itself', () => {
  const inSeconds = (moment: number): Date => new Date(Math.floor(moment / 1000) * 1000);

  async function keyIdsOf(letter: Letter | undefined): Promise<readonly string[]> {
    const armored = armoredPart(Buffer.from(letter?.raw ?? '', 'latin1')).toString('latin1');
    const message = await readMessage({ armoredMessage: armored });
    return message.getEncryptionKeyIDs().map((id) => id.toHex().toUpperCase());
  }

  /** The IDs of the key's encryption subkeys, in their order. */
  function subkeyIds(secret: PrivateKey): readonly string[] {
    return secret.getSubkeys().map((subkey) => subkey.getKeyID().toHex().toUpperCase());
  }

  it.each(['newer', 'older'] as const)(
    'the %s one: is told once, a week before, sealed to what was used until then',
    async (which) => {
      const { enrolment } = stand;
      const { context } = enrolment;
      const base = await newKey(which);
      const now = context.now();
      const type = { type: 'ecc', curve: 'curve25519Legacy' } as const;
      const secret =
        which === 'newer'
          ? await base.addSubkey({ ...type, date: inSeconds(now + 9 * DAY) })
          : await base.addSubkey({
              ...type,
              // Before the key is stored, by the database's own clock, which nobody moves.
              date: inSeconds(Date.now() - 30_000),
              keyExpirationTime: Math.floor((now - Date.now() + 9 * DAY) / 1000),
            });
      const asks = await enrolled(which, secret);
      const [older, newer] = subkeyIds(secret);
      const [before, after] = which === 'newer' ? [older, newer] : [newer, older];
      expect(await tellSubkeys(context, 0)).toBeNull();
      expect(await live(3)).toEqual([]);
      await tellSubkeys(context, 0);
      await tellSubkeys(context, 0);
      // The next hop is away until the other one has taken over.
      enrolment.pass(8 * DAY);
      const letters = (await enrolment.round()).filter(({ to }) => to === `${which}@example.org`);
      expect(letters.map(({ subject }) => subject)).toEqual([
        'Your mail will be sealed with another part of your key',
      ]);
      expect(await keyIdsOf(letters[0])).toEqual([before]);
      const text = await letters[0]?.text(secret);
      expect(text?.replace(/\s/g, '')).toContain(after);
      expect(text?.replace(/\s/g, '')).toContain(fingerprintOf(secret));
      await tellSubkeys(context, 0);
      expect(await enrolment.round()).toEqual([]);
      expect(await inUse(asks())).toHaveLength(1);
    },
  );

  it('is forgotten a quarter of a year later', async () => {
    await live(100);
    await forgetEnded(stand.enrolment.context);
    const { rows } = await stand.enrolment.trial.database.pool.query('SELECT FROM key_notices');
    expect(rows).toEqual([]);
  });
});

it('enrolments in a row leave no row, file, descriptor or listener behind', async () => {
  await leaveNothingBehind(stand, { warmUp: 6, count: 6, overHttp: 3, together: 6, lookEvery: 6 });
});
