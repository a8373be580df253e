// Every road to a mailbox, through Postfix wired as postfix-examples/delivery-lmtp.
import { describeRoads } from '../../support/roads-suite.ts';

describeRoads({ name: 'delivery-lmtp', examples: ['delivery-lmtp'] });
