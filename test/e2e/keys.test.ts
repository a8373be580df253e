// Whose key a message is sealed to, through a running engine over a real PostgreSQL: users, contacts and domains, several keys,
// kinds of keys, and a key that expires while everything about it is cached.
import {
  enums,
  generateKey,
  type PrivateKey,
  PublicKeyEncryptedSessionKeyPacket,
  readMessage,
  SymEncryptedIntegrityProtectedDataPacket,
} from 'openpgp';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { type Engine, openEngine } from '../../src/delivery/engine.ts';
import { importKeys } from '../../src/keys/store.ts';
import { formatReply } from '../../src/smtp/replies.ts';
import { decryptWith, type KeyKind, makeKey } from '../support/make-keys.ts';
import { importFor, listedHop, mail, openTrial, silent, type Trial, textOf } from '../support/trial.ts';

const MESSAGE = 'From: <carol@outside.example>\r\nSubject: hello\r\n\r\nThe body.\r\n';
const DAY = 86_400_000;

let trial: Trial;
let engine: Engine;
const hop = listedHop();
const observed = silent();

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerKey]);
  for (const domain of ['example.org', 'keyed.example']) await trial.json('domain', 'add', domain);
  engine = await openEngine({ config: trial.config, ...observed, workers: 0, nextHop: hop });
  // Nobody tells of changes here: every answer is asked for, until a test says otherwise.
  engine.directory.watch(false);
});

afterAll(async () => {
  await engine?.close();
  await trial?.close();
});

afterEach(() => {
  vi.useRealTimers();
});

async function importAll(owner: string, ...secrets: readonly PrivateKey[]): Promise<void> {
  for (const secret of secrets) await importFor(trial, owner, secret);
}

async function secretOf(kind: KeyKind): Promise<PrivateKey> {
  return (await makeKey(kind)).secret;
}

/** Sends one message; gives what came out of the engine, or the reply of a refusal. */
async function deliver(recipient: string): Promise<string> {
  hop.sent.length = 0;
  const { outcomes } = await engine.deliverer.deliver(mail(MESSAGE, recipient));
  const [sent] = hop.sent;
  return sent === undefined ? outcomes.map(({ reply }) => formatReply(reply)).join() : textOf(sent);
}

function armorOf(text: string): string {
  return /-----BEGIN PGP MESSAGE-----[\s\S]*-----END PGP MESSAGE-----/.exec(text)?.[0] ?? '';
}

async function opens(secret: PrivateKey, text: string): Promise<boolean> {
  return decryptWith(secret, Buffer.from(armorOf(text))).then(
    (inside) => inside.toString('latin1').endsWith('\r\n\r\nThe body.\r\n'),
    () => false,
  );
}

/** Key IDs of the recipients, and the version of the encrypted data packet. */
async function packetsOf(text: string) {
  const { packets } = await readMessage({ armoredMessage: armorOf(text) });
  return {
    sessionKeys: packets.filter((packet) => packet instanceof PublicKeyEncryptedSessionKeyPacket),
    versions: packets
      .filter((packet) => packet instanceof SymEncryptedIntegrityProtectedDataPacket)
      .map((packet) => (packet as unknown as { readonly version: number }).version),
  };
}

