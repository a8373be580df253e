// Published keys over HTTP, against a real database: who is found, by which host and by which name, and what stays unseen.
import { generateKey, type PrivateKey, readKeys } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryHash } from '../../src/address/directory-hash.ts';
import { parseAssignments } from '../../src/directory/assignments.ts';
import { addDomain, setDomain } from '../../src/directory/domains.ts';
import { addUsers, removeUser, setUser } from '../../src/directory/users.ts';
import { fingerprintOf } from '../support/enrolment-stand.ts';
import { openPortalStand, PORTAL_HOST, type PortalStand } from '../support/portal-stand.ts';

const WKD = '/.well-known/openpgpkey';

let stand: PortalStand;
const keys = new Map<string, PrivateKey>();

beforeAll(async () => {
  stand = await openPortalStand();
  const { trial } = stand.enrolment;
  const all = (name: string, ...more: readonly string[]) =>
    [name, ...more].map((each) => `${each}@example.org`);
  await addDomain(trial.database, 'example.net');
  const users = [...all('alice', 'bob', 'carol', 'dave', 'plus+sign'), 'alice@example.net'];
  await addUsers(trial.database, users, null, '');
  await trial.json('alias', 'add', 'sales@example.org', 'alice@example.org');
  // One key for three people, and for an alias.
  await give('alice', all('Alice', 'sales', 'bob', 'stranger'), ['alice@example.org', 'bob@example.org']);
  await give('carol', all('carol'), ['carol@example.org']);
  await give('plus', all('plus+sign'), ['plus+sign@example.org']);
  await give('net', ['alice@example.net'], ['alice@example.net']);
  for (const address of [
    'alice@example.org',
    'plus+sign@example.org',
    'alice@example.net',
    'dave@example.org',
  ])
    await setOf(address, 'publish=on');
});
afterAll(async () => {
  await stand?.close();
});

/** As `user set` does. */
function setOf(address: string, assignment: string, status?: 'active' | 'disabled') {
  const assignments = parseAssignments(assignment === '' ? [] : [assignment], 'user');
  return setUser(stand.enrolment.trial.database, address, { assignments, status });
}

/** As `domain set` does. */
function setOfDomain(assignment: string) {
  return setDomain(stand.enrolment.trial.database, 'example.org', parseAssignments([assignment], 'domain'));
}

async function give(name: string, emails: readonly string[], owners: readonly string[]): Promise<void> {
  const userIDs = emails.map((email) => ({ name, email }));
  const { privateKey } = await generateKey({
    userIDs,
    type: 'ecc',
    curve: 'curve25519Legacy',
    date: new Date(Date.now() - 60_000),
    format: 'object',
  });
  keys.set(name, privateKey);
  const { trial } = stand.enrolment;
  const file = trial.file(`${name}.asc`, Buffer.from(privateKey.toPublic().armor()));
  for (const owner of owners) await trial.json('key', 'import', file, '--for', owner, '--yes');
}

function ask(path: string, host = 'example.org', method: 'GET' | 'HEAD' | 'POST' = 'GET') {
  // One client for each question: how often one may ask is another test's matter.
  return stand.server.inject({ method, url: path, headers: { host, 'x-forwarded-for': client() } });
}
let asked = 0;
function client(): string {
  asked += 1;
  return `192.0.2.${asked % 250}`;
}

const hu = (local: string, domain = '', name = local) =>
  `${WKD}${domain}/hu/${directoryHash(name)}?l=${encodeURIComponent(local)}`;

async function usersIn(bytes: Uint8Array): Promise<readonly string[]> {
  const found = await readKeys({ binaryKeys: bytes });
  return found.flatMap((key) => key.getUserIDs());
}

