// GnuPG and sq look for published keys as they do on the Internet, over real HTTPS and through the very files of packaging/proxy.
// `npm test` asks the listener itself.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKey, type PrivateKey, readKeys } from 'openpgp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../support/enrolment-stand.ts';
import { type MailDoor, openMailDoor } from '../../support/mail-door-stand.ts';
import { lack, need, skipFor } from '../../support/needs.ts';
import { newHome, type OwnInternet, openInternet } from '../../support/own-internet.ts';
import { openPortalStand, type PortalStand } from '../../support/portal-stand.ts';

need('gnupg', 'sq', 'dirmngr', 'gpg-wks-client', 'root', 'iproute2');

const WKS_CLIENT = '/usr/lib/gnupg/gpg-wks-client';
/** The first is asked by the advanced method, the second by the direct one: its openpgpkey. is not in DNS. */
const DOMAINS = ['example.org', 'example.net'] as const;
const LOCATE = ['--auto-key-locate', 'clear,nodefault,wkd', '--locate-external-keys'];
const NAMES = ['openpgpkey.example.org', 'example.org', 'example.net'];

let stand: PortalStand;
let door: MailDoor;
let socket: string;
const keys = new Map<string, PrivateKey>();

beforeAll(async () => {
  stand = await openPortalStand();
  const { trial } = stand.enrolment;
  socket = join(trial.folder, 'portal.sock');
  await stand.server.listen({ path: socket });
  door = await openMailDoor(stand.enrolment);
  await trial.json('domain', 'add', 'example.net');
  for (const domain of DOMAINS) {
    await trial.json('domain', 'set', domain, 'wks=on');
    for (const name of ['alice', 'bob']) {
      const address = `${name}@${domain}`;
      await trial.json('user', 'add', address);
      const { privateKey } = await generateKey({
        userIDs: [
          { name, email: address },
          { name: 'Elsewhere', email: `${name}@elsewhere.example` },
        ],
        type: 'ecc',
        curve: 'curve25519Legacy',
        date: new Date(Date.now() - 60_000),
        format: 'object',
      });
      keys.set(address, privateKey);
      const file = trial.file('key.asc', Buffer.from(privateKey.toPublic().armor()));
      await trial.json('key', 'import', file, '--for', address, '--yes');
    }
    await trial.json('user', 'set', `alice@${domain}`, 'publish=on');
  }
});
afterAll(async () => {
  await door?.close();
  await stand?.close();
});

