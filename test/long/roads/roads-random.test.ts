// Ten thousand random addresses and more through a real Postfix, wired in every way.
import { describeRandomRoads } from '../../support/roads-random-suite.ts';

/** Addresses for each wiring; fewer for a first look. */
const EACH = Number(process.env.SEALPOST_ROADS_EACH ?? 3400);

describeRandomRoads(
  { name: 'delivery-virtual and delivery-local', examples: ['delivery-virtual', 'delivery-local'] },
  EACH,
);
for (const name of ['delivery-lmtp', 'after-queue-lmtp', 'after-queue-smtp', 'pipe'])
  describeRandomRoads({ name, examples: [name] }, EACH);