describe('a published key', () => {
  const alice = ['alice <Alice@example.org>'];
  it.for([
    ['by the direct method', hu('alice'), 'example.org'],
    ['for a name in any case', hu('ALICE'), 'EXAMPLE.org:8443'],
    ['by its hash alone', `${WKD}/hu/${directoryHash('alice')}`, 'example.org'],
    ['by the advanced method', hu('Alice', '/example.org'), 'openpgpkey.example.org'],
  ] as const)('is found %s, with the user ID of its address alone', async ([, path, host]) => {
    const { statusCode, headers, rawPayload } = await ask(path, host);
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'access-control-allow-origin': '*',
    });
    expect(headers['set-cookie']).toBeUndefined();
    expect(await usersIn(rawPayload)).toEqual(alice);
    const head = await ask(path, host, 'HEAD');
    expect([head.statusCode, head.rawPayload.length]).toEqual([200, 0]);
  });

  it('is found with a plus in its name, encoded or not', async () => {
    const path = `${WKD}/hu/${directoryHash('plus+sign')}?l=`;
    for (const local of ['plus+sign', 'plus%2Bsign', 'PLUS%2bSIGN'])
      expect((await ask(path + local)).statusCode, local).toBe(200);
  });

  it('is found as a key server has it, by address, fingerprint and key ID, armored', async () => {
    const key = keys.get('alice');
    if (key === undefined) throw new Error('no key');
    for (const path of [
      '/vks/v1/by-email/alice%40example.org',
      '/vks/v1/by-email/ALICE@example.org',
      `/vks/v1/by-fingerprint/${fingerprintOf(key)}`,
      `/vks/v1/by-keyid/${key.getKeyID().toHex().toUpperCase()}`,
    ])
      for (const host of ['example.org', 'openpgpkey.example.org', PORTAL_HOST]) {
        const { statusCode, headers, body } = await ask(path, host);
        expect([statusCode, headers['content-type']], `${host}${path}`).toEqual([
          200,
          'application/pgp-keys',
        ]);
        const found = await readKeys({ armoredKeys: body });
        expect(found.flatMap((each) => each.getUserIDs())).toEqual(alice);
      }
  });
});

