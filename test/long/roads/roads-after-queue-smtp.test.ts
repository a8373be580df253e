// Every road to a mailbox, through Postfix wired as postfix-examples/after-queue-smtp.
import { describeRoads } from '../../support/roads-suite.ts';

describeRoads({ name: 'after-queue-smtp', examples: ['after-queue-smtp'] });
