// postfix-examples/receiver with a real Postfix: into the spool by virtual(8), and into the queue by LMTP, then out again by
// the HTTP interface and `sealpost pull` into a Maildir: the very bytes that Postfix wrote.
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mustRun, waitUntil } from '../support/child.ts';
import { createGpgHome, type GpgHome, makeKey } from '../support/keys.ts';
import { allocatePlaces, exampleSubstitutions, freePorts, type Places } from '../support/places.ts';
import { type PrivatePostfix, startPostfix } from '../support/private-postfix.ts';
import { createSealpost, type SealpostProcess, sealpostCommand } from '../support/sealpost-process.ts';
import { swaks } from '../support/swaks.ts';

const NOBODY = 65534;
const ALICE = 'alice@sealpost.test';

let places: Places;
let sealpost: SealpostProcess;
let postfix: PrivatePostfix;
let gpg: GpgHome;
let apiPort = 0;
let lmtpPort = 0;
let token = '';
let substitutions: Record<string, string>;

beforeAll(async () => {
  places = await allocatePlaces();
  const [api = 0, lmtp = 0] = await freePorts(2);
  [apiPort, lmtpPort] = [api, lmtp];
  const spools = join(places.dir, 'spools');
  mkdirSync(spools);
  chownSync(spools, NOBODY, NOBODY);
  chmodSync(spools, 0o700);
  substitutions = {
    ...exampleSubstitutions(places),
    '/var/spool/sealpost': spools,
    '/var/spool/sealpost/in': join(spools, 'in'),
    '5000': String(NOBODY),
    '10034': String(lmtp),
    '9322': String(api),
    '127.0.0.1:25': `127.0.0.1:${places.submitPort}`,
  };
  sealpost = await createSealpost({
    places,
    example: 'receiver',
    substitutions,
    config: { filter: { listen: [] } },
  });
  await sealpost.start();
  gpg = await createGpgHome();
  const key = await makeKey(gpg, ALICE);
  for (const args of [
    ['domain', 'add', 'sealpost.test'],
    ['user', 'add', ALICE],
  ]) {
    const done = await sealpost.cli(args);
    expect(done.code, done.stderr).toBe(0);
  }
  expect((await sealpost.cli(['key', 'import', '-'], { stdin: key.publicKey })).code).toBe(0);
  const added = await sealpost.cli(['token', 'add', ALICE, '--json']);
  token = (added.json as { token: string }).token;
}, 180_000);

afterAll(async () => {
  await postfix?.stop();
  await sealpost?.close();
  await gpg?.close();
  await places?.remove();
});

async function withPostfix(mainCf: Record<string, string>): Promise<void> {
  await postfix?.stop();
  postfix = await startPostfix({
    places,
    example: 'receiver',
    substitutions,
    mailboxes: 'discard:',
    domains: ['sealpost.test'],
    aliases: { [ALICE]: ['id_1@sealpost.test'] },
    mainCf: { virtual_alias_maps: `inline:{ { ${ALICE} = id_1@sealpost.test } }`, ...mainCf },
  });
}

async function pull(to: string): Promise<Buffer[]> {
  const { program, args } = sealpostCommand();
  await mustRun(
    program,
    [...args, 'pull', '--server', `http://127.0.0.1:${apiPort}`, '--to', to, '--quiet'],
    { env: { SEALPOST_TOKEN: token, GNUPGHOME: gpg.dir } },
  );
  return readdirSync(join(to, 'new')).map((name) => readFileSync(join(to, 'new', name)));
}

async function queued(count: number): Promise<void> {
  await waitUntil(
    `${count} queued messages`,
    30_000,
    async () => ((await sealpost.cli(['queue', 'list', ALICE, '--json'])).json as unknown[]).length === count,
    async () => `${sealpost.log().slice(-3000)}\n${(await postfix.log()).slice(-3000)}`,
  );
}

describe('postfix-examples/receiver', () => {
  it('takes mail from virtual(8) through spool and queue into a Maildir, byte for byte as Postfix wrote it', async () => {
    await withPostfix({});
    const spool = join(substitutions['/var/spool/sealpost'] ?? '', 'in', 'new');
    // Stopped, so that the file can be seen before it is taken.
    await sealpost.stop();
    const body = 'Gr\u00fc\u00dfe\n.\nFrom the spool\n\n';
    await swaks({
      port: places.submitPort,
      sender: 'bob@outside.test',
      recipients: [ALICE],
      subject: 'spooled',
      body,
    });
    await postfix.waitForEmptyQueue(30_000);
    const [name = ''] = readdirSync(spool);
    const written = readFileSync(join(spool, name));
    expect(written.toString()).toMatch(
      /^Return-Path: <bob@outside\.test>\nX-Original-To: alice@sealpost\.test\nDelivered-To: id_1@sealpost\.test\n/,
    );
    await sealpost.start();
    await queued(1);
    const pulled = await pull(join(places.dir, 'maildir-spool'));
    expect(pulled).toHaveLength(1);
    expect(pulled[0]?.toString('latin1')).toBe(written.toString('latin1'));
    expect(readdirSync(spool)).toEqual([]);
    await queued(0);
  });

  it('takes mail by LMTP into the queue', async () => {
    await withPostfix({ virtual_transport: `sealpost-queue:inet:127.0.0.1:${lmtpPort}` });
    await swaks({
      port: places.submitPort,
      sender: 'bob@outside.test',
      recipients: [ALICE],
      subject: 'by lmtp',
      body: 'Hello',
    });
    await postfix.waitForEmptyQueue(30_000);
    await queued(1);
    const [message] = await pull(join(places.dir, 'maildir-lmtp'));
    const text = message?.toString('latin1') ?? '';
    expect(text).toContain('Subject: by lmtp');
    expect(text).toMatch(/^Return-Path: <bob@outside\.test>\r?\n/);
    expect(text).toMatch(/^Delivered-To: id_1@sealpost\.test\r?$/m);
  });
});
