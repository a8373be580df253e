// `postfix reload` under traffic: an smtpd(8) goes on with its old options as long as a client keeps its session, so the sessions
// of the re-injection end by their age, however busy they are.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mustRun, waitUntil } from '../support/child.ts';
import { ALICE, type MailSystem, SENDER, startMailSystem } from '../support/mail-system.ts';
import { sendRaw } from '../support/submit.ts';

const MAX_AGE_MS = 4000;
const OLD = 'postfix/sealpost-reinject';
const NEW = 'postfix/after-the-reload';

describe('a session of the re-injection', () => {
  let system: MailSystem;
  beforeAll(async () => {
    system = await startMailSystem(
      { example: 'delivery-virtual', deliversItself: false },
      { config: { filter: { next_hop_max_age: `${MAX_AGE_MS}ms`, next_hop_connections: 1 } } },
    );
  });
  afterAll(() => system?.close());

  const send = async (): Promise<void> => {
    await sendRaw({
      to: { port: system.postfix.submitPort },
      sender: SENDER,
      recipients: [ALICE],
      message: Buffer.from('Subject: one of many\r\n\r\ntext\r\n'),
    });
    await system.postfix.waitForEmptyQueue(30_000);
  };
  /** The messages that a listener of this name took. */
  const taken = async (name: string): Promise<number> =>
    (await system.postfix.log()).split(`${name}/smtpd[`).filter((text) => /^\d+\]: \w+: client=/.test(text))
      .length;

  it('keeps its old options after a reload, and no longer than next_hop_max_age, while it is never idle', async () => {
    await send();
    const { configDir } = system.postfix;
    const path = join(configDir, 'master.cf');
    await writeFile(path, (await readFile(path, 'utf8')).replace(OLD, NEW));
    await mustRun('postfix', ['-c', configDir, 'reload']);
    const reloaded = Date.now();
    const before = await taken(OLD);
    await waitUntil('the new options to be used', 10 * MAX_AGE_MS, async () => {
      await send();
      return (await taken(NEW)) > 0;
    });
    expect(await taken(OLD), 'messages in the old session after the reload').toBeGreaterThan(before);
    // A session as old as may be, one message more, and the time of this machine.
    expect(Date.now() - reloaded).toBeLessThan(MAX_AGE_MS + 8000);
    const old = await taken(OLD);
    await send();
    expect(await taken(OLD)).toBe(old);
  });
});
