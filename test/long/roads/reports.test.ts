// Reports of success in the wirings whose next hop is Postfix again.
import { describeReports } from '../../support/reports-suite.ts';

for (const name of ['delivery-virtual', 'after-queue-lmtp', 'after-queue-smtp', 'pipe'])
  describeReports({ name, examples: [name] });
