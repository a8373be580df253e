// The delivery status notification: what its machine-readable part says of the envelope that the client sent.
import { describe, expect, it } from 'vitest';
import { buildBounce } from '../../../src/delivery/bounce.ts';

/** The fields of message/delivery-status: the message's own block, then one for each recipient. */
function reportOf(originalRecipient: string | undefined, originalEnvelopeId?: string): readonly string[] {
  const bounce = buildBounce({
    reportingMta: 'mx.example',
    sender: 'carol@outside.example',
    queueId: 'Q1',
    originalEnvelopeId,
    refused: [
      {
        recipient: 'user@example.org',
        ...(originalRecipient === undefined ? {} : { originalRecipient }),
        reply: { code: 550, enhanced: '5.1.1', text: 'No such user' },
      },
    ],
    originalHeader: Buffer.from('Subject: hello\r\n'),
    date: new Date(0),
    boundary: 'b1',
  }).toString('latin1');
  const [, report = ''] = /message\/delivery-status\r\n\r\n([\s\S]*?)\r\n\r\n--b1/.exec(bounce) ?? [];
  return report.split('\r\n\r\n');
}

const ofMessage = 'Reporting-MTA: dns; mx.example\r\nX-Sealpost-Queue-ID: Q1';

describe('a bounce', () => {
  it.each([
    ['rfc822;user+2Btag@example.org', 'rfc822; user+tag@example.org'],
    ['rfc822;a+3Bb+3Dc@example.org', 'rfc822; a;b=c@example.org'],
    ['utf-8;j\\x{FC}rgen+2B@example.org', 'utf-8; j\\x{FC}rgen+2B@example.org'],
    ['rfc822;a+0D+0AAction:+20relayed', 'rfc822; a+0D+0AAction:+20relayed'],
    ['rfc822;a+FC@example.org', 'rfc822; a+FC@example.org'],
  ])('names the original recipient of ORCPT=%s as %s', (orcpt, field) => {
    const [message, recipient] = reportOf(orcpt);
    expect(message).toBe(ofMessage);
    expect(recipient?.split('\r\n')).toEqual([
      'Final-Recipient: rfc822; user@example.org',
      `Original-Recipient: ${field}`,
      'Action: failed',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp; 550 5.1.1 No such user',
    ]);
  });

  it('returns the envelope id that the sender gave, and none where there was none', () => {
    expect(reportOf(undefined, 'QQ+2B314+3D159')[0]).toBe(`Original-Envelope-Id: QQ+314=159\r\n${ofMessage}`);
    expect(reportOf(undefined)[0]).toBe(ofMessage);
  });
});
