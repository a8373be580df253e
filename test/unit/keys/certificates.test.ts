// What is kept of a certificate, what it says over time, and what copies of it teach: with keys whose life GnuPG makes up.
// @module-tag slow
import { createHash } from 'node:crypto';
import {
  type AnyPacket,
  PacketList,
  PublicSubkeyPacket,
  readKey,
  SignaturePacket,
  UserIDPacket,
} from 'openpgp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createKeyCache } from '../../../src/keys/cache.ts';
import { canonical } from '../../../src/keys/canonical.ts';
import { chooseKeys } from '../../../src/keys/choose.ts';
import { readComponents, write } from '../../../src/keys/components.ts';
import { usableUntil } from '../../../src/keys/facts.ts';
import { inspectComponents } from '../../../src/keys/inspect.ts';
import { mergeCertificates } from '../../../src/keys/merge.ts';
import { engineCertificates } from '../../../src/openpgp/engine.ts';
import { curveKey, type Gpg, openGpg } from './gpg.ts';

const policy = { allowSha1: false };
const NOW = Date.UTC(2026, 5, 1);
const at = (date: string): readonly string[] => ['--faked-system-time', `${date}T000000!`];

let gpg: Gpg;
beforeAll(() => {
  gpg = openGpg();
});
afterAll(() => gpg.close());

function stored(
  certificate: Uint8Array,
  fingerprint = createHash('sha256').update(certificate).digest('hex'),
) {
  return {
    kind: 'openpgp' as const,
    fingerprint,
    certificate,
    status: 'active' as const,
    source: 'cli' as const,
    createdAt: new Date(0),
  };
}

async function choiceOf(certificate: Uint8Array, now = NOW) {
  return chooseKeys([await createKeyCache(policy).inspect(stored(certificate))], now);
}

const inspect = async (certificate: Uint8Array) =>
  inspectComponents(await readComponents(certificate), policy);

async function merge(known: Uint8Array, copy: Uint8Array) {
  return mergeCertificates(await readComponents(known), await readComponents(copy), policy);
}

/** A certificate's key, user IDs and subkeys, each with its signatures. */
async function partsOf(certificate: Uint8Array): Promise<readonly (readonly AnyPacket[])[]> {
  const packets: readonly AnyPacket[] = (await readKey({ binaryKey: certificate })).toPacketList();
  const parts: AnyPacket[][] = [];
  for (const packet of packets) {
    if (packet instanceof SignaturePacket) parts.at(-1)?.push(packet);
    else parts.push([packet]);
  }
  return parts;
}

function revokeSubkey(fingerprint: string, index: number, ...options: readonly string[]): void {
  gpg.run(
    [...options, '--command-fd', '0', '--edit-key', fingerprint],
    `key ${index}\nrevkey\ny\n0\n\ny\nsave\n`,
  );
}

function revokeKey(fingerprint: string, ...options: readonly string[]): void {
  gpg.run([...options, '--command-fd', '0', '--edit-key', fingerprint], 'revkey\ny\n0\n\ny\nsave\n');
}

