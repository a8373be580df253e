// OpenDKIM, rspamd and amavis beside the wirings that seal at the last step, by the blocks of docs/dkim-and-spam.md: nothing has to move.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mustRun } from '../../support/child.ts';
import { ALICE } from '../../support/mail-system.ts';
import { type Daemon, startAmavis, startOpendkim, startRspamd } from '../../support/signers-daemons.ts';
import { BEA, CAROL, letterLeavesSigned, signedLetterArrives } from '../../support/signers-letters.ts';
import {
  type Bench,
  field,
  makeBench,
  messageOf,
  type Site,
  STRANGER,
  signedOutside,
  startSite,
  textOf,
  verifies,
} from '../../support/signers-stand.ts';
import { looksSealed } from '../../support/unseal.ts';

/** The pattern that rspamd marks as spam where test patterns are allowed, and the one that it always refuses. */
const [MARKED, REFUSED] = ['Y', 'X'].map(
  (first) => `${first}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X`,
);

let bench: Bench;
const daemons: Daemon[] = [];
beforeAll(async () => {
  bench = await makeBench();
  const { dir, table, records } = bench;
  const port = (name: string): number => bench.ports.get(name) ?? 0;
  await mustRun('sh', ['-e', '-c', textOf('rspamd-key', table)]);
  const local = Object.fromEntries(
    ['milter_headers.conf', 'history_redis.conf', 'dkim_signing.conf'].map((name) => [
      name,
      textOf(name, table),
    ]),
  );
  daemons.push(
    await startOpendkim(join(dir, 'opendkim'), textOf('opendkim.conf', table), port('8891'), records),
    await startRspamd(join(dir, 'rspamd'), local, [port('11332'), port('11333'), port('11334')], records),
    await startAmavis(join(dir, 'amavis'), textOf('amavis-50-user', table), port('10024')),
  );
}, 300_000);
afterAll(async () => {
  for (const daemon of daemons) await daemon.stop();
  await bench?.remove();
});

describe.each([
  ['delivery-lmtp', true],
  ['delivery-virtual', false],
  ['delivery-local', false],
] as const)('beside %s', (example, deliversItself) => {
  let site: Site;
  beforeAll(async () => {
    site = await startSite({ example, deliversItself }, bench);
  }, 180_000);
  afterAll(() => site?.close());
  beforeEach(() => site.reset());
  afterEach(() => site.system.postfix.discardQueue());

  const signedArrives = (name: string, text?: string): Promise<Buffer> =>
    signedLetterArrives(site, bench, { name, ...(text === undefined ? {} : { text }) });
  const leavesSigned = (name: string): Promise<Buffer> => letterLeavesSigned(site, bench, STRANGER, name);

  it('OpenDKIM sees the letter as it was signed, once, and its result stays outside', async () => {
    await site.run('postfix-opendkim');
    const arrived = await signedArrives('verified');
    expect(field(arrived, 'Authentication-Results')).toEqual([
      expect.stringMatching(/^mx\.sealpost\.test;\s*dkim=pass\b[^;]*header\.d=outside\.test/),
    ]);

    const forged = messageOf({ from: CAROL, to: ALICE, name: 'tampered' });
    const signed = (await signedOutside(bench, forged)).toString('latin1').replace('old mill', 'new mill');
    expect(await site.fromElsewhere(ALICE, Buffer.from(signed, 'latin1'))).toMatch(/^250 /);
    const tampered = await site.arrives(ALICE, 'tampered');
    expect(looksSealed(tampered)).toBe(true);
    expect(field(tampered, 'Authentication-Results').join()).toMatch(/dkim=fail/);
    expect(await site.doctor('signers')).toMatchObject({ level: 'ok' });
  });

  it('what OpenDKIM signs leaves as it was signed; to a mailbox here it is sealed', async () => {
    await site.run('postfix-opendkim');
    await site.fromUs({ from: BEA, to: STRANGER, name: 'to-elsewhere' });
    await leavesSigned('to-elsewhere');
    await site.bySendmail({ from: BEA, to: STRANGER, name: 'by-sendmail' });
    await leavesSigned('by-sendmail');
    const letter = { from: BEA, to: ALICE, name: 'to-alice' };
    await site.fromUs(letter);
    const arrived = await site.arrives(ALICE, 'to-alice');
    expect(field(arrived, 'DKIM-Signature')).toHaveLength(1);
    expect(await verifies(bench, await site.opened(ALICE, messageOf(letter), arrived))).toBe(true);
  });

  it('a table of milters for 127.0.0.1 does not sign again what comes back sealed', async () => {
    await site.postconf('-e', 'smtpd_milter_maps=static:inet:127.0.0.1:8891');
    const letter = { from: BEA, to: ALICE, name: 'by-table' };
    await site.fromUs(letter);
    const arrived = await site.arrives(ALICE, 'by-table');
    expect(field(arrived, 'DKIM-Signature')).toHaveLength(1);
    expect(await verifies(bench, await site.opened(ALICE, messageOf(letter), arrived))).toBe(true);
    expect(await site.doctor('signers')).toMatchObject({ level: 'ok' });
  });

  it('rspamd refuses, marks, verifies and signs', async () => {
    await site.run('postfix-rspamd');
    const spam = { from: CAROL, to: ALICE, name: 'spam' };
    expect(await site.fromElsewhere(ALICE, messageOf({ ...spam, text: `${REFUSED}` }))).toMatch(
      /^554 5\.7\.1/,
    );
    const marked = await signedArrives('marked', MARKED);
    expect(field(marked, 'X-Spam')).toEqual(['Yes']);
    expect(marked.toString('latin1')).not.toContain('GTUBE-STANDARD');
    const good = await signedArrives('good');
    expect(field(good, 'X-Spam')).toEqual([]);
    expect(field(good, 'X-Spam-Status').join()).toMatch(/^No/);
    expect(field(good, 'Authentication-Results')).toEqual([
      expect.stringMatching(/dkim=pass\b[^;]*header\.d=outside\.test/),
    ]);
    await site.fromUs({ from: BEA, to: STRANGER, name: 'by-rspamd' });
    await leavesSigned('by-rspamd');
  });

  it('amavis looks at the letter before it is sealed, and puts nothing by', async () => {
    await site.run('postfix-opendkim');
    site.master('amavis-master.cf');
    await site.run('postfix-amavis');
    const arrived = await signedArrives('through-amavis');
    expect(field(arrived, 'Received').join('\n')).toMatch(/\(amavis, port/);
    // The verifier has seen it at port 25, and not again where amavis handed it back.
    expect(field(arrived, 'Authentication-Results')).toHaveLength(1);
    await site.fromUs({ from: BEA, to: STRANGER, name: 'out-by-amavis' });
    await leavesSigned('out-by-amavis');

    const attached = `${messageOf({ from: CAROL, to: ALICE, name: 'forbidden' })}`.replace(
      '\r\n\r\n',
      '\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name="a.exe"\r\nContent-Disposition: attachment; filename="a.exe"\r\n\r\n',
    );
    expect(await site.fromElsewhere(ALICE, Buffer.from(attached))).toMatch(/^250 /);
    // Not lost without a word: its sender hears of it.
    const bounce = await site.system.mailboxes
      .waitForDeliveries(site.system.mailboxes.deliveries().length + 1, 30_000)
      .then(() => site.system.mailboxes.deliveries().at(-1));
    expect(bounce).toMatchObject({ sender: '', recipient: CAROL });
    expect(await readdir(join(bench.dir, 'amavis', 'home', 'virusmails'))).toEqual([]);
  });
});
