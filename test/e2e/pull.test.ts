// `sealpost pull` and the queue's commands against the real HTTP interface, with a real PostgreSQL and a real gpg.
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WHOLE_BYTES } from '../../receiver/queue/types.ts';
import { runProgram, waitUntil } from '../support/child.ts';
import { createGpgHome, type GpgHome, makeKey, type TestKey } from '../support/keys.ts';
import { mailsIn, type PullRun, runPull, startPull } from '../support/pull-run.ts';
import { createQueueStand, maildirIn, type QueueStand, type QueueUser } from '../support/queue-stand.ts';
import { sealpostCommand } from '../support/sealpost-process.ts';

let stand: QueueStand;
let alice: QueueUser;

beforeAll(async () => {
  stand = await createQueueStand();
  alice = await stand.user('alice@example.org');
});
afterAll(() => stand?.close());

const letter = (text: string): Buffer =>
  Buffer.from(
    `Return-Path: <bob@example.net>\nDelivered-To: id_1@example.org\nFrom: Bob <bob@example.net>\nSubject: ${text}\n\n${text}\n`,
  );

let maildirs = 0;
const freshMaildir = (): string => {
  maildirs += 1;
  return maildirIn(stand, `maildir-${maildirs}`);
};

const summary = ({ code, json, stderr }: PullRun) => ({ code, json, stderr: code === 0 ? '' : stderr });
const strings = (mails: readonly Buffer[]): readonly string[] =>
  mails.map((mail) => mail.toString('latin1')).sort();
const waiting = async (user: QueueUser): Promise<number> =>
  ((await stand.must(['queue', 'stats', user.address, '--json'])).json as { messages: number }).messages;

async function emptyQueue(user: QueueUser): Promise<void> {
  const list = (await stand.must(['queue', 'list', user.address, '--json'])).json as { id: string }[];
  if (list.length > 0) await stand.must(['queue', 'ack', user.address, ...list.map(({ id }) => id)]);
}

const UNKNOWN = 'f'.repeat(32);

describe('the queue commands', () => {
  it('list, show, fetch, count and acknowledge what waits', async () => {
    const [first = '', second = ''] = await stand.file(alice, [letter('one'), letter('two')]);
    const list = (await stand.must(['queue', 'list', alice.address, '--json'])).json;
    expect(list).toEqual([
      { id: first, size: expect.any(Number), received: expect.stringMatching(/^\d{4}-.*Z$/) },
      { id: second, size: expect.any(Number), received: expect.any(String) },
    ]);
    const size = (list as { size: number }[])[0]?.size;
    const fetched = await stand.must(['queue', 'fetch', alice.address, first]);
    expect(fetched.stdout).toHaveLength(size ?? 0);
    expect((await stand.home.run(['--decrypt'], fetched.stdout)).stdout).toEqual(letter('one'));
    expect((await stand.must(['queue', 'show', alice.address, first, '--json'])).json).toEqual([
      { id: first, size, received: expect.any(String), keys: [expect.stringMatching(/^[0-9a-f]{16}$/)] },
    ]);
    expect((await stand.must(['queue', 'stats', alice.address, '--json'])).json).toMatchObject({
      messages: 2,
      oldest: expect.stringMatching(/Z$/),
    });
    await stand.must(['queue', 'ack', alice.address, first]);
    const known = await stand.sealpost.cli(['queue', 'ack', alice.address, second, UNKNOWN, '--yes']);
    expect([known.code, known.stdout.toString(), known.stderr]).toEqual([
      1,
      'acknowledged 1 message\n',
      `sealpost: no such message in the queue of ${alice.address}: ${UNKNOWN}; see "sealpost queue list ${alice.address}"; the others are acknowledged\n`,
    ]);
    await stand.must(['queue', 'ack', alice.address, first, second]);
    expect((await stand.must(['queue', 'stats', alice.address, '--json'])).json).toMatchObject({
      messages: 0,
      bytes: 0,
      oldest: null,
    });
  });

  it('show the key IDs of a message that is stored in pieces', async () => {
    const noise = randomBytes(WHOLE_BYTES);
    const [id = ''] = await stand.file(alice, [Buffer.concat([letter('large'), noise])]);
    expect((await stand.must(['queue', 'show', alice.address, id, '--json'])).json).toEqual([
      expect.objectContaining({ id, keys: [expect.stringMatching(/^[0-9a-f]{16}$/)] }),
    ]);
    await emptyQueue(alice);
  });

  it('refuse what does not wait, and who is unknown, with the command that helps', async () => {
    for (const verb of ['fetch', 'ack']) {
      const unknown = await stand.sealpost.cli(['queue', verb, alice.address, UNKNOWN, '--json']);
      expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('sealpost queue list')]);
      expect(JSON.parse(unknown.stdout.toString())).toMatchObject({ exit_code: 1 });
    }
    const nobody = await stand.sealpost.cli(['queue', 'list', 'nobody@example.org']);
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining('sealpost user add')]);
  });
});

