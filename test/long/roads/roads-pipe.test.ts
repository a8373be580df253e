// Every road to a mailbox, through Postfix wired as postfix-examples/pipe.
import { describeRoads } from '../../support/roads-suite.ts';

describeRoads({ name: 'pipe', examples: ['pipe'] });
