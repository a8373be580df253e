// The way into the queue: what happens to each kind of spool file and to mail by LMTP, with the real `sealpost serve`.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  ALICE_ID,
  DOMAIN,
  type ReceiverStand,
  spooled,
  startReceiverStand,
} from './support/receiver-stand.ts';

let stand: ReceiverStand;
let serial = 0;
function nextName(): string {
  serial += 1;
  return `17640960${10 + serial}.V801I1M${serial}.mx.example.org`;
}

beforeAll(async () => {
  stand = await startReceiverStand();
}, 120_000);
afterAll(() => stand?.close());
beforeEach(async () => {
  await stand.query('DELETE FROM incoming');
  stand.bounces.clear();
});

const ALICE_PATH = `id_1@${DOMAIN}`;

describe('a message in the spool', () => {
  it('is in the queue once, decrypts to exactly the bytes of the file, and the file is gone', async () => {
    const message = spooled(ALICE_PATH, { subject: 'Gr\u00fc\u00dfe' }, 'From here\r\n.\n\0 caf\xe9\n\n');
    stand.deliver(nextName(), Buffer.from(message, 'latin1'));
    const [row] = await stand.waitForQueue(ALICE_ID, 1);
    await stand.waitForEmptySpool();
    expect((await stand.open(row as never)).equals(Buffer.from(message, 'latin1'))).toBe(true);
    expect(row?.id).toMatch(/^[0-9a-f]{32}$/);
    expect(row?.size).toBe(row?.content.length);
    expect(await stand.metric('sealpost_receiver_filed_total{source="spool"}')).toBeGreaterThan(0);
  });
});
