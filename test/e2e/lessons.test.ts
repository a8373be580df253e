// The predecessors' faults (docs of the design, "lessons") that touch the command line, the pipe and the log, driven through
// the real programs. The others are named in the unit tests of the code that avoids them: search for "lesson".
import { join } from 'node:path';
import { readKey } from 'openpgp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../src/message/detect.ts';
import { stripSealpostFields } from '../../src/message/sealpost-fields.ts';
import { runProgram } from '../support/child.ts';
import { cms } from '../support/encrypted-samples.ts';
import { createGpgHome, type GpgHome, makeKey, openpgpDecrypt, type TestKey } from '../support/keys.ts';
import { allocatePlaces, exampleSubstitutions, freePorts, type Places } from '../support/places.ts';
import { createSealpost, placeSealpostPipe, type SealpostProcess } from '../support/sealpost-process.ts';
import { type Sink, startSink } from '../support/sink.ts';
import { sendRaw } from '../support/submit.ts';
import { looksSealed, unseal, unsealAndCompare } from '../support/unseal.ts';

const ALICE = 'alice@example.org';
const AALICE = 'aalice@example.org';
const BOB = 'bob@example.org';

let places: Places;
let sealpost: SealpostProcess;
let sink: Sink;
let gpg: GpgHome;
const keys = new Map<string, TestKey>();

function keyOf(address: string): TestKey {
  const key = keys.get(address);
  if (key === undefined) throw new Error(`the test made no key for ${address}`);
  return key;
}

async function must(args: readonly string[], stdin?: string): Promise<unknown> {
  return (await sealpost.must([...args, '--json'], stdin)).json;
}

async function action(address: string): Promise<unknown> {
  return (await must(['explain', address])) as { readonly decision: { readonly action: string } };
}

async function deliver(
  recipients: readonly string[],
  message: Buffer,
  sender = 'carol@outside.example',
): Promise<string[]> {
  return sendRaw({ to: { port: places.lmtpPort }, protocol: 'lmtp', sender, recipients, message });
}

