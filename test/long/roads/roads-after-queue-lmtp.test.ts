// Every road to a mailbox, through Postfix wired as postfix-examples/after-queue-lmtp.
import { describeRoads } from '../../support/roads-suite.ts';

describeRoads({ name: 'after-queue-lmtp', examples: ['after-queue-lmtp'] });
