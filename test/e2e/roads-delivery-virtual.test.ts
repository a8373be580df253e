// Every road to a virtual mailbox, through Postfix wired as postfix-examples/delivery-virtual.
import { describeRoads } from '../support/roads-suite.ts';

describeRoads({ name: 'delivery-virtual', examples: ['delivery-virtual'] }, ['virtual']);
