// The tests of every wiring with bursts eight and ten times as long as those of `npm test`.
import { describeWiring } from '../../support/wiring-suite.ts';

const LONG = { burst: 400, fault: 100 };

for (const example of ['delivery-virtual', 'after-queue-lmtp', 'after-queue-smtp', 'pipe'])
  describeWiring({ example, deliversItself: false }, LONG);
describeWiring({ example: 'delivery-lmtp', deliversItself: true }, LONG);
