// The metrics have the names that dashboards rely on, and belong to one registry each.
import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/observe/metrics.ts';

test('every metric is in the text of /metrics under its name, with its labels', async () => {
  const metrics = createMetrics();
  metrics.messages.inc({ listener: 'lmtp', outcome: 'accepted' });
  metrics.copies.inc({ action: 'seal', because: 'key' });
  metrics.sealSeconds.observe(0.004);
  metrics.transactionSeconds.observe(0.2);
  metrics.nextHopReplies.inc({ class: 'temporary' });
  metrics.bytesInFlight.set(4096);
  metrics.connections.set({ listener: 'smtp' }, 3);
  metrics.duplicatesSuppressed.inc();
  metrics.plaintextByChoice.inc({ because: 'expired' });
  metrics.directoryLookups.inc({ result: 'hit' }, 2);
  const lines = (await metrics.registry.metrics()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'sealpost_messages_total{listener="lmtp",outcome="accepted"} 1',
      'sealpost_copies_total{action="seal",because="key"} 1',
      'sealpost_seal_seconds_bucket{le="0.005"} 1',
      'sealpost_transaction_seconds_count 1',
      'sealpost_next_hop_replies_total{class="temporary"} 1',
      'sealpost_bytes_in_flight 4096',
      'sealpost_connections{listener="smtp"} 3',
      'sealpost_duplicates_suppressed_total 1',
      'sealpost_plaintext_by_choice_total{because="expired"} 1',
      'sealpost_directory_lookups_total{result="hit"} 2',
    ]),
  );
  expect(lines.some((line) => line.startsWith('process_resident_memory_bytes '))).toBe(true);
});

test('two registries in one process count apart, and process metrics can be left out', async () => {
  const one = createMetrics();
  const two = createMetrics({ processMetrics: false });
  one.duplicatesSuppressed.inc();
  const text = await two.registry.metrics();
  expect(text).toContain('sealpost_duplicates_suppressed_total 0');
  expect(text).not.toContain('process_');
});
