// What a restored state lets out before somebody has accepted it, through a real Postfix: by the filter, by the pipe, and into the
// encrypted queue. The state is older than a key, so that the settings would let its owner's mail pass, or return it.
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../../support/child.ts';
import { createGpgHome, type GpgHome, makeKey, openpgpDecrypt, type TestKey } from '../../support/keys.ts';
import {
  ALICE,
  BOB,
  DOMAIN,
  type MailSystem,
  SENDER,
  startMailSystem,
  ULLA,
  type Wiring,
} from '../../support/mail-system.ts';
import { allocatePlaces, exampleSubstitutions, freePorts, type Places } from '../../support/places.ts';
import { type PrivatePostfix, startPostfix } from '../../support/private-postfix.ts';
import { createSealpost, type SealpostProcess } from '../../support/sealpost-process.ts';
import type { Delivery } from '../../support/sink.ts';
import { swaks } from '../../support/swaks.ts';

const VERA = `vera@${DOMAIN}`;
const SECRET = 'Meet me at the old mill.';
const PATIENCE = 60_000;

/** The disk was lost after the backup: the directory is as the file has it, and nobody has accepted that yet. */
async function restoreOlder(sealpost: SealpostProcess, state: string, tar: string): Promise<void> {
  await sealpost.stop();
  renameSync(join(state, 'postgres'), join(state, 'lost'));
  const { stdout } = await sealpost.must(['restore', tar]);
  expect(stdout.toString()).toMatch(/restore --accept/);
  // A load balancer is told that, too; mail comes in all the same.
  await sealpost.start(/restored from a backup/);
}

const WIRINGS: readonly Wiring[] = [
  { example: 'delivery-lmtp', deliversItself: true },
  { example: 'after-queue-lmtp', deliversItself: false },
  { example: 'pipe', deliversItself: false },
];

describe.each(WIRINGS)('a restored state behind Postfix wired as $example', (wiring) => {
  let system: MailSystem;
  let ulla: TestKey;

  beforeAll(async () => {
    system = await startMailSystem(wiring);
    const { must } = system.sealpost;
    await must(['user', 'add', VERA]);
    const tar = join(system.places.dir, 'older.tar');
    await must(['backup', tar]);
    // What comes after the backup: a key, and one that is taken away.
    ulla = await makeKey(system.gpg, ULLA);
    await must(['key', 'import', '-'], ulla.publicKey);
    await must(['key', 'remove', system.keys.get(BOB)?.fingerprint ?? '', '--yes']);
    await restoreOlder(system.sealpost, join(system.places.dir, 'state'), tar);
  }, 240_000);
  afterAll(() => system?.close());

  /** Without letters of sealpost's own, such as the one that says who else reads the mail of an address. */
  const sent = (): readonly Delivery[] =>
    system.mailboxes.deliveries().filter(({ sender }) => sender === SENDER);

  const arrived = (): readonly string[] =>
    sent()
      .map(({ recipient }) => recipient)
      .toSorted();

  const waitForLetters = (count: number): Promise<void> =>
    waitUntil(
      `${count} letters`,
      PATIENCE,
      () => sent().length >= count,
      () => arrived().join(' '),
    );

  const waiting = async (): Promise<readonly string[]> =>
    (await system.postfix.queue())
      .flatMap(({ recipients }) => recipients.map(({ address }) => address))
      .toSorted();

  it('sends on what it can seal, and nothing in the clear: the rest waits in Postfix', async () => {
    for (const recipient of [ALICE, BOB, ULLA, VERA])
      await swaks({
        port: system.postfix.submitPort,
        sender: SENDER,
        recipients: [recipient],
        subject: 'after the restore',
        body: SECRET,
      });
    await waitForLetters(2);
    let reasons: readonly string[] = [];
    await waitUntil(
      'two letters that were put off',
      PATIENCE,
      async () => {
        const recipients = (await system.postfix.queue()).flatMap((each) => each.recipients);
        // One that is tried at this moment has no reason.
        reasons = recipients.map(({ delay_reason = '' }) => delay_reason);
        return reasons.length === 2 && !reasons.includes('');
      },
      () => reasons.join('; '),
    );
    expect(arrived()).toEqual([ALICE, BOB]);
    expect(await waiting()).toEqual([ULLA, VERA]);
    for (const { message } of system.mailboxes.deliveries()) expect(message.toString()).not.toContain(SECRET);
    for (const reason of reasons) expect(reason).toMatch(/4\.7\.5|restor/);
  });

  it('tries again as often as it likes: nothing passes', async () => {
    await system.postfix.flush();
    await system.postfix.waitUntilTried(PATIENCE);
    expect(await waiting()).toEqual([ULLA, VERA]);
    expect(arrived()).toEqual([ALICE, BOB]);
    expect(system.sealpost.log()).toContain('restored_not_accepted');
  });

  it('seals to the key that is handed in again, before anything is accepted', async () => {
    await system.sealpost.must(['key', 'import', '-'], ulla.publicKey);
    await system.postfix.flush();
    await waitForLetters(3);
    const [letter] = sent().filter(({ recipient }) => recipient === ULLA);
    expect(letter?.message.toString()).not.toContain(SECRET);
    const { inside } = await opened(letter?.message, ulla);
    expect(inside).toContain(SECRET);
    expect(await waiting()).toEqual([VERA]);
  });

  it('goes by the settings when it is accepted', async () => {
    await system.sealpost.must(['restore', '--accept']);
    await system.postfix.empty(PATIENCE);
    await waitForLetters(4);
    const [letter] = sent().filter(({ recipient }) => recipient === VERA);
    expect(letter?.message.toString()).toContain(SECRET);
    expect(arrived()).toEqual([ALICE, BOB, ULLA, VERA]);
  });
});

