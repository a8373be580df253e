// Some random addresses through the default wiring; test/long/roads has ten thousand, and the other wirings.
import { describeRandomRoads } from '../support/roads-random-suite.ts';

describeRandomRoads({ name: 'delivery-lmtp', examples: ['delivery-lmtp'] }, 250);
