// Somebody who is named beside an alias of theirs: two transactions of one queue ID at once, which local(8) makes.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOCAL, VIRTUAL } from '../support/roads-site.ts';
import { sendRoadMail } from '../support/roads-smtp.ts';
import { type RoadsStand, startRoadsStand } from '../support/roads-stand.ts';
import { collectCopies, judge } from '../support/roads-trace.ts';

const MESSAGES = 20;

describe('the same recipient directly and by an alias', () => {
  let stand: RoadsStand;
  beforeAll(async () => {
    stand = await startRoadsStand({
      name: 'delivery-virtual and delivery-local',
      examples: ['delivery-virtual', 'delivery-local'],
    });
  });
  afterAll(() => stand?.close());

  it('is served by both at the first attempt, sealed, and nothing waits for a retry', async () => {
    const run = randomBytes(4).toString('hex');
    for (let number = 0; number < MESSAGES; number += 1)
      await sendRoadMail({
        port: stand.doors.outsider,
        sender: `together-${number}@outside.test`,
        recipients: [`news@${LOCAL}`, `team@${LOCAL}`, `chain@${LOCAL}`, `alice@${VIRTUAL}`, `boss@${LOCAL}`],
        message: `Subject: ${number}\r\n\r\nsecret-${run}-${number}-\r\n`,
      });
    await stand.postfix.waitUntilTried(120_000);
    const log = await stand.postfix.log();
    expect(log.split('\n').filter((line) => line.includes('status=deferred'))).toEqual([]);
    expect(await stand.postfix.queue()).toEqual([]);
    const copies = await Promise.all((await collectCopies(stand)).map((copy) => judge(copy, stand.decrypts)));
    expect(copies.filter(({ state }) => state !== 'sealed')).toEqual([]);
    for (const place of [`news@${LOCAL}`, `lp@${LOCAL}`, `alice@${VIRTUAL}`]) {
      const numbers = copies
        .filter((copy) => copy.place === place)
        .map(({ text }) => new RegExp(`secret-${run}-(\\d+)-`).exec(text)?.[1]);
      expect(new Set(numbers).size, place).toBe(MESSAGES);
    }
    // Without that the test would have shown nothing.
    expect(stand.sealpost.log()).toContain('"event":"duplicate"');
  });
});
