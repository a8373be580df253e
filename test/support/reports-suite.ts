// Reports of success (RFC 3461): who asks for one gets one, from Postfix itself, whatever stands behind sealpost.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VIRTUAL } from './roads-site.ts';
import { sendRoadMail } from './roads-smtp.ts';
import { type RoadsStand, type RoadsWiring, startRoadsStand } from './roads-stand.ts';

const PATIENCE = 60_000;
const ALICE = `alice@${VIRTUAL}`;

/** Registers the tests of one wiring. @param action as the agent that speaks for Postfix calls it (RFC 3464, section 2.3.3) */
export function describeReports(wiring: RoadsWiring, action: 'delivered' | 'relayed' = 'delivered'): void {
  describe(`reports of success through Postfix wired as ${wiring.name}`, () => {
    let stand: RoadsStand;
    beforeAll(async () => {
      stand = await startRoadsStand(wiring);
    });
    afterAll(() => stand?.close());

    /** @returns the reports that went to the sender */
    async function reportsFor(sender: string, rcpt: string): Promise<string[]> {
      const { end } = await sendRoadMail({
        port: stand.doors.outsider,
        sender,
        recipients: [ALICE],
        mail: 'RET=HDRS ENVID=an-envelope',
        rcpt,
        message: 'Subject: asked for a report\r\n\r\nThe body that nobody else may see.\r\n',
      });
      expect(end).toMatch(/^250/);
      await stand.postfix.waitForEmptyQueue(PATIENCE);
      return stand.outside
        .deliveries()
        .filter(({ recipient }) => recipient === sender)
        .map(({ message }) => message.toString('latin1'));
    }

    it('come once to who asked for one, and hold nothing of the body', async () => {
      const reports = await reportsFor('asks@outside.test', `NOTIFY=SUCCESS ORCPT=rfc822;${ALICE}`);
      expect(reports).toHaveLength(1);
      expect(reports[0]).toMatch(/^Original-Envelope-Id: an-envelope\r$/m);
      expect(reports[0]).toContain(`\r\nAction: ${action}\r\n`);
      expect(reports[0]).toContain(`Original-Recipient: rfc822;${ALICE}`);
      expect(reports[0]).not.toContain('nobody else may see');
    });

    it('come to nobody who did not ask', async () => {
      expect(await reportsFor('never@outside.test', 'NOTIFY=NEVER')).toEqual([]);
      expect(await reportsFor('failures@outside.test', 'NOTIFY=FAILURE')).toEqual([]);
    });
  });
}
