// Reports of success in the wirings whose next hop is Postfix again.
import { describeReports } from '../../support/reports-suite.ts';

for (const name of ['delivery-virtual', 'after-queue-lmtp', 'after-queue-smtp'])
  describeReports({ name, examples: [name] });
// pipe(8) cannot know whether its program delivers or hands on.
describeReports({ name: 'pipe', examples: ['pipe'] }, 'relayed');