describe('the canonical certificate', () => {
  it('has the owner’s user IDs and no third-party signatures, and gpg imports it', async () => {
    const key = gpg.make(curveKey({ address: 'alice@example.org' }), at('20250101'));
    gpg.run([...at('20250102'), '--quick-add-uid', key, 'Alice Private <alice@home.example>']);
    gpg.run([...at('20250102'), '--quick-add-uid', key, 'Not Alice <aalice@example.org>']);
    const friend = gpg.make(curveKey({ address: 'friend@example.org' }), at('20250101'));
    gpg.run([...at('20250103'), '--trust-model', 'always', '-u', friend, '--quick-sign-key', key]);
    const exported = gpg.exportKey(key);
    const slim = write(
      await canonical(await readComponents(exported), (address) => address === 'alice@example.org', policy),
    );
    const listing = gpg.run(['--show-keys', '--with-colons', '--with-sig-list'], slim).toString();
    expect(listing.match(/^uid:.*$/gm)).toHaveLength(1);
    expect(listing).toContain('<alice@example.org>');
    expect(listing).not.toContain(friend.slice(-16));
    expect(exported.length).toBeGreaterThan(slim.length);
  });

  it('keeps the primary user ID where none is the owner’s', async () => {
    const key = gpg.make(curveKey({ address: 'only@home.example' }));
    const slim = await canonical(await readComponents(gpg.exportKey(key)), () => false, policy);
    expect(slim.users.map(({ packet }) => packet.email)).toEqual(['only@home.example']);
  });

  it('keeps the primary user ID where it alone tells the expiry', async () => {
    // The first user ID was signed without an expiry; the expiry came with the second, primary one, and gpg sets it on both.
    const key = gpg.make(curveKey({ address: 'work@example.org' }), at('20250101'));
    const before = await readComponents(gpg.exportKey(key));
    gpg.run([...at('20250201'), '--quick-add-uid', key, 'Home <home@home.example>']);
    gpg.run([...at('20250301'), '--quick-set-expire', key, '20260101T000000']);
    const after = await readComponents(gpg.exportKey(key));
    const home = after.users.filter(({ packet }) => packet.email === 'home@home.example');
    const odd = { ...after, users: [...before.users, ...home] };
    const slim = await canonical(odd, (address) => address === 'work@example.org', policy);
    expect(slim.users.map(({ packet }) => packet.email)).toEqual(['work@example.org', 'home@home.example']);
  });

  it('drops a signature that was tampered with', async () => {
    const key = gpg.make(curveKey({ address: 'alice@example.org' }));
    const bytes = Buffer.from(gpg.exportKey(key));
    const intact = await readComponents(bytes);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    const damaged = await readComponents(bytes);
    expect([intact.subkeys.length, damaged.subkeys.length]).toEqual([1, 0]);
  });
});