describe('the token commands', () => {
  it('print a token once, list it without, and revoke it', async () => {
    const bob = await stand.user('bob@example.org');
    const printed = (await stand.must(['token', 'add', bob.address, '--name', 'phone'])).stdout
      .toString()
      .trim();
    const ask = (token: string) =>
      fetch(`${stand.url}/v1/messages`, { headers: { authorization: `Bearer ${token}` } });
    expect((await ask(printed)).status).toBe(200);
    const list = await stand.must(['token', 'list', bob.address, '--json']);
    expect(list.json).toEqual([
      expect.objectContaining({ name: '', revoked: null }),
      expect.objectContaining({ name: 'phone', revoked: null, last_used: expect.any(String) }),
    ]);
    expect(list.stdout.toString()).not.toContain(printed);
    const id = (list.json as { id: number }[])[1]?.id ?? 0;
    await stand.must(['token', 'revoke', String(id), '--yes']);
    expect((await ask(printed)).status).toBe(401);
    expect((await stand.sealpost.cli(['token', 'revoke', '999'])).code).toBe(1);
    expect((await stand.sealpost.cli(['token', 'revoke', 'phone'])).code).toBe(2);
    const { rows } = await stand.pool.query('SELECT * FROM api_tokens');
    expect(JSON.stringify(rows)).not.toContain(printed);
  });
});

