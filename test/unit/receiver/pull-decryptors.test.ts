// What opens sealed mail for `pull`, with real keys: GnuPG, and a key file read by OpenPGP.js.
// @module-tag slow
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, deflateSync } from 'node:zlib';
import {
  CompressedDataPacket,
  createMessage,
  encrypt,
  generateKey,
  Message,
  PacketList,
  readKey,
} from 'openpgp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Decryptor } from '../../../client/decrypt/decryptor.ts';
import { createGpg } from '../../../client/decrypt/gpg.ts';
import { createKeyFile } from '../../../client/decrypt/key-file.ts';
import { judge } from '../../../client/decrypt/verdict.ts';
import { curveKey, type Gpg, openGpg } from '../keys/gpg.ts';

const MOST = 1024 * 1024;

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const open = (decryptor: Decryptor, sealed: Uint8Array, most = MOST) =>
  decryptor.open(once(sealed), sealed.length, most, false);

describe('GnuPG', () => {
  let alice: Gpg;
  let bob: Gpg;
  let signed: Buffer;
  let signer: string;

  beforeAll(() => {
    alice = openGpg();
    bob = openGpg();
    vi.stubEnv('GNUPGHOME', alice.home);
    const recipient = alice.make(curveKey({ address: 'alice@example.org' }));
    signer = bob.make(curveKey({ address: 'bob@example.net' }));
    bob.run(['--import'], alice.exportKey(recipient));
    const options = ['--trust-model', 'always', '--compress-algo', 'none', '--recipient', recipient];
    signed = bob.run([...options, '--local-user', signer, '--sign', '--encrypt'], 'from bob\n');
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    alice?.close();
    bob?.close();
  });

  it('opens what is signed by a key that it does not have, and says so', async () => {
    expect(await open(createGpg(), signed)).toEqual({
      ok: true,
      plaintext: Buffer.from('from bob\n'),
      signatures: [{ state: 'missing', fingerprint: null, keyId: signer.slice(-16), trust: null }],
    });
    const armor = bob.run(['--enarmor'], signed).toString('latin1').replaceAll('ARMORED FILE', 'MESSAGE');
    const mail = Buffer.from(`From: bob@example.net\n\n${armor}`, 'latin1');
    expect(await judge(mail, createGpg())).toEqual({
      encryption: 'decrypted; type=inline',
      signature: `unchecked; reason=no-key; type=inline; key=${signer.slice(-16)}`,
    });
  });

  it('opens nothing of that when one bit of it was changed, or its end is missing', async () => {
    for (const [place, what] of [
      [10, 'the integrity check'],
      [40, 'the signature'],
      [150, 'the text'],
    ] as const) {
      const changed = Buffer.from(signed);
      changed[changed.length - place] = (changed[changed.length - place] ?? 0) ^ 1;
      expect(await open(createGpg(), changed), what).toEqual({ ok: false, reason: 'damaged' });
    }
    expect(await open(createGpg(), signed.subarray(0, -15))).toEqual({ ok: false, reason: 'damaged' });
  });

  it('is given none of our own variables, where the token is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sp-'));
    try {
      const program = join(folder, 'gpg');
      writeFileSync(program, `#!/bin/sh\nenv > '${folder}/environment'\nexec gpg "$@"\n`, { mode: 0o755 });
      vi.stubEnv('SEALPOST_TOKEN', 'sealpost_secret');
      vi.stubEnv('SEALPOST_DATABASE_URL', 'postgres://sealpost:secret@db.example.org/');
      expect(await open(createGpg({ program }), signed)).toMatchObject({ ok: true });
      const environment = await readFile(join(folder, 'environment'), 'utf8');
      expect(environment).toContain(`GNUPGHOME=${alice.home}\n`);
      expect(environment).not.toMatch(/SEALPOST|secret/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a key file', () => {
  let folder: string;
  let publicKey: Awaited<ReturnType<typeof readKey>>;
  let decryptor: Decryptor;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sp-'));
    const made = await generateKey({ userIDs: [{ email: 'alice@example.org' }], format: 'armored' });
    publicKey = await readKey({ armoredKey: made.publicKey });
    const path = join(folder, 'key.asc');
    writeFileSync(path, made.privateKey, { mode: 0o600 });
    decryptor = await createKeyFile(path, undefined);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function seal(message: Message<Uint8Array>): Promise<Uint8Array> {
    return encrypt({ message, encryptionKeys: publicKey, format: 'binary' });
  }

  it('opens what is sealed to it, as large as is allowed', async () => {
    const plaintext = Buffer.alloc(1000, 'a');
    const sealed = await seal(await createMessage({ binary: plaintext }));
    expect(await open(decryptor, sealed, 1000)).toMatchObject({ ok: true, plaintext });
    expect(await open(decryptor, sealed, 999)).toEqual({ ok: false, reason: 'too large' });
  });

  // Zeros are no OpenPGP packets: whoever decompresses all of them before looking at the size finds the message damaged.
  const zeros = Buffer.alloc(4_000_000);
  const bzipped =
    '425a6839314159265359fe54dbf3001ea34400c00010000008200030cc09aa69a2a486d42a4878bb9229c28487f2a6df98';
  it.each([
    ['ZIP', 1, deflateRawSync(zeros)],
    ['ZLIB', 2, deflateSync(zeros)],
    ['BZip2', 3, Buffer.from(bzipped, 'hex')],
  ])('stops decompressing %s at the size that is allowed', async (_, algorithm, compressed) => {
    const packets = new PacketList<CompressedDataPacket>();
    packets.push(Object.assign(new CompressedDataPacket(), { algorithm, compressed }));
    const sealed = await seal(new Message(packets));
    expect(sealed.length).toBeLessThan(5000);
    expect(await open(decryptor, sealed)).toEqual({ ok: false, reason: 'too large' });
  });
});