describe('over time', () => {
  it('a key expires with its primary key', async () => {
    const key = gpg.exportKey(
      gpg.make(curveKey({ address: 'a@example.org' }, '20260101T000000'), at('20250101')),
    );
    const facts = await inspect(key);
    expect(usableUntil(facts)).toBe(Date.UTC(2026, 0, 1));
    expect((await choiceOf(key, Date.UTC(2025, 11, 31))).state).toBe('usable');
    const late = await choiceOf(key);
    expect(late.state).toBe('expired');
    expect(late.use[0]?.at).toBe(Date.UTC(2026, 0, 1) - 1000);
  });

  it('a key expires with its last encryption subkey', async () => {
    const key = gpg.make(
      ['Key-Type: eddsa', 'Key-Curve: ed25519', 'Name-Email: s@example.org'],
      at('20250101'),
    );
    gpg.run([...at('20250101'), '--quick-add-key', key, 'cv25519', 'encr', '20260101T000000']);
    const facts = await inspect(gpg.exportKey(key));
    expect(facts.expires).toBeNull();
    expect(usableUntil(facts)).toBe(Date.UTC(2026, 0, 1));
    expect((await choiceOf(gpg.exportKey(key))).state).toBe('expired');
    gpg.run([...at('20260102'), '--quick-add-key', key, 'cv25519', 'encr', '20270101T000000']);
    expect((await choiceOf(gpg.exportKey(key))).state).toBe('usable');
  });

  it('a revoked subkey is never encrypted to, also of an expired key', async () => {
    const key = gpg.make(curveKey({ address: 'a@example.org' }, '20260101T000000'), at('20250101'));
    gpg.run([...at('20250601'), '--quick-add-key', key, 'cv25519', 'encr', '20260101T000000']);
    const { windows } = await inspect(gpg.exportKey(key));
    const [older, newer] = windows.map(({ subkey }) => subkey);
    expect(windows).toHaveLength(2);
    revokeSubkey(key, 1, ...at('20260301'));
    const facts = await inspect(gpg.exportKey(key));
    expect(facts.encryptionKeys.map(({ fingerprint, revoked }) => [fingerprint, revoked])).toEqual([
      [older, true],
      [newer, false],
    ]);
    const choice = await choiceOf(gpg.exportKey(key));
    expect(choice.state).toBe('expired');
    const sealing = await readComponents(choice.use[0]?.certificate ?? new Uint8Array());
    expect(sealing.subkeys.map(({ fingerprint }) => fingerprint)).toEqual([newer]);
    revokeSubkey(key, 2, ...at('20260302'));
    expect((await choiceOf(gpg.exportKey(key))).state).toBe('unusable');
  });

  it('an expired older subkey does not come back when the newest is revoked', async () => {
    const key = gpg.make(
      ['Key-Type: eddsa', 'Key-Curve: ed25519', 'Name-Email: s@example.org'],
      at('20240101'),
    );
    gpg.run([...at('20240101'), '--quick-add-key', key, 'cv25519', 'encr', '20250101T000000']);
    gpg.run([...at('20250101'), '--quick-add-key', key, 'cv25519', 'encr', 'never']);
    expect((await choiceOf(gpg.exportKey(key))).state).toBe('usable');
    revokeSubkey(key, 2, ...at('20250601'));
    const choice = await choiceOf(gpg.exportKey(key));
    expect(choice.state).toBe('unusable');
    expect(choice.leftOut[0]?.because).toBe('its last encryption subkey is revoked');
  });

  it.each([
    ['subkey', 'first'],
    ['subkey', 'last'],
    ['user ID', 'first'],
    ['user ID', 'last'],
  ] as const)('a %s that is there twice, its revocation with the %s, is revoked', async (part, place) => {
    const key = gpg.make(curveKey({ address: 'a@example.org' }), at('20250101'));
    gpg.run([...at('20250102'), '--quick-add-uid', key, 'New <new@example.org>']);
    const before = await partsOf(gpg.exportKey(key));
    if (part === 'subkey') revokeSubkey(key, 1, ...at('20250601'));
    else gpg.run([...at('20250601'), '--quick-revoke-uid', key, 'Test Person <a@example.org>']);
    const after = await partsOf(gpg.exportKey(key));
    const isThePart = ([head]: readonly AnyPacket[]): boolean =>
      part === 'subkey'
        ? head instanceof PublicSubkeyPacket
        : head instanceof UserIDPacket && head.email === 'a@example.org';
    const copies = [before, after].flatMap((parts) => parts.filter(isThePart));
    const twice = new PacketList<AnyPacket>();
    for (const each of before) {
      const packets = isThePart(each) ? (place === 'first' ? copies.reverse() : copies).flat() : each;
      twice.push(...packets);
    }
    const { encryptionKeys, userIds } = await inspect(twice.write());
    expect(encryptionKeys.map(({ revoked }) => revoked)).toEqual([part === 'subkey']);
    expect(userIds.map(({ address, revoked }) => [address, revoked]).sort()).toEqual([
      ['a@example.org', part === 'user ID'],
      ['new@example.org', false],
    ]);
  });

  it('a revocation over SHA-1 counts', async () => {
    const key = gpg.make([
      'Key-Type: RSA',
      'Key-Length: 2048',
      'Key-Usage: sign',
      'Subkey-Type: RSA',
      'Subkey-Length: 2048',
      'Subkey-Usage: encrypt',
      'Name-Email: r@example.org',
    ]);
    expect((await choiceOf(gpg.exportKey(key), Date.now())).state).toBe('usable');
    revokeKey(key, '--cert-digest-algo', 'SHA1');
    const packets = gpg.run(['--list-packets'], gpg.exportKey(key)).toString();
    expect(packets).toMatch(/sigclass 0x20\n\tdigest algo 2,/);
    const choice = await choiceOf(gpg.exportKey(key), Date.now());
    expect(choice).toMatchObject({ state: 'unusable', use: [], leftOut: [{ because: 'revoked' }] });
  });

  it('an unreadable certificate is unusable, never missing', async () => {
    expect((await choiceOf(Buffer.from('no certificate'))).state).toBe('unusable');
  });
});