beforeAll(async () => {
  places = await allocatePlaces();
  const [sinkPort = 0] = await freePorts(1);
  sink = await startSink({ protocol: 'smtp', listen: { port: sinkPort } });
  sealpost = await createSealpost({
    places,
    example: null,
    substitutions: exampleSubstitutions(places),
    config: {
      observe: { log_level: 'trace' },
      filter: {
        next_hop: `smtp:127.0.0.1:${sinkPort}`,
        listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` }],
      },
    },
  });
  gpg = await createGpgHome();
  for (const address of [ALICE, AALICE, BOB, 'mallory@example.org'])
    keys.set(address, await makeKey(gpg, address));
  await sealpost.start();
  await must(['domain', 'add', 'example.org']);
  for (const address of [ALICE, AALICE, BOB]) await must(['user', 'add', address]);
});

afterAll(async () => {
  await sealpost?.close();
  await sink?.stop();
  await gpg?.close();
  await places?.remove();
});

beforeEach(() => sink.clear());

describe('keys', () => {
  it('lesson 7: a key for aalice@ is no key for alice@, and a short key ID names no key', async () => {
    await must(['key', 'import', '-'], keyOf(AALICE).publicKey);
    expect(await action(ALICE)).toMatchObject({ decision: { action: 'pass', because: 'no key' } });
    expect(await action(AALICE)).toMatchObject({ decision: { action: 'seal' } });
    const short = await sealpost.cli(['key', 'show', keyOf(AALICE).fingerprint.slice(-16)]);
    expect(short.code).toBe(1);
    expect(short.stderr).toMatch(/fingerprint/);
  });

  it('lesson 10: a secret key is refused, with a sentence, and nothing of it is kept', async () => {
    const done = await sealpost.cli(['key', 'import', '-'], { stdin: keyOf(ALICE).secretKey });
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(/secret key/);
    expect(done.stderr).not.toMatch(/\n\s+at /);
    expect(await must(['key', 'list', ALICE])).toEqual([]);
  });

  it('lesson 18: Version: and Comment: lines, CRLF and surrounding prose do no harm', async () => {
    const dressed = keyOf(ALICE)
      .publicKey.replace(
        '-----\n\n',
        '-----\nVersion: GnuPG v1.4.11 (GNU/Linux)\nComment: Using GnuPG with Mozilla\n\n',
      )
      .replaceAll('\n', '\r\n');
    await must(['key', 'import', '-'], `Dear admin,\r\nhere is my key:\r\n\r\n${dressed}\r\nAlice\r\n`);
    expect(await action(ALICE)).toMatchObject({
      decision: { action: 'seal', keys: [keyOf(ALICE).fingerprint] },
    });
  });

  it('lesson 8: a bad upload leaves the old key where it was', async () => {
    const broken = keyOf(BOB).publicKey.replace(/\n[A-Za-z0-9+/]{64}\n/, '\nAAAA\n');
    const done = await sealpost.cli(['key', 'import', '-', '--for', ALICE], { stdin: broken });
    expect(done.code).toBe(1);
    expect(await action(ALICE)).toMatchObject({
      decision: { action: 'seal', keys: [keyOf(ALICE).fingerprint] },
    });
  });

  it("lesson 9: an upload that carries other people's keys binds none of them to anybody else", async () => {
    const several = `${keyOf(BOB).publicKey}\n${keyOf('mallory@example.org').publicKey}`;
    const done = await sealpost.cli(['key', 'import', '-', '--json'], { stdin: several });
    expect(done.code).toBe(1);
    expect(await must(['key', 'list', BOB])).toMatchObject([{ fingerprint: keyOf(BOB).fingerprint }]);
    const all = JSON.stringify(await must(['key', 'list']));
    expect(all).not.toContain(keyOf('mallory@example.org').fingerprint);
  });

  it('what is stored is a public key, and nothing but that', async () => {
    const done = await sealpost.cli(['key', 'export', ALICE]);
    const key = await readKey({ armoredKey: done.stdout.toString('utf8') });
    expect(key.isPrivate()).toBe(false);
  });
});

describe('the pipe', () => {
  const message = 'From: <carol@outside.example>\nSubject: hello\n\nThe body.\n';

  async function pipe(args: readonly string[], stdin: string): ReturnType<typeof runProgram> {
    const program = join(places.dir, 'sealpost-pipe.mjs');
    await placeSealpostPipe(program);
    return runProgram(process.execPath, [program, ...args], { stdin });
  }

  it('lesson 2: an unreachable relay, bad settings and an empty message are temporary, without a traceback', async () => {
    const call = ['--queue-id', 'Q1', '-f', 'carol@outside.example', '--', ALICE];
    await sink.down();
    const away = await pipe(['--config', places.sealpostConfig, ...call], message);
    await sink.up();
    const noConfig = await pipe(['--config', join(places.dir, 'nowhere.toml'), ...call], message);
    const empty = await pipe(['--config', places.sealpostConfig, ...call], '');
    for (const done of [away, noConfig, empty]) {
      expect(done.code).toBe(75);
      expect(done.stdout.toString('utf8')).toMatch(/^4\.\d+\.\d+ \S/);
      expect(`${done.stdout.toString('utf8')}${done.stderr}`).not.toMatch(/\n\s+at |Error:|The body/);
    }
  });

  it('lesson 3: the envelope sender is the one of the envelope, also when it is empty and From says otherwise', async () => {
    const done = await pipe(
      ['--config', places.sealpostConfig, '--queue-id', 'Q2', '-f', '', '--', BOB],
      message,
    );
    expect(done.code).toBe(0);
    expect(sink.transactions.map((one) => one.sender.path)).toEqual(['']);
  });

  it('lesson 3: mail without a From field, or without any field, is delivered like any other', async () => {
    for (const [number, text] of ['Subject: hello\n\nThe body.\n', '\nThe body.\n'].entries()) {
      sink.clear();
      const call = ['--queue-id', `Q3-${number}`, '-f', 'carol@outside.example', '--', BOB];
      expect((await pipe(['--config', places.sealpostConfig, ...call], text)).code).toBe(0);
      expect(sink.transactions.map((one) => one.sender.path)).toEqual(['carol@outside.example']);
    }
  });
});

describe('the whole way', () => {
  it('lesson 6: a message/rfc822, a Latin-1 body and a multipart/signed come out as they went in', async () => {
    const bodies = [
      'Content-Type: message/rfc822\r\n\r\nFrom: a@b\r\nSubject: inner\r\n\r\ninner body\r\n',
      'Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdfe\r\n',
      'Content-Type: multipart/signed; micalg=pgp-sha256;\r\n protocol="application/pgp-signature"; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nno real signature\r\n--b--\r\n',
    ];
    for (const body of bodies) {
      const message = Buffer.from(
        `From: <carol@outside.example>\r\nSubject: x\r\nMIME-Version: 1.0\r\n${body}`,
        'latin1',
      );
      sink.clear();
      await deliver([ALICE], message);
      await unsealAndCompare(
        message,
        sink.deliveries()[0]?.message ?? Buffer.alloc(0),
        openpgpDecrypt(keyOf(ALICE)),
      );
    }
  });

  it('lesson 5: words that look like encryption switch nothing off', async () => {
    const message = Buffer.from(
      'From: <carol@outside.example>\r\nSubject: multipart/encrypted\r\n\r\nHe wrote:\r\n> -----BEGIN PGP MESSAGE-----\r\n> \r\n> abc\r\n> -----END PGP MESSAGE-----\r\nmultipart/encrypted indeed.\r\n',
    );
    await deliver([ALICE], message);
    expect(looksSealed(sink.deliveries()[0]?.message ?? Buffer.alloc(0))).toBe(true);
  });

  it('lesson 5: signed S/MIME counts as plain, and what is encrypted already is not encrypted twice', async () => {
    const signed = Buffer.from(
      `From: <carol@outside.example>\r\nMIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n${cms('signed').toString('base64')}\r\n`,
    );
    await deliver([ALICE], signed);
    const sealed = sink.deliveries()[0]?.message ?? Buffer.alloc(0);
    expect(looksSealed(sealed)).toBe(true);
    sink.clear();
    const again = stripSealpostFields(sealed);
    await deliver([ALICE], again);
    expect(sink.deliveries()[0]?.message.equals(again)).toBe(true);
  });

  it('lesson 6: mail that is not encrypted passes byte for byte, so that its DKIM signature stays good', async () => {
    const message = Buffer.from(
      'DKIM-Signature: v=1; b=abc=\r\nfrom:<carol@outside.example>  \r\nSubject:no space\r\nContent-Type: text/plain;\r\n\tcharset="iso-8859-1"\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\nGr=FC=DFe=20\r\n \t\r\nGr\xfc\xdfe\r\n\r\n',
      'latin1',
    );
    await deliver(['stranger@elsewhere.example'], message);
    expect(sink.deliveries()[0]?.message.equals(message)).toBe(true);
  });

  it('lesson 4: of two recipients, visible or in Bcc, each gets a copy that knows of no other key', async () => {
    await deliver(
      [ALICE, BOB],
      Buffer.from('From: <carol@outside.example>\r\nTo: <alice@example.org>\r\n\r\nx\r\n'),
    );
    const copies = sink.deliveries();
    expect(copies.map(({ recipient }) => recipient).sort()).toEqual([ALICE, BOB]);
    const ids = copies.map(({ message }) => {
      const found = detectEncrypted(message);
      return found.encrypted ? found.keyIds : [];
    });
    expect(ids.map((own) => own.length)).toEqual([1, 1]);
    expect(ids[0]).not.toEqual(ids[1]);
    for (const { recipient, message } of copies) {
      const other = recipient === ALICE ? BOB : ALICE;
      expect(message.includes(keyOf(other).fingerprint)).toBe(false);
    }
  });

  it('lesson 20: at the most talkative level, the log tells no sender, no stranger, no subject and no body', async () => {
    await deliver(
      [ALICE, 'stranger@third-person.example'],
      Buffer.from('From: <someone@private.example>\r\nSubject: MARK-SUBJECT\r\n\r\nMARK-BODY\r\n'),
      'sender@third-person.example',
    );
    await sink.down();
    await deliver(
      [ALICE],
      Buffer.from('From: <someone@private.example>\r\nSubject: MARK-SUBJECT 2\r\n\r\nMARK-BODY\r\n'),
    );
    await sink.up();
    const log = sealpost.log();
    expect(log.length).toBeGreaterThan(1000);
    for (const secret of [
      'MARK-SUBJECT',
      'MARK-BODY',
      'third-person.example',
      'private.example',
      'outside.example',
    ]) {
      expect(log.includes(secret), `the log contains ${secret}`).toBe(false);
    }
    expect(log).not.toContain('BEGIN PGP');
  });

  it('lesson 1: a revoked key defers; mail is never passed in its stead', async () => {
    await must(['key', 'disable', keyOf(BOB).fingerprint]);
    // Whoever could read before hears of it, by a letter sealed with that key: it is no mail of anybody's.
    await sink.waitForDeliveries(1, 20_000);
    const [told] = sink.deliveries();
    expect(told).toMatchObject({ sender: '', recipient: BOB });
    const { body } = await unseal(told?.message ?? Buffer.alloc(0), openpgpDecrypt(keyOf(BOB)));
    expect(body.toString('latin1').replace(/=\r\n/g, '')).toContain('not sealed with this key any more');
    sink.clear();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const [reply] = await deliver([BOB], Buffer.from('From: <carol@outside.example>\r\n\r\nsecret\r\n'));
    expect(reply).toMatch(/^450 4\.7\.5 /);
    expect(sink.deliveries()).toEqual([]);
  });
});