describe('what is not published', () => {
  it('is not found, in the same words, header fields and time as what is not there', async () => {
    const [carol, other] = [keys.get('carol'), keys.get('net')];
    if (carol === undefined || other === undefined) throw new Error('no key');
    const questions: readonly (readonly [what: string, path: string, host?: string])[] = [
      ['nobody', hu('nobody')],
      ['said nothing', hu('carol')],
      ['said nothing, by hash', `${WKD}/hu/${directoryHash('carol')}`],
      ['has the key of one who said yes', hu('bob')],
      ['said yes without a key', hu('dave')],
      ['an alias', hu('sales')],
      ['an extension', hu('alice+lists')],
      ['a name that is not that of the hash', hu('alice', '', 'bob')],
      ['another name for the hash', hu('bob', '', 'alice')],
      ['two names', `${hu('alice')}&l=alice`],
      ['no hash', `${WKD}/hu/alice?l=alice`],
      ['a path up', `${WKD}/hu/..%2f..%2fsettings?l=alice`],
      ['giant', `${WKD}/hu/${directoryHash('alice')}?l=${'a'.repeat(6000)}`],
      ['a NUL', `${WKD}/hu/${directoryHash('a\0')}?l=a%00`],
      ['an at sign', hu('alice@example.org')],
      ['a domain that is not ours', hu('alice'), 'example.com'],
      ['the portal', hu('alice'), PORTAL_HOST],
      ['the other method at the domain', hu('alice', '/example.org'), 'example.org'],
      ['another domain in the path', hu('alice', '/example.net'), 'openpgpkey.example.org'],
      ['by address', '/vks/v1/by-email/carol@example.org'],
      ['of another domain, by address', '/vks/v1/by-email/alice@example.net'],
      ['by fingerprint', `/vks/v1/by-fingerprint/${fingerprintOf(carol)}`, PORTAL_HOST],
      ['by key ID', `/vks/v1/by-keyid/${carol.getKeyID().toHex().toUpperCase()}`, PORTAL_HOST],
      ['of another domain, by fingerprint', `/vks/v1/by-fingerprint/${fingerprintOf(other)}`],
      ['a short key ID', '/vks/v1/by-keyid/ABCD1234'],
      ['not there', `${WKD}/elsewhere`],
    ];
    const answers = new Map<string, unknown>();
    for (const [what, path, host] of questions) {
      const begun = performance.now();
      const { statusCode, headers, body } = await ask(path, host);
      expect(performance.now() - begun, what).toBeGreaterThan(55);
      const { date, ...rest } = headers;
      answers.set(what, { statusCode, body, headers: rest });
    }
    const [nobody] = answers.values();
    expect(nobody).toMatchObject({ statusCode: 404, body: 'not found\n' });
    for (const [what, answer] of answers) expect(answer, what).toEqual(nobody);
  });

  it('is found from the moment of the yes, and no more from the moment of the no', async () => {
    const status = async () => (await ask(hu('carol'))).statusCode;
    await setOfDomain('publish=on');
    expect(await status()).toBe(200);
    expect(await setOf('carol@example.org', 'publish=off')).toMatchObject({ publish: 'off' });
    expect(await status()).toBe(404);
    await setOf('carol@example.org', 'publish=');
    expect(await status()).toBe(200);
    await setOf('carol@example.org', '', 'disabled');
    expect(await status()).toBe(404);
    await setOf('carol@example.org', '', 'active');
    // The domain's word is for who has none of their own.
    await setOfDomain('publish=off');
    expect([await status(), (await ask(hu('alice'))).statusCode]).toEqual([404, 200]);
  });

  it('opens no page of the portal at the hosts of domains, and takes nothing but questions', async () => {
    for (const path of ['/', '/settings', '/portal.css', `${WKD}`, '/vks/v1'])
      expect((await ask(path, 'example.org')).statusCode, path).toBe(421);
    expect((await ask(hu('alice'), 'example.org', 'POST')).statusCode).toBe(421);
    expect((await ask('/vks/v1/upload', PORTAL_HOST, 'POST')).statusCode).toBe(403);
    expect((await ask('/', PORTAL_HOST)).statusCode).toBe(200);
  });
});

describe('the Web Key Service', () => {
  it('is announced with its key where the domain has it, and where nobody has that name', async () => {
    const { trial } = stand.enrolment;
    const text = async (path: string, host = 'example.org') => {
      const { statusCode, body } = await ask(`${WKD}${path}`, host);
      return [statusCode, body];
    };
    expect(await text('/policy')).toEqual([200, '']);
    expect(await text('/submission-address')).toEqual([404, 'not found\n']);
    expect(await trial.json('domain', 'set', 'example.org', 'wks=on')).toMatchObject({
      wks: true,
      submission: { address: 'keys@example.org', state: 'made' },
    });
    expect(await text('/policy')).toEqual([200, 'submission-address: keys@example.org\n']);
    expect(await text('/submission-address')).toEqual([200, 'keys@example.org\n']);
    expect(await text('/example.org/submission-address', 'openpgpkey.example.org')).toEqual([
      200,
      'keys@example.org\n',
    ]);
    expect(await usersIn((await ask(hu('Keys'))).rawPayload)).toEqual(['keys@example.org']);
    expect((await ask(`${WKD}/hu/${directoryHash('keys')}`)).statusCode).toBe(200);
    await addUsers(trial.database, ['keys@example.org'], null, '');
    expect(await text('/submission-address')).toEqual([404, 'not found\n']);
    expect((await ask(hu('keys'))).statusCode).toBe(404);
    const refused = await trial.sealpost('domain', 'set', 'example.org', 'wks=on');
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('keys@example.org is a user')]);
    await removeUser(trial.database, 'keys@example.org', '');
    expect(await trial.json('domain', 'set', 'example.org', 'wks=off')).toMatchObject({
      submission: { state: 'unused' },
    });
    expect(await text('/policy')).toEqual([200, '']);
    expect((await ask(hu('keys'))).statusCode).toBe(404);
  });
});
