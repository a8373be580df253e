// What test/e2e/receiver-kills.test.ts does a few times, a thousand times.
import { afterAll, beforeAll, it } from 'vitest';
import { killAgainAndAgain, type Receivers, receiversOf } from '../../support/receiver-chaos.ts';
import { type ReceiverStand, startReceiverStand } from '../../support/receiver-stand.ts';
import { progressOf } from '../progress.ts';

const MESSAGES = 40_000;
const KILLS = 1000;

let stand: ReceiverStand;
let receivers: Receivers;

beforeAll(async () => {
  stand = await startReceiverStand({ minimal_backoff: '100ms' }, { encryption: { on_missing_key: 'defer' } });
  receivers = receiversOf(stand);
  await stand.sealpost.stop();
});
afterAll(async () => {
  receivers?.killAll();
  await stand?.close();
});

it(`the receiver killed ${KILLS} times files each of ${MESSAGES} messages exactly once`, async () => {
  await killAgainAndAgain(stand, receivers, {
    messages: MESSAGES,
    kills: KILLS,
    patience: 600_000,
    progress: progressOf('the receiver', KILLS, 'kills'),
  });
});