describe('pull', () => {
  it('brings what waits into the Maildir, byte for byte, and empties the queue', async () => {
    const mails = [
      letter('one'),
      letter('two'),
      Buffer.from('no header at all\r\n\x00\xff', 'latin1'),
      Buffer.from('Subject: x\n'),
    ];
    await stand.file(alice, mails);
    const to = freshMaildir();
    const done = await runPull({ stand, user: alice, to });
    expect(summary(done)).toMatchObject({ code: 0, json: { delivered: 4, failed: [] } });
    expect(done.stderr).toContain('4 of 4 messages');
    expect(strings(await mailsIn(join(to, 'new')))).toEqual(strings(mails));
    expect(await waiting(alice)).toBe(0);
    expect(summary(await runPull({ stand, user: alice, to }))).toMatchObject({
      code: 0,
      json: { delivered: 0 },
    });
  });

  it('needs no GnuPG with a key file, whose passphrase may be in a file', async () => {
    const locked = await runProgram('gpg', [
      '--homedir',
      stand.home.dir,
      '--batch',
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      'correct horse',
      '--quick-generate-key',
      'dora <dora@example.org>',
      'future-default',
      'default',
      'never',
    ]);
    expect(locked.code).toBe(0);
    const exported = (options: readonly string[]) =>
      runProgram('gpg', [
        '--homedir',
        stand.home.dir,
        '--batch',
        '--pinentry-mode',
        'loopback',
        '--passphrase',
        'correct horse',
        ...options,
        'dora@example.org',
      ]);
    await stand.must(['user', 'add', 'dora@example.org']);
    const key = (await exported(['--armor', '--export'])).stdout;
    expect((await stand.sealpost.cli(['key', 'import', '-'], { stdin: key })).code).toBe(0);
    const { token } = (await stand.must(['token', 'add', 'dora@example.org', '--json'])).json as {
      token: string;
    };
    const id = ((await stand.must(['user', 'show', 'dora@example.org', '--json'])).json as { id: number }).id;
    const dora: QueueUser = { ...alice, address: 'dora@example.org', id, token };
    await stand.file(dora, [letter('for dora')]);
    const [keyFile, right, wrong] = ['dora.key', 'right', 'wrong'].map((name) =>
      join(stand.places.dir, name),
    );
    await writeFile(keyFile ?? '', (await exported(['--export-secret-keys'])).stdout);
    await writeFile(right ?? '', 'correct horse\n');
    await writeFile(wrong ?? '', 'battery staple\n');
    const to = freshMaildir();
    const env = { PATH: '/nonexistent', GNUPGHOME: '/nonexistent' };
    const args = ['--key-file', keyFile ?? ''];
    const call = { stand, user: dora, to, env };
    expect(summary(await runPull({ ...call, args }))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--passphrase-file'),
    });
    expect((await runPull({ ...call, args: [...args, '--passphrase-file', wrong ?? ''] })).code).toBe(1);
    expect(
      summary(await runPull({ ...call, args: [...args, '--passphrase-file', right ?? ''] })),
    ).toMatchObject({ code: 0, json: { delivered: 1 } });
    expect(strings(await mailsIn(join(to, 'new')))).toEqual(strings([letter('for dora')]));
  });

  it('leaves what it cannot decrypt on the server, says so, and brings the rest', async () => {
    const other = await createGpgHome();
    try {
      const stranger = await makeKey(other, 'stranger@example.net');
      const sealed = await other.run(
        ['--trust-model', 'always', '--recipient', stranger.fingerprint, '--encrypt'],
        'x',
      );
      // Bit 7 of a packet's first octet is always set (RFC 9580, section 4.2): by chance, wholly random bytes begin with a packet.
      const noPacket = Buffer.concat([Buffer.from([0x3c]), randomBytes(500)]);
      const [lost = '', garbage = ''] = await stand.fileRaw(alice, [sealed.stdout, noPacket]);
      await stand.file(alice, [letter('good')]);
      const to = freshMaildir();
      const done = await runPull({ stand, user: alice, to });
      expect(done.code).toBe(1);
      expect(done.json).toMatchObject({
        delivered: 1,
        failed: expect.arrayContaining([
          { id: lost, reason: expect.stringContaining('not here') },
          { id: garbage, reason: expect.stringContaining('damaged') },
        ]),
      });
      expect((done.json as { failed: unknown[] }).failed).toHaveLength(2);
      expect(strings(await mailsIn(join(to, 'new')))).toEqual(strings([letter('good')]));
      expect(await readdir(join(to, 'tmp'))).toEqual([]);
      expect(await waiting(alice)).toBe(2);
    } finally {
      await other.close();
      await emptyQueue(alice);
    }
  });

  it('brings 50 MB, through an interface that holds a piece at a time', async () => {
    const body = randomBytes(37_500_000).toString('base64').replace(/.{76}/g, '$&\n');
    const large = Buffer.from(`Subject: large\n\n${body}\n`, 'latin1');
    expect(large.length).toBeGreaterThan(50_000_000);
    await stand.file(alice, [letter('before'), large, letter('after')]);
    const rss = async (): Promise<number> =>
      Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${stand.sealpost.pid()}/status`, 'latin1'))?.[1]) *
      1024;
    await writeFile(`/proc/${stand.sealpost.pid()}/clear_refs`, '5').catch(() => undefined);
    const before = await rss();
    const to = freshMaildir();
    expect(summary(await runPull({ stand, user: alice, to }))).toMatchObject({
      code: 0,
      json: { delivered: 3 },
    });
    const found = await mailsIn(join(to, 'new'));
    expect(found.some((mail) => mail.equals(large))).toBe(true);
    // The server never held the message: as bytes and as the text of PostgreSQL's protocol that would be 150 MB.
    expect((await rss()) - before).toBeLessThan(110_000_000);
  });

  it('runs as an ordinary user who can read nothing of the server', async () => {
    if (process.getuid?.() !== 0) return;
    const nobody = 65534;
    await stand.file(alice, [letter('for an ordinary user')]);
    const folder = freshMaildir();
    await mkdir(folder);
    const keyFile = join(folder, 'key.asc');
    await writeFile(keyFile, alice.key.secretKey, { mode: 0o600 });
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, `${alice.token}\n`, { mode: 0o600 });
    for (const path of [folder, keyFile, tokenFile]) await chown(path, nobody, nobody);
    await chmod(stand.sealpost.configPath, 0o600);
    try {
      const { program, args } = sealpostCommand();
      const pull = [
        program,
        ...args,
        'pull',
        '--server',
        stand.url,
        '--to',
        join(folder, 'Maildir'),
        '--key-file',
        keyFile,
        '--token-file',
        tokenFile,
        '--json',
      ];
      const quoted = pull.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
      const done = await runProgram(
        'setpriv',
        ['--reuid=65534', '--regid=65534', '--clear-groups', 'sh', '-c', `cd / && exec ${quoted}`],
        { env: { HOME: folder, SEALPOST_TOKEN: '' } },
      );
      expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
      expect(strings(await mailsIn(join(folder, 'Maildir', 'new')))).toEqual(
        strings([letter('for an ordinary user')]),
      );
    } finally {
      await chmod(stand.sealpost.configPath, 0o644);
    }
  });

  it('goes on when the connection breaks in the middle, and doubles nothing', async () => {
    const mails = Array.from({ length: 150 }, (_, number) => letter(`message ${number} ${'x'.repeat(3000)}`));
    await stand.file(alice, mails);
    // A relay that cuts connections after so many bytes: 20 kB, 60 kB, 180 kB ...
    let limit = 20_000;
    let cuts = 0;
    const sockets = new Set<Socket>();
    const relay = createServer((client) => {
      const upstream = connect(Number(new URL(stand.url).port), '127.0.0.1');
      let passed = 0;
      upstream.on('data', (bytes: Buffer) => {
        passed += bytes.length;
        if (passed > limit) {
          limit *= 3;
          cuts += 1;
          client.destroy();
          upstream.destroy();
        } else client.write(bytes);
      });
      client.pipe(upstream);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          client.destroy();
          upstream.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    const address = relay.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const to = freshMaildir();
    try {
      const done = await runPull({ stand, user: alice, to, server: `http://127.0.0.1:${port}` });
      expect(summary(done)).toMatchObject({ code: 0, json: { delivered: 150 } });
      expect(done.stderr).toContain('trying again');
    } finally {
      for (const socket of sockets) socket.destroy();
      relay.close();
    }
    expect(cuts).toBeGreaterThan(1);
    expect(strings(await mailsIn(join(to, 'new')))).toEqual(strings(mails));
    expect(await waiting(alice)).toBe(0);
  });

  it('ends with 75 when nobody answers, 1 when the token is refused, 2 without a token', async () => {
    const to = freshMaildir();
    const [away, refused, missing] = await Promise.all([
      runPull({ stand, user: alice, to: `${to}a`, server: 'http://127.0.0.1:9' }),
      runPull({ stand, user: { ...alice, token: 'sealpost_wrong' }, to: `${to}b` }),
      runPull({ stand, user: { ...alice, token: '' }, to: `${to}c` }),
    ]);
    expect([away.code, refused.code, missing.code]).toEqual([75, 1, 2]);
    expect(refused.stderr).toContain('sealpost token add');
    expect(away.stderr).toContain('nothing is lost');
    for (const { stderr } of [away, refused]) expect(stderr).not.toContain(alice.token);
  });

  it('ends at once when another one fills the same Maildir', async () => {
    const to = freshMaildir();
    const first = startPull({ stand, user: alice, to, args: ['--watch'] });
    try {
      await waitUntil('the first pull to wait', 60_000, () =>
        first.stderr().includes('waiting for new mail'),
      );
      const second = await runPull({ stand, user: alice, to });
      expect(summary(second)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('another "sealpost pull"'),
      });
    } finally {
      first.child.kill('SIGTERM');
      expect(await first.ended).toBe(0);
    }
  });

  it('with --watch brings new mail as it comes, through a restart of the server, until the token is revoked', async () => {
    const carol = await stand.user('carol@example.org');
    const to = freshMaildir();
    const watching = startPull({ stand, user: carol, to, args: ['--watch'] });
    const arrived = (count: number) =>
      waitUntil(
        `${count} mails`,
        60_000,
        async () => (await mailsIn(join(to, 'new'))).length === count,
        watching.stderr,
      );
    await waitUntil(
      'pull to wait',
      60_000,
      () => watching.stderr().includes('waiting for new mail'),
      watching.stderr,
    );
    await stand.file(carol, [letter('first')]);
    await arrived(1);
    await stand.file(carol, [letter('second'), letter('third')]);
    await arrived(3);
    await stand.sealpost.stop();
    await stand.file(carol, [letter('while nobody serves')]);
    await stand.sealpost.start();
    await arrived(4);
    const list = (await stand.must(['token', 'list', carol.address, '--json'])).json as { id: number }[];
    await stand.must(['token', 'revoke', String(list[0]?.id)]);
    expect(await watching.ended).toBe(1);
    expect(watching.stderr()).toContain('does not take the token');
  });
});