describe('a copy of a known certificate', () => {
  it('brings an expiry, and an older copy does not undo it', async () => {
    const key = gpg.make(curveKey({ address: 'a@example.org' }), at('20250101'));
    const old = gpg.exportKey(key);
    gpg.run([...at('20250201'), '--quick-set-expire', key, '20260101T000000']);
    const renewed = gpg.exportKey(key);
    const learned = await merge(old, renewed);
    expect(learned.news).toEqual(['it expires on 2026-01-01']);
    const again = await merge(write(learned.components), old);
    expect(again.news).toEqual([]);
    expect(usableUntil(again.facts)).toBe(Date.UTC(2026, 0, 1));
    expect((await merge(renewed, old)).news).toEqual([]);
  });

  it('extends an expiry', async () => {
    const key = gpg.make(curveKey({ address: 'a@example.org' }, '20260101T000000'), at('20250101'));
    const old = gpg.exportKey(key);
    gpg.run([...at('20251201'), '--quick-set-expire', key, '20280101T000000']);
    gpg.run([...at('20251201'), '--quick-set-expire', key, '20280101T000000', '*']);
    expect((await merge(old, gpg.exportKey(key))).news).toEqual(['it expires on 2028-01-01']);
  });

  it('brings a revocation, and an older copy does not undo it', async () => {
    const key = gpg.make(curveKey({ address: 'a@example.org' }), at('20250101'));
    const old = gpg.exportKey(key);
    revokeKey(key, ...at('20250601'));
    const learned = await merge(old, gpg.exportKey(key));
    expect(learned.news).toEqual(['the key is revoked']);
    const again = await merge(write(learned.components), old);
    expect(again.facts.revoked).toBe(true);
    expect(await choiceOf(write(again.components))).toMatchObject({ state: 'unusable' });
  });

  it('brings a subkey and its revocation, and an older copy undoes neither', async () => {
    const key = gpg.make(curveKey({ address: 'a@example.org' }), at('20250101'));
    const old = gpg.exportKey(key);
    gpg.run([...at('20250201'), '--quick-add-key', key, 'cv25519', 'encr', 'never']);
    const more = gpg.exportKey(key);
    const learned = await merge(old, more);
    expect(learned.news).toEqual([expect.stringMatching(/^encryption subkey [0-9A-F]{40} is new$/)]);
    expect((await merge(more, old)).facts.encryptionKeys).toHaveLength(2);
    revokeSubkey(key, 1, ...at('20250301'));
    const revoked = await merge(more, gpg.exportKey(key));
    expect(revoked.news).toEqual([expect.stringMatching(/^encryption subkey [0-9A-F]{40} is revoked$/)]);
    const again = await merge(write(revoked.components), old);
    expect(again.facts.encryptionKeys.filter((subkey) => subkey.revoked)).toHaveLength(1);
  });

  it('teaches nothing through a forged signature', async () => {
    const key = gpg.make(curveKey({ address: 'a@example.org' }), at('20250101'));
    const old = gpg.exportKey(key);
    gpg.run([...at('20250601'), '--quick-set-expire', key, '20250602T000000', '*']);
    const forged = Buffer.from(gpg.exportKey(key));
    const last = forged.length - 1;
    forged[last] = (forged[last] ?? 0) ^ 1;
    const learned = await merge(old, forged);
    expect(learned.news).toEqual([]);
    expect((await choiceOf(write(learned.components))).state).toBe('usable');
  });

  it('brings back a user ID that was certified after its revocation, and revokes it again', async () => {
    const key = gpg.make(curveKey({ address: 'a@example.org' }), at('20250101'));
    const secret = gpg.run(['--export-secret-keys', key]);
    const revokeUser = (date: string) => {
      gpg.run([...at(date), '--quick-add-uid', key, `Other ${date}`]);
      gpg.run([...at(date), '--quick-revoke-uid', key, 'Test Person <a@example.org>']);
      const whole = gpg.exportKey(key);
      return readComponents(whole).then(({ users, ...rest }) => ({
        ...rest,
        users: users.filter(({ packet }) => packet.email === 'a@example.org'),
      }));
    };
    const revoked = await revokeUser('20250201');
    expect(await choiceOf(write(revoked))).toMatchObject({
      state: 'unusable',
      leftOut: [{ because: 'no valid user ID' }],
    });
    const elsewhere = openGpg();
    let renewed: Uint8Array;
    try {
      elsewhere.run(['--import'], secret);
      elsewhere.run([...at('20250301'), '--quick-set-expire', key, '20280101T000000']);
      renewed = elsewhere.exportKey(key);
    } finally {
      elsewhere.close();
    }
    const back = await mergeCertificates(revoked, await readComponents(renewed), policy);
    expect(back.facts.userIds).toMatchObject([{ address: 'a@example.org', revoked: false, valid: true }]);
    expect((await choiceOf(write(back.components))).state).toBe('usable');
    // gpg adds nothing to a user ID that is revoked already.
    gpg.run(['--delete-secret-and-public-key', key]);
    gpg.run(['--import'], secret);
    const gone = await mergeCertificates(back.components, await revokeUser('20250401'), policy);
    expect(gone.facts.flaw).toEqual({ kind: 'no user ID' });
  });

  it('that is older gives the word to no user ID again', async () => {
    const key = gpg.make(curveKey({ address: 'old@example.org' }), at('20240101'));
    const old = await readComponents(gpg.exportKey(key));
    gpg.run([...at('20250101'), '--quick-add-uid', key, 'New <new@example.org>']);
    gpg.run([...at('20250201'), '--quick-set-expire', key, '20260101T000000']);
    const whole = await readComponents(gpg.exportKey(key));
    const known = { ...whole, users: whole.users.filter(({ packet }) => packet.email === 'new@example.org') };
    const learned = await mergeCertificates(known, old, policy);
    expect(learned.facts.userIds.map(({ address }) => address)).toEqual(['new@example.org']);
    expect(usableUntil(learned.facts)).toBe(Date.UTC(2026, 0, 1));
  });

  it('must be of the same key', async () => {
    const [a, b] = ['a', 'b'].map((name) =>
      gpg.exportKey(gpg.make(curveKey({ address: `${name}@example.org` }))),
    );
    await expect(merge(a ?? new Uint8Array(), b ?? new Uint8Array())).rejects.toThrow(
      'only copies of one certificate',
    );
  });
});