async function opened(message: Buffer | undefined, key: TestKey): Promise<{ readonly inside: string }> {
  const armored = /-----BEGIN PGP MESSAGE-----[\s\S]*-----END PGP MESSAGE-----/.exec(
    message?.toString('latin1') ?? '',
  )?.[0];
  const inside = await openpgpDecrypt(key)(Buffer.from(armored ?? '', 'latin1'));
  return { inside: inside.toString('latin1') };
}

describe('a restored state behind Postfix wired as receiver', () => {
  const NOBODY = 65534;
  const domain = 'sealpost.test';
  const user = `ulla@${domain}`;
  let places: Places;
  let sealpost: SealpostProcess;
  let postfix: PrivatePostfix;
  let gpg: GpgHome;
  let key: TestKey;
  let spool = '';
  let lmtpPort = 0;

  beforeAll(async () => {
    places = await allocatePlaces();
    const [api = 0, lmtp = 0] = await freePorts(2);
    lmtpPort = lmtp;
    const spools = join(places.dir, 'spools');
    spool = join(spools, 'in');
    mkdirSync(spools);
    chownSync(spools, NOBODY, NOBODY);
    chmodSync(spools, 0o700);
    const substitutions = {
      ...exampleSubstitutions(places),
      '/var/spool/sealpost': spools,
      '/var/spool/sealpost/in': spool,
      '5000': String(NOBODY),
      '10034': String(lmtp),
      '9322': String(api),
      '127.0.0.1:25': `127.0.0.1:${places.submitPort}`,
    };
    sealpost = await createSealpost({
      places,
      example: 'receiver',
      substitutions,
      config: { filter: { listen: [] }, receiver: { minimal_backoff: '1s', maximal_backoff: '1s' } },
    });
    await sealpost.start();
    gpg = await createGpgHome();
    key = await makeKey(gpg, user);
    await sealpost.must(['domain', 'add', domain]);
    await sealpost.must(['domain', 'set', domain, 'on_missing_key=reject']);
    await sealpost.must(['user', 'add', user]);
    const tar = join(places.dir, 'older.tar');
    await sealpost.must(['backup', tar]);
    await sealpost.must(['key', 'import', '-'], key.publicKey);
    await restoreOlder(sealpost, join(places.dir, 'state'), tar);
    postfix = await startPostfix({
      places,
      example: 'receiver',
      substitutions,
      mailboxes: 'discard:',
      domains: [domain],
      mainCf: { virtual_alias_maps: `inline:{ { ${user} = id_1@${domain} } }` },
    });
  }, 240_000);
  afterAll(async () => {
    await postfix?.stop();
    await sealpost?.close();
    await gpg?.close();
    await places?.remove();
  });

  const queued = async (): Promise<number> =>
    ((await sealpost.cli(['queue', 'list', user, '--json'])).json as unknown[]).length;

  it('returns no mail for want of a key that the backup lacks: it waits, and is filed when the key is back', async () => {
    await swaks({
      port: places.submitPort,
      sender: 'bob@outside.test',
      recipients: [user],
      subject: 'spooled',
      body: SECRET,
    });
    await postfix.waitForEmptyQueue(PATIENCE);
    await waitUntil('an attempt', PATIENCE, async () => sealpost.log().includes('spool_file_waits'));
    expect(sealpost.log()).not.toContain('spool_file_returned');
    expect(readdirSync(join(spool, 'new'))).toHaveLength(1);
    expect(await queued()).toBe(0);
    await sealpost.must(['key', 'import', '-'], key.publicKey);
    await waitUntil('the letter in the queue', PATIENCE, async () => (await queued()) === 1);
    expect(readdirSync(join(spool, 'new'))).toEqual([]);
  });

  it('answers by LMTP that the letter waits, and returns it when the state is accepted', async () => {
    await sealpost.must(['key', 'remove', key.fingerprint, '--yes']);
    await postfix.stop();
    postfix = await startPostfix({
      places,
      example: 'receiver',
      substitutions: {
        ...exampleSubstitutions(places),
        '/var/spool/sealpost': join(places.dir, 'spools'),
        '/var/spool/sealpost/in': spool,
        '5000': String(NOBODY),
        '10034': String(lmtpPort),
        '127.0.0.1:25': `127.0.0.1:${places.submitPort}`,
      },
      mailboxes: 'discard:',
      domains: [domain],
      mainCf: {
        virtual_alias_maps: `inline:{ { ${user} = id_1@${domain} } }`,
        virtual_transport: `sealpost-queue:inet:127.0.0.1:${lmtpPort}`,
      },
    });
    await swaks({
      port: places.submitPort,
      sender: 'bob@outside.test',
      recipients: [user],
      subject: 'by lmtp',
      body: SECRET,
    });
    await waitUntil('a letter that was put off', PATIENCE, async () => {
      const [letter] = await postfix.queue();
      return letter?.recipients.some(({ delay_reason }) => delay_reason !== undefined) === true;
    });
    expect(await queued()).toBe(1);
    await sealpost.must(['restore', '--accept']);
    await postfix.flush();
    await waitUntil('the refusal', PATIENCE, async () => /5\.7\.5/.test(await postfix.log()));
  });
});
