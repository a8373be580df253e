// The first lines of the page: whether mail flows, and whether plaintext goes out that should not.
import { describe, expect, it } from 'vitest';
import type { PageFacts, SeenStatus } from '../../../../src/http/page/facts.ts';
import { flowOf, plaintextOf } from '../../../../src/http/page/verdict.ts';
import type { Fates } from '../../../../src/observe/fates.ts';
import { AWAY, fates, STATUS, WELL } from '../../../support/page-samples.ts';

const READY: PageFacts['health'] = { ready: true, reasons: [] };
const RED: PageFacts['health'] = { ready: false, reasons: ['the next hop gives no session'] };

function statusWith(
  minute: Partial<Fates>,
  hour: Partial<Fates> = minute,
  day: Partial<Fates> = hour,
): SeenStatus {
  return {
    ...STATUS,
    fates: { last_minute: fates(minute), last_hour: fates(hour), last_day: fates(day) },
  };
}

describe('whether mail flows', () => {
  const cases: readonly [string, PageFacts['health'], SeenStatus, string, RegExp][] = [
    ['sealed mail', READY, statusWith({ sealed: 3 }), 'good', /^Mail flows\.$/],
    ['mail into the queue', READY, statusWith({ filed: 3 }), 'good', /^Mail flows\.$/],
    [
      'a few that are put off',
      READY,
      statusWith({ sealed: 3 }, { sealed: 99, deferred: 9 }),
      'good',
      /^Mail flows\.$/,
    ],
    [
      'a tenth put off',
      READY,
      statusWith({ sealed: 3 }, { sealed: 90, deferred: 10 }),
      'look',
      /10 of 100 recipients/,
    ],
    [
      'all put off in the last minute',
      READY,
      statusWith({ deferred: 2 }, { sealed: 90, deferred: 2 }),
      'bad',
      /does not flow: all 2/,
    ],
    ['no mail at a small site', READY, statusWith({}, {}, { sealed: 30 }), 'good', /^Ready\. No mail came/],
    [
      'no mail at a busy site',
      READY,
      statusWith({}, {}, { sealed: 3000 }),
      'look',
      /though there were 3,000 recipients/,
    ],
    ['a reason, and no mail goes through', RED, statusWith({ deferred: 2 }), 'bad', /^Mail does not flow\.$/],
    [
      'a reason, and mail goes through',
      RED,
      statusWith({ sealed: 2 }),
      'look',
      /^Mail flows, and something is wrong\.$/,
    ],
    ['no answer, and no mail goes through', null, statusWith({}), 'bad', /database does not answer/],
    ['no answer, and mail goes through', null, statusWith({ sealed: 1 }), 'look', /answers slowly/],
    ['nothing known', READY, {}, 'unknown', /not known yet/],
    ['nothing known, and a reason', RED, {}, 'bad', /^Mail may not flow\.$/],
    [
      'a process that takes no mail',
      READY,
      { ...STATUS, takes_mail: false },
      'good',
      /no mail comes in by this process/,
    ],
    ['such a process with a reason', RED, { ...STATUS, takes_mail: false }, 'bad', /wrong here/],
  ];
  it.each(cases)('%s', (_, health, status, tone, text) => {
    const verdict = flowOf({ ...AWAY, health, status });
    expect(verdict).toMatchObject({ tone, text: expect.stringMatching(text) });
  });

  it('does not blame a database that answered a moment ago', () => {
    const flow = (minute: Partial<Fates>) => flowOf({ ...WELL, health: null, status: statusWith(minute) });
    expect(flow({ sealed: 1 })).toMatchObject({
      tone: 'look',
      text: expect.stringMatching(/^Mail flows; the check/),
    });
    expect(flow({})).toMatchObject({ tone: 'unknown', text: expect.stringMatching(/not known: the check/) });
  });

  it('says the first reason beside it, without the address in it', () => {
    const health = { ready: false, reasons: ['the next hop says no to bob@outside.example', 'another'] };
    expect(flowOf({ ...WELL, health, status: statusWith({}) }).more[0]).toBe(
      'The next hop says no to <address>.',
    );
  });
});

describe('whether plaintext goes out that should not', () => {
  const passing = (last_day: Readonly<Record<string, number>>, last_hour = last_day): SeenStatus => ({
    ...STATUS,
    plaintext: { last_hour, last_day },
  });
  const cases: readonly [string, SeenStatus, string, RegExp][] = [
    ['none', passing({ by_choice: 0, unknown_address: 0 }), 'good', /^Nothing that should have been sealed/],
    ['people without a key', passing({ by_choice: 0, unknown_address: 0, no_key: 7 }), 'good', /^Nothing/],
    [
      'a rule',
      passing({ by_choice: 1, unknown_address: 0, rule: 1 }),
      'look',
      /^1 copy went out in plaintext/,
    ],
    [
      'addresses that nobody has',
      passing({ by_choice: 0, unknown_address: 2, no_key: 2 }),
      'look',
      /^2 copies/,
    ],
    ['nothing known', { uptime_seconds: 3 }, 'unknown', /not known yet/],
    [
      'a young process',
      { ...passing({}), uptime_seconds: 7300 },
      'good',
      /since serve was started, 2 h 1 min ago/,
    ],
  ];
  it.each(cases)('%s', (_, status, tone, text) => {
    expect(plaintextOf({ status })).toMatchObject({ tone, text: expect.stringMatching(text) });
  });

  it('counts what passed as the settings say, without what was encrypted already', () => {
    const { more } = plaintextOf({
      status: passing({ no_key: 5, encryption_off: 2, already_encrypted: 90 }),
    });
    expect(more).toEqual([expect.stringMatching(/^7 copies passed as the settings say/)]);
  });
});
