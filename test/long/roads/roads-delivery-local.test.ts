// Every road to a mailbox of either kind, through Postfix wired as postfix-examples/delivery-virtual and delivery-local together,
// as a site with both kinds needs them.
import { describeRoads } from '../../support/roads-suite.ts';

describeRoads({ name: 'delivery-local', examples: ['delivery-virtual', 'delivery-local'] });
