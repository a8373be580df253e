// A mail store knows no DSN, and its senders get their reports of success all the same; test/long/roads has the other wirings.
import { describeReports } from '../support/reports-suite.ts';

describeReports({ name: 'delivery-lmtp', examples: ['delivery-lmtp'] });
