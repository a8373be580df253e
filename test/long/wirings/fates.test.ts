// Fifty letters of every fate through every wiring: `trace` tells each one's whole story, by queue ID, Message-ID and address,
// and the line of the log alone whether it was sealed. `npm test` does it with a few letters and one wiring.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type QueueWay, runQueueFates } from '../../support/fates-receiver.ts';
import { type FatedWiring, runFates } from '../../support/fates-suite.ts';
import { DOMAIN, type MailSystem, startMailSystem } from '../../support/mail-system.ts';
import { freePorts, repository } from '../../support/places.ts';
import { type ReplyCutter, startReplyCutter } from '../../support/reply-cutter.ts';

const WIRINGS: readonly FatedWiring[] = [
  { example: 'after-queue-lmtp', answersOnce: false, everything: true },
  { example: 'after-queue-smtp', answersOnce: true, everything: true },
  { example: 'pipe', answersOnce: true, everything: true },
  { example: 'delivery-virtual', answersOnce: false, everything: false },
  { example: 'delivery-local', answersOnce: false, everything: false },
  { example: 'delivery-lmtp', answersOnce: false, everything: false },
];

/** local(8) hands on what has a domain of this machine; every mailbox there is the sink's. */
const LOCAL = { mydestination: DOMAIN, virtual_mailbox_domains: '', recipient_delimiter: '' };

it('names every wiring that mail goes through', () => {
  const folders = readdirSync(join(repository, 'postfix-examples'));
  // Through `lookups` goes no mail; the receiver's two ways stand below.
  const named = [...WIRINGS.map(({ example }) => example), 'lookups', 'receiver'];
  expect(named.sort()).toEqual(folders.sort());
});

describe.each(WIRINGS)('fifty letters through postfix-examples/$example', (wiring) => {
  let system: MailSystem;
  let cutter: ReplyCutter | undefined;
  beforeAll(async () => {
    system = await startMailSystem(
      { example: wiring.example, deliversItself: wiring.example === 'delivery-lmtp' },
      {
        ...(wiring.example === 'delivery-local' ? { mainCf: LOCAL } : {}),
        ...(wiring.answersOnce
          ? {}
          : {
              filterPort: async (lmtpPort) => {
                const [port = 0] = await freePorts(1);
                cutter = await startReplyCutter(port, lmtpPort);
                return port;
              },
            }),
      },
    );
  });
  afterAll(async () => {
    await system?.close();
    await cutter?.close();
  });

  it('are told of, each to its end', async () => {
    expect(await runFates(system, wiring, true)).toBe(50);
    if (!wiring.answersOnce) expect(cutter?.cut()).toBe(3);
  });
});

const WAYS: readonly QueueWay[] = ['spool', 'lmtp'];
describe('fifty letters through postfix-examples/receiver', () => {
  it.each(WAYS)('by %s are told of, each to its end', async (way) => {
    expect(await runQueueFates(way)).toBe(50);
  });
});