/** As sendmail(1) hands it on: lines end with CRLF. */
function asSent(written: Buffer): Buffer {
  return Buffer.from(written.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
}

describe.each(['nginx', 'caddy'] as const)('behind %s', (proxy) => {
  const lacking = lack(proxy);
  let internet: OwnInternet;
  beforeAll(async () => {
    if (lacking === null) internet = await openInternet({ proxy, socket, names: NAMES });
  });
  afterAll(async () => {
    await internet?.close();
  });
  beforeEach((context) => skipFor(context, lacking));

  const spellings = DOMAINS.flatMap((domain) =>
    ['alice', 'Alice', 'ALICE'].map((name) => [`${name}@${domain}`, domain] as const),
  );

  it.for(spellings)('gpg locates the key of %s, with that user ID alone', async ([address, domain]) => {
    const gnupg = newHome(internet);
    try {
      const located = await gnupg.gpg(...LOCATE, address);
      expect(located.code, located.err).toBe(0);
      const listed = (await gnupg.gpg('--with-colons', '--list-keys')).out.toString();
      const key = keys.get(`alice@${domain}`);
      expect(listed).toContain(key === undefined ? 'no key' : fingerprintOf(key));
      expect(listed.match(/^uid:/gm)).toHaveLength(1);
      expect(listed).not.toContain('elsewhere');
    } finally {
      gnupg.close();
    }
  });

  it.for(spellings)('sq gets the key of %s', async ([address, domain]) => {
    const { code, out, err } = await internet.run('sq', ['wkd', 'get', address]);
    if (address !== `alice@${domain}`) {
      // It was found; sq 0.27 itself takes no user ID of another case.
      expect([code, err]).toEqual([1, expect.stringContaining("not found in Cert's userids")]);
      return;
    }
    expect(code, err).toBe(0);
    const found = await readKeys({ armoredKeys: out.toString() });
    const key = keys.get(address);
    expect(found.map((each) => each.getFingerprint())).toEqual([key?.getFingerprint()]);
  });

  it.for(DOMAINS)('finds nobody of %s who has published nothing', async (domain) => {
    const gnupg = newHome(internet);
    try {
      for (const name of ['bob', 'nobody']) {
        const { code } = await gnupg.gpg(...LOCATE, `${name}@${domain}`);
        expect(code, name).toBe(2);
      }
      expect((await internet.run('sq', ['wkd', 'get', `bob@${domain}`])).code).not.toBe(0);
    } finally {
      gnupg.close();
    }
  });

  it.for(DOMAINS)(
    'gpg-wks-client finds that %s has the Web Key Service, and gpg its submission key',
    async (domain) => {
      const gnupg = newHome(internet);
      try {
        const environment = { GNUPGHOME: gnupg.home };
        const supported = await internet.run(
          WKS_CLIENT,
          ['--supported', '-v', `Alice@${domain}`],
          environment,
        );
        expect(supported.code, supported.err).toBe(0);
        const lines = await internet.run(WKS_CLIENT, ['--supported', '--with-colons', domain], environment);
        // WKD, and the Web Key Service (gpg-wks-client(1)).
        expect(lines.out.toString()).toContain(`${domain}:1:1::`);
        const located = await gnupg.gpg(...LOCATE, `keys@${domain}`);
        expect(located.code, located.err).toBe(0);
        const text = join(gnupg.home, 'text');
        writeFileSync(text, 'a key');
        const sealed = await gnupg.gpg(
          '--trust-model',
          'always',
          '-o',
          '-',
          '-e',
          '-r',
          `keys@${domain}`,
          text,
        );
        expect(sealed.code, sealed.err).toBe(0);
      } finally {
        gnupg.close();
      }
    },
  );

  it.for(DOMAINS)(
    'gpg-wks-client hands a key of %s over by itself, and the key is found once its owner has answered',
    async (domain) => {
      const gnupg = newHome(internet);
      const { trial, round } = stand.enrolment;
      // The users of the other proxy have a key already.
      const address = `${proxy}@${domain}`;
      try {
        await trial.json('user', 'add', address);
        await trial.json('user', 'set', address, 'publish=on');
        await gnupg.gpg('--passphrase', '', '--quick-gen-key', address, 'default', 'default', '1y');
        const fingerprint = /^fpr:+(\w+):/m.exec(
          (await gnupg.gpg('--with-colons', '--list-keys', address)).out.toString(),
        )?.[1];
        const client = (args: readonly string[], input?: Buffer) =>
          internet.run(WKS_CLIENT, args, { GNUPGHOME: gnupg.home }, input);
        const created = await client(['--create', `${fingerprint}`, address]);
        expect(created.code, created.err).toBe(0);
        expect(created.out.toString()).toMatch(new RegExp(`^To: keys@${domain}`, 'm'));
        expect(await door.post(asSent(created.out), address, [`keys@${domain}`])).toMatchObject({
          replies: [expect.stringMatching(/^250 /)],
          passed: [],
        });
        const [request, ...others] = await round();
        expect(others).toEqual([]);
        expect(await trial.json('key', 'list', address)).toEqual([]);
        const received = await client(['--receive'], Buffer.from(request?.raw ?? '', 'latin1'));
        expect(received.code, received.err).toBe(0);
        await door.post(asSent(received.out), address, [`keys@${domain}`]);
        expect(await trial.json('key', 'list', address)).toMatchObject([{ fingerprint }]);
        expect(await round()).toMatchObject([{ to: address, subject: 'Your mail is sealed from now on' }]);
        const somebody = newHome(internet);
        try {
          const wanted = [`${proxy.toUpperCase()}@${domain}`];
          const located = await somebody.gpg(...LOCATE, ...wanted);
          expect(located.code, located.err).toBe(0);
          expect(located.out.toString()).toContain(fingerprint);
        } finally {
          somebody.close();
        }
      } finally {
        gnupg.close();
      }
    },
  );

  it('shows no page of the portal at these names', async () => {
    for (const path of ['/', '/settings', '/portal.css']) {
      const script = `printf 'GET ${path} HTTP/1.1\\r\\nHost: example.org\\r\\nConnection: close\\r\\n\\r\\n' | openssl s_client -quiet -ign_eof -connect example.org:443 -servername example.org`;
      const { out } = await internet.run('sh', ['-c', script]);
      expect(out.toString()).toMatch(/^HTTP\/1\.1 404 /);
    }
  });
});