describe('a message is sealed', () => {
  it("to the domain's key where a user has none, to the user's own where there is one, and not to both", async () => {
    const [ofDomain, own] = [await secretOf('curve25519-legacy'), await secretOf('curve25519-legacy')];
    await importAll('@keyed.example', ofDomain);
    await trial.json('user', 'add', 'dora@keyed.example');
    const before = await deliver('dora@keyed.example');
    expect(await opens(ofDomain, before)).toBe(true);
    expect(await opens(ofDomain, await deliver('nobody@keyed.example'))).toBe(true);
    await importAll('dora@keyed.example', own);
    const after = await deliver('dora@keyed.example');
    expect(await opens(own, after)).toBe(true);
    expect(await opens(ofDomain, after)).toBe(false);
  });

  it('to the key of an outside contact', async () => {
    const secret = await secretOf('curve25519-legacy');
    expect(await deliver('friend@outside.example')).toBe(MESSAGE);
    await importAll('friend@outside.example', secret);
    expect(await opens(secret, await deliver('friend@outside.example'))).toBe(true);
    expect(await deliver('other@outside.example')).toBe(MESSAGE);
  });

  it('to every active key of a user, and no more to one that was disabled', async () => {
    const devices = [await secretOf('curve25519-legacy'), await secretOf('p256')];
    await trial.json('user', 'add', 'devices@example.org');
    await importAll('devices@example.org', ...devices);
    const text = await deliver('devices@example.org');
    for (const secret of devices) expect(await opens(secret, text)).toBe(true);
    const [lost, ...kept] = devices;
    if (lost === undefined) throw new Error('no device');
    await trial.json('key', 'disable', lost.getFingerprint().toUpperCase());
    const later = await deliver('devices@example.org');
    expect(await opens(lost, later)).toBe(false);
    for (const secret of kept) expect(await opens(secret, later)).toBe(true);
  });

  it('without key IDs where hide_key_ids says so, and its owner opens it all the same', async () => {
    const secret = await secretOf('curve25519-legacy');
    await trial.json('user', 'add', 'hidden@example.org');
    await importAll('hidden@example.org', secret);
    await trial.json('user', 'set', 'hidden@example.org', 'hide_key_ids=on');
    const text = await deliver('hidden@example.org');
    const { sessionKeys } = await packetsOf(text);
    const ids = sessionKeys.map((packet) =>
      (packet as unknown as { readonly publicKeyID: { toHex(): string } }).publicKeyID.toHex(),
    );
    expect(ids).toEqual(['0000000000000000']);
    expect(text).toMatch(/^Sealpost-Status: sealed; by=/m);
    expect(text.toUpperCase()).not.toContain(secret.getFingerprint().toUpperCase());
    expect(await opens(secret, text)).toBe(true);
  });

  it('to a version 6 key, with AEAD', async () => {
    const secret = await secretOf('curve25519-v6');
    await trial.json('user', 'add', 'six@example.org');
    await importAll('six@example.org', secret);
    const text = await deliver('six@example.org');
    expect((await packetsOf(text)).versions).toEqual([2]);
    expect(text.toUpperCase()).toContain(`KEY=${secret.getFingerprint().toUpperCase()}`);
    expect(await opens(secret, text)).toBe(true);
  });

  it('with AEAD only while every key of that copy announces it', async () => {
    const { privateKey: modern } = await generateKey({
      type: 'ecc',
      curve: 'curve25519Legacy',
      userIDs: [{ email: 'aead@example.org' }],
      date: new Date(Date.now() - 60_000),
      format: 'object',
      config: { aeadProtect: true, preferredAEADAlgorithm: enums.aead.ocb },
    });
    const old = await secretOf('curve25519-legacy');
    await trial.json('user', 'add', 'aead@example.org');
    await importAll('aead@example.org', modern);
    expect((await packetsOf(await deliver('aead@example.org'))).versions).toEqual([2]);
    await importAll('aead@example.org', old);
    const both = await deliver('aead@example.org');
    expect((await packetsOf(both)).versions).toEqual([1]);
    expect(await opens(modern, both)).toBe(true);
    expect(await opens(old, both)).toBe(true);
  });
});

/** A key made a year ago that expires at a full second, so many milliseconds from now. */
async function expiringKey(address: string, left: number): Promise<{ secret: PrivateKey; expires: number }> {
  const made = Math.floor(Date.now() / 1000) * 1000 - 365 * DAY;
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ email: address }],
    date: new Date(made),
    keyExpirationTime: (365 * DAY + left) / 1000,
    format: 'object',
  });
  return { secret: privateKey, expires: made + 365 * DAY + left };
}

describe('a key that expires while everything about it is cached', () => {
  it('can be used until that very second, and not in it, without a change in the database', async () => {
    await trial.json('user', 'add', 'lapse@example.org');
    await trial.json('user', 'set', 'lapse@example.org', 'on_expired_key=defer');
    const { secret, expires } = await expiringKey('lapse@example.org', 3_600_000);
    await importAll('lapse@example.org', secret);
    engine.directory.watch(true);
    expect(await opens(secret, await deliver('lapse@example.org'))).toBe(true);
    const queries = vi.spyOn(engine.database.pool, 'query');
    try {
      const at = async (moment: number): Promise<string> => {
        vi.useFakeTimers({ toFake: ['Date'], now: moment });
        return deliver('lapse@example.org');
      };
      expect(await opens(secret, await at(expires - 1))).toBe(true);
      expect(await at(expires)).toMatch(/^450 4\.7\.5 .* of this recipient is expired$/);
      expect(await at(expires + DAY)).toMatch(/^450 4\.7\.5 /);
      expect(await opens(secret, await at(expires - 1))).toBe(true);
      const statements = queries.mock.calls.map(([query]) => JSON.stringify(query));
      expect(statements.filter((statement) => statement.includes('sealpost-directory'))).toEqual([]);
    } finally {
      queries.mockRestore();
      engine.directory.watch(false);
    }
  });

  it('goes on being used after it by default, since its owner still has the secret key', async () => {
    await trial.json('user', 'add', 'default@example.org');
    const { secret, expires } = await expiringKey('default@example.org', 3_600_000);
    await importAll('default@example.org', secret);
    vi.useFakeTimers({ toFake: ['Date'], now: expires });
    const text = await deliver('default@example.org');
    vi.useRealTimers();
    expect(text).toContain('Sealpost-Status: sealed');
    const opened = await decryptWith(secret, Buffer.from(armorOf(text)));
    expect(opened.toString('latin1')).toContain('The body.');
  });
});

