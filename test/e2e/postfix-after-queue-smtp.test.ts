// Real mail: Postfix -> SMTP -> sealpost -> Postfix's re-injection listener -> mailboxes.
import { expect, it } from 'vitest';
import { fatesOf, runFates } from '../support/fates-suite.ts';
import { describeWiring } from '../support/wiring-suite.ts';

const WIRING = { example: 'after-queue-smtp', answersOnce: true, everything: true };

describeWiring({ example: 'after-queue-smtp', deliversItself: false }, undefined, (system) => {
  it('letters of every fate are told of by trace, each to its end, and the log alone tells sealed from passed', async () => {
    expect(await runFates(system(), WIRING, false)).toBe(fatesOf(WIRING, false).length);
  });
});