describe('verdicts on mail that its sender encrypted or signed', () => {
  let senders: GpgHome;
  let bob: TestKey;

  beforeAll(async () => {
    senders = await createGpgHome();
    bob = await makeKey(senders, 'bob@example.net');
    await senders.run(['--import'], alice.key.publicKey);
    await stand.home.run(['--import'], bob.publicKey);
  });
  afterAll(() => senders?.close());

  const part = 'Content-Type: text/plain\n\nBeneath the signature.\n';
  const crlf = (text: string): string => text.replaceAll('\n', '\r\n');
  const forged = 'SEALPOST-signature: valid; key=FFFF\n folded\nSealpost-Encryption: decrypted\n';

  async function sign(text: string, mode: string): Promise<string> {
    const done = await senders.run(['--armor', '--local-user', bob.fingerprint, mode], text);
    return done.stdout.toString('latin1');
  }

  async function encrypt(text: string, more: readonly string[] = []): Promise<string> {
    const options = ['--armor', '--trust-model', 'always', '--recipient', alice.key.fingerprint];
    return (await senders.run([...options, ...more, '--encrypt'], text)).stdout.toString('latin1');
  }

  const signedMail = (signature: string, text = part, from = 'Bob <bob@example.net>'): string =>
    `From: ${from}\n${forged}MIME-Version: 1.0\nContent-Type: multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256; boundary=b\n\n--b\n${text}\n--b\nContent-Type: application/pgp-signature\n\n${signature}\n--b--\n`;
  const encryptedMail = (armor: string): string =>
    `From: bob@example.net\n${forged}MIME-Version: 1.0\nContent-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\n\n--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n--b\nContent-Type: application/octet-stream\n\n${armor}\n--b--\n`;

  it('are put at the top, forged ones are gone, and nothing else changes', async () => {
    const signature = await sign(crlf(part), '--detach-sign');
    const key = bob.fingerprint;
    const cases: readonly (readonly [string, readonly string[]])[] = [
      [`From: bob@example.net\n${forged}Subject: plain\n\nplain\n`, []],
      [signedMail(signature), ['none', `valid; type=pgp-mime; key=${key}; trust=undefined`]],
      [
        signedMail(signature, part, '"bob@example.net" <mallory@example.net>'),
        ['none', `mismatch; type=pgp-mime; key=${key}; trust=undefined`],
      ],
      [
        signedMail(signature, part.replace('Beneath', 'Forged beneath')),
        ['none', `invalid; reason=bad; type=pgp-mime; key=${key.slice(-16)}`],
      ],
      [signedMail('no signature'), ['none', 'invalid; type=pgp-mime; reason=malformed']],
      [encryptedMail(await encrypt(part)), ['decrypted; type=pgp-mime', 'none']],
      [
        encryptedMail(await encrypt(part, ['--local-user', bob.fingerprint, '--sign'])),
        ['decrypted; type=pgp-mime', `valid; type=pgp-mime; key=${key}; trust=undefined`],
      ],
      [`From: bob@example.net\n\n${await encrypt('inline\n')}`, ['decrypted; type=inline', 'none']],
      [
        `From: bob@example.net\n\n${await sign('cleartext\n', '--clear-sign')}`,
        ['none', `valid; type=inline; key=${key}; trust=undefined`],
      ],
      [`From: bob@example.net\n\nI add this.\n${await sign('cleartext\n', '--clear-sign')}`, []],
    ];
    await stand.file(
      alice,
      cases.map(([mail]) => Buffer.from(mail, 'latin1')),
    );
    const to = freshMaildir();
    expect(summary(await runPull({ stand, user: alice, to }))).toMatchObject({
      code: 0,
      json: { delivered: cases.length },
    });
    const expected = cases.map(([mail, [encryption, verdict]]) => {
      const honest = mail.replace(forged, '');
      return encryption === undefined
        ? honest
        : `Sealpost-Encryption: ${encryption}\nSealpost-Signature: ${verdict}\n${honest}`;
    });
    expect(strings(await mailsIn(join(to, 'new')))).toEqual([...expected].sort());
  });

  it('say that a signature was not checked where no keys of senders are known', async () => {
    await stand.file(alice, [Buffer.from(signedMail(await sign(crlf(part), '--detach-sign')), 'latin1')]);
    const keyFile = join(stand.places.dir, 'alice.key');
    await writeFile(keyFile, alice.key.secretKey, { mode: 0o600 });
    const to = freshMaildir();
    expect((await runPull({ stand, user: alice, to, args: ['--key-file', keyFile] })).code).toBe(0);
    const [mail] = strings(await mailsIn(join(to, 'new')));
    expect(mail).toContain('Sealpost-Signature: unchecked; type=pgp-mime; reason=no-keyring\n');
  });
});