describe('the key cache', () => {
  it('reads a certificate once, and judges expiry at the moment of the message', async () => {
    const certificate = gpg.exportKey(
      gpg.make(curveKey({ address: 'a@example.org' }, '20260101T000000'), at('20250101')),
    );
    const cache = createKeyCache(policy);
    const [one, two] = await Promise.all([
      cache.inspect(stored(certificate)),
      cache.inspect(stored(Buffer.from(certificate))),
    ]);
    expect(one.facts).not.toBeNull();
    expect(two.facts).toBe(one.facts);
    expect(chooseKeys([one], Date.UTC(2025, 6, 1)).state).toBe('usable');
    expect(chooseKeys([two], NOW).state).toBe('expired');
  });

  it('gives whoever seals the key as it was parsed, without what may not be sealed to', async () => {
    const key = gpg.make(curveKey({ address: 'twice@example.org' }), at('20250101'));
    gpg.run([...at('20250102'), '--quick-add-key', key, 'cv25519', 'encr', 'never']);
    revokeSubkey(key, 1, ...at('20250103'));
    const certificates = engineCertificates();
    const keep = vi.spyOn(certificates, 'keep');
    const { facts } = await createKeyCache({ ...policy, certificates }).inspect(stored(gpg.exportKey(key)));
    const sealing = facts?.sealing ?? new Uint8Array();
    const given = keep.mock.lastCall?.[1];
    expect(await certificates.read({ fingerprint: key, certificate: sealing, at: NOW })).toBe(given);
    const parsed = await engineCertificates().read({ fingerprint: key, certificate: sealing, at: NOW });
    expect(Buffer.from(given?.write() ?? '')).toEqual(Buffer.from(parsed.write()));
    expect(await given?.getEncryptionKey().then((subkey) => subkey.getFingerprint())).toBe(
      await parsed.getEncryptionKey().then((subkey) => subkey.getFingerprint()),
    );
    await expect(
      certificates.read({ fingerprint: 'A'.repeat(40), certificate: sealing, at: NOW }),
    ).rejects.toThrow('is that of');
  });
});
