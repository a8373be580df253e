// OpenDKIM, rspamd and amavis beside the gateways, by the blocks of docs/dkim-and-spam.md: what checks stands before the filter,
// what signs stands behind it; and what comes of it where somebody wires it otherwise.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ALICE } from '../../support/mail-system.ts';
import { freePorts } from '../../support/places.ts';
import { type Daemon, startAmavis, startOpendkim, startRspamd } from '../../support/signers-daemons.ts';
import { BEA, CAROL, letterLeavesSigned, signedLetterArrives } from '../../support/signers-letters.ts';
import {
  AWAY,
  type Bench,
  FRIEND,
  field,
  makeBench,
  messageOf,
  type Site,
  STRANGER,
  startSite,
  textOf,
  verifies,
} from '../../support/signers-stand.ts';
import { looksSealed } from '../../support/unseal.ts';

/** The pattern that rspamd always refuses. */
const REFUSED = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X';

let bench: Bench;
/** An OpenDKIM that signs and verifies. */
let both = 0;
const daemons: Daemon[] = [];
const port = (name: string): number => bench.ports.get(name) ?? 0;
beforeAll(async () => {
  bench = await makeBench();
  const { dir, table, records } = bench;
  [both = 0] = await freePorts(1);
  const off = textOf('rspamd-no-signing', table);
  const local = {
    'milter_headers.conf': textOf('milter_headers.conf', table).replace(', "authentication-results"', ''),
    'history_redis.conf': textOf('history_redis.conf', table),
    'dkim_signing.conf': off,
    'arc.conf': off,
  };
  daemons.push(
    await startOpendkim(join(dir, 'verifier'), textOf('opendkim-verify.conf', table), port('8891'), records),
    await startOpendkim(join(dir, 'signer'), textOf('opendkim-sign.conf', table), port('8892'), records),
    await startOpendkim(
      join(dir, 'both'),
      textOf('opendkim.conf', table).replace(String(port('8891')), String(both)),
      both,
      records,
    ),
    await startRspamd(join(dir, 'rspamd'), local, [port('11332'), port('11333'), port('11334')], records),
    await startAmavis(join(dir, 'amavis'), textOf('amavis-50-user', table), port('10024')),
  );
}, 300_000);
afterAll(async () => {
  for (const daemon of daemons) await daemon.stop();
  await bench?.remove();
});