describe('key list', () => {
  it('is read by pages: of all, of one owner, and of those that expire', async () => {
    const owner = 'pages@example.org';
    await trial.json('user', 'add', owner);
    for (const days of [20, 10]) await importAll(owner, (await expiringKey(owner, days * DAY)).secret);
    const list = async (...words: readonly string[]) =>
      (await trial.json('key', 'list', ...words)) as readonly { readonly id: number }[];
    const own = await list(owner);
    const [first, second] = own.map(({ id }) => String(id));
    expect(own).toHaveLength(2);
    expect(await list(owner, '--limit', '1')).toEqual(own.slice(0, 1));
    expect(await list(owner, '--after', String(first))).toEqual(own.slice(1));
    expect(await list('--after', String(first), '--limit', '1')).toEqual(own.slice(1));
    expect(await list(owner, '--after', String(second))).toEqual([]);
    expect((await trial.sealpost('key', 'list', owner, '--limit', '1')).out).toMatch(
      new RegExp(`^[0-9A-F]{40} +${owner} .* number ${first}\\n$`),
    );
    // The soonest first.
    const expiring = [owner, '--expiring', '30d'];
    expect(await list(...expiring, '--limit', '1')).toEqual(own.slice(1));
    expect(await list(...expiring, '--after', String(second))).toEqual(own.slice(0, 1));
    expect(await trial.sealpost('key', 'list', ...expiring, '--after', '0')).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no key 0 in this list'),
    });
  });
});

describe('key list --expiring', () => {
  it('lists what expires within the period, for people and machines, and of one owner where it is named', async () => {
    await trial.json('user', 'add', 'soon@example.org');
    const { secret } = await expiringKey('soon@example.org', 20 * DAY);
    await importAll('soon@example.org', secret);
    const fingerprint = secret.getFingerprint().toUpperCase();
    const listed = (await trial.json('key', 'list', '--expiring', '30d')) as readonly {
      readonly fingerprint: string;
    }[];
    expect(listed.map((view) => view.fingerprint)).toContain(fingerprint);
    expect(await trial.json('key', 'list', 'soon@example.org', '--expiring', '30d')).toHaveLength(1);
    expect(await trial.json('key', 'list', 'soon@example.org', '--expiring', '19d')).toEqual([]);
    expect(await trial.sealpost('key', 'list', 'soon@example.org', '--expiring', '30d')).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        new RegExp(`^${fingerprint} +soon@example\\.org +usable .* expires \\d{4}-\\d\\d-\\d\\d`),
      ),
    });
    expect(await trial.sealpost('key', 'list', '--expiring', 'soon')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('--expiring: found "soon", expected a duration'),
    });
  });
});

describe('source ranks', () => {
  const RANKS = ['autocrypt', 'wkd', 'import', 'portal', 'cli'] as const;

  it('a weaker source never replaces a key of a stronger one, and an equal or stronger one does', async () => {
    const keys = await Promise.all(RANKS.map(() => secretOf('curve25519-legacy')));
    for (const [strong, stored] of RANKS.entries()) {
      for (const [weak, offered] of RANKS.entries()) {
        const owner = `${stored}-${offered}@ranks.example`;
        const [first, second] = [keys[0], keys[1]];
        if (first === undefined || second === undefined) throw new Error('no keys');
        const replace = (secret: PrivateKey, source: (typeof RANKS)[number]) =>
          importKeys(trial.database, secret.toPublic().write(), {
            policy: { allowSha1: false },
            delimiters: '+',
            source,
            actor: 'test',
            now: Date.now(),
            for: owner,
            replace: true,
            anyName: true,
          });
        await replace(first, stored);
        const [result] = await replace(second, offered);
        const { rows: kept } = await trial.database.pool.query<{ readonly fingerprint: string }>(
          'SELECT k.fingerprint FROM keys k JOIN addresses a ON a.id = k.contact_id WHERE a.address = $1',
          [owner],
        );
        const wanted = weak < strong ? first : second;
        expect({ owner, result: result?.result, kept: kept.map(({ fingerprint }) => fingerprint) }).toEqual({
          owner,
          result: weak < strong ? 'refused' : 'added',
          kept: [wanted.getFingerprint().toUpperCase()],
        });
      }
    }
  });
});