describe.each([
  ['after-queue-lmtp', 'lmtp'],
  ['after-queue-smtp', 'smtp'],
  ['pipe', 'lmtp'],
] as const)('beside %s', (example, protocol) => {
  let site: Site;
  beforeAll(async () => {
    site = await startSite({ example, deliversItself: false }, bench);
  }, 180_000);
  afterAll(() => site?.close());
  beforeEach(() => site.reset());
  afterEach(() => site.system.postfix.discardQueue());

  const signedArrives = (name: string): Promise<Buffer> => signedLetterArrives(site, bench, { name });

  const found = (arrived: Buffer) => field(arrived, 'Authentication-Results');
  const PASS = [expect.stringMatching(/^mx\.sealpost\.test;\s*dkim=pass\b[^;]*header\.d=outside\.test/)];

  const leavesSigned = (recipient: string, name: string): Promise<Buffer> =>
    letterLeavesSigned(site, bench, recipient, name);

  /** A stranger writes in our name to an alias of ours that leads on. @returns what comes to where it leads */
  async function forged(name: string): Promise<Buffer> {
    expect(await site.fromElsewhere(AWAY, messageOf({ from: BEA, to: AWAY, name }))).toMatch(/^250 /);
    return site.arrives(STRANGER, name);
  }

  it('the verifier sees what was sent, the signer signs what leaves, and neither undoes the other', async () => {
    await site.run('postfix-verify');
    await site.run('postfix-sign');
    expect(found(await signedArrives('verified'))).toEqual(PASS);
    const letter = { from: BEA, to: FRIEND, name: 'to-friend' };
    await site.fromUs(letter);
    const left = await leavesSigned(FRIEND, 'to-friend');
    await site.opened(FRIEND, messageOf(letter), left);
    const broken = Buffer.from(left.toString('latin1').replace(/^(wV|hQ|hF)/m, 'wW'), 'latin1');
    expect(broken.equals(left)).toBe(false);
    expect(await verifies(bench, broken)).toBe(false);
    await site.fromUs({ ...letter, to: STRANGER, name: 'to-stranger' });
    await leavesSigned(STRANGER, 'to-stranger');
    // Why a gateway that takes mail from outside needs a way of its own for what leaves.
    expect(await verifies(bench, await forged('forged-and-signed'))).toBe(true);
    const [verifier, signer] = [port('8891'), port('8892')].map((each) => `inet:127.0.0.1:${each}`);
    expect(await site.doctor('signers')).toEqual({
      level: 'ok',
      found: `before the filter ${verifier}, behind it ${signer}`,
    });
  });

  it('a signer that verifies, too, turns pass into fail', async () => {
    await site.run('postfix-verify');
    await site.postconf('-P', `127.0.0.1:10026/inet/smtpd_milters=inet:127.0.0.1:${both}`);
    expect(found(await signedArrives('verified-twice'))).toEqual([
      expect.stringMatching(/^mx\.sealpost\.test;\s*dkim=fail\b/),
    ]);
  });

  it('a signature that is made before the filter does not hold, and doctor warns', async () => {
    const signer = `inet:127.0.0.1:${port('8892')}`;
    await site.postconf('-e', `smtpd_milters=${signer}`);
    await site.fromUs({ from: BEA, to: FRIEND, name: 'too-early' });
    const left = await site.arrives(FRIEND, 'too-early');
    expect(looksSealed(left)).toBe(true);
    expect(field(left, 'DKIM-Signature')).toHaveLength(1);
    expect(await verifies(bench, left)).toBe(false);
    expect(await site.doctor('signers')).toEqual({
      level: 'warning',
      found: `${signer} before the filter, and none behind it`,
    });
  });

  it('rspamd stands beside the verifier, refuses, and signs nothing', async () => {
    await site.run('postfix-verify-rspamd');
    const spam = messageOf({ from: CAROL, to: ALICE, name: 'spam', text: REFUSED });
    expect(await site.fromElsewhere(ALICE, spam)).toMatch(/^554 5\.7\.1/);
    const arrived = await signedArrives('scanned');
    expect(field(arrived, 'X-Spam-Status').join()).toMatch(/^No/);
    expect(found(arrived)).toEqual(PASS);
    await site.fromUs({ from: BEA, to: STRANGER, name: 'not-signed' });
    expect(field(await site.arrives(STRANGER, 'not-signed'), 'DKIM-Signature')).toEqual([]);
  });

  it('amavis looks first, and what it hands back is sealed, unless content_filter= stands there', async () => {
    await site.run('postfix-verify');
    site.master('amavis-master.cf');
    await site.run('postfix-amavis');
    const arrived = await signedArrives('through-amavis');
    expect(field(arrived, 'Received').join('\n')).toMatch(/\(amavis, port/);
    expect(found(arrived)).toEqual(PASS);
    expect(await site.doctor('listeners_without_filter')).toMatchObject({
      level: 'warning',
      found: expect.stringMatching(/^another filter comes first .*what it hands back must come to sealpost$/),
    });

    await site.postconf('-P', '127.0.0.1:10025/inet/content_filter=');
    await site.fromElsewhere(ALICE, messageOf({ from: CAROL, to: ALICE, name: 'careless' }));
    expect(looksSealed(await site.arrives(ALICE, 'careless'))).toBe(false);
    expect(await site.doctor('listeners_without_filter')).toEqual({
      level: 'error',
      found: `127.0.0.1:${port('10025')}/inet`,
    });
  });

  it.runIf(protocol !== null)(
    'what leaves has a way of its own, and no stranger gets our signature',
    async () => {
      await site.configure('outgoing.toml', protocol);
      if (example === 'pipe') await site.service('after-queue-lmtp', 'sealpost-filter/unix');
      appendFileSync(
        join(site.system.postfix.configDir, 'master.cf'),
        `127.0.0.1:${port('submission')} inet n - n - - smtpd\n  -o syslog_name=postfix/submission\n`,
      );
      await site.run('postfix-verify');
      await site.run('postfix-outgoing');
      expect(found(await signedArrives('verified-again'))).toEqual(PASS);
      expect(field(await forged('forged'), 'DKIM-Signature')).toEqual([]);
      const letter = { from: BEA, to: FRIEND, name: 'submitted' };
      await site.fromUs(letter, port('submission'));
      await site.opened(FRIEND, messageOf(letter), await leavesSigned(FRIEND, 'submitted'));
      await site.bySendmail({ ...letter, to: STRANGER, name: 'by-sendmail' });
      await leavesSigned(STRANGER, 'by-sendmail');
      expect(await site.doctor('signers')).toMatchObject({ level: 'ok' });
      expect(await site.doctor('listeners_without_filter')).toMatchObject({ level: 'ok' });
    },
  );
});
