// Looking a key up by an address that a stranger typed: which hosts and addresses may be asked, and when it ends.
// @module-tag slow
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findKey } from '../../../portal/fetch/find-key.ts';
import { fetchPublic, type Internet } from '../../../portal/fetch/https.ts';
import { isPublicName, keyPlaces, readAsked } from '../../../portal/fetch/key-places.ts';
import { isPublicAddress } from '../../../portal/fetch/public-address.ts';
import { CA_EXTENSIONS, openAuthority } from '../../support/authority.ts';

describe('an address of the public Internet', () => {
  it.for([
    '1.1.1.1',
    '8.8.8.8',
    '172.15.255.255',
    '172.32.0.1',
    '192.167.255.255',
    '100.63.255.255',
    '100.128.0.1',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a01:4f8::1',
    '2001:4860:4860::8888',
  ])('is %s', (address) => expect(isPublicAddress(address)).toBe(true));

  it.for([
    ['this network', '0.0.0.0'],
    ['private', '10.1.2.3'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.1.1'],
    ['shared by providers', '100.64.0.1'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['link-local, metadata of clouds', '169.254.169.254'],
    ['for documents', '192.0.2.1'],
    ['for documents', '203.0.113.7'],
    ['for benchmarks', '198.18.0.1'],
    ['multicast', '224.0.0.1'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['mapped loopback', '::ffff:127.0.0.1'],
    ['mapped private', '::ffff:10.0.0.1'],
    ['mapped, in hexadecimal', '::ffff:a9fe:a9fe'],
    ['mapped public', '::ffff:8.8.8.8'],
    ['compatible loopback', '::127.0.0.1'],
    ['translated loopback', '64:ff9b::7f00:1'],
    ['translated private', '64:ff9b:1::a00:1'],
    ['discard', '100::1'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['a zone on a public one', '2606:4700::1%eth0'],
    ['site-local', 'fec0::1'],
    ['unique local', 'fc00::1'],
    ['unique local', 'fd12:3456::1'],
    ['multicast', 'ff02::1'],
    ['6to4 of loopback', '2002:7f00:1::1'],
    ['Teredo', '2001:0:53aa:64c::1'],
    ['for documents', '2001:db8::1'],
    ['for documents', '3fff::1'],
    ['a name', 'localhost'],
    ['octal', '0177.0.0.1'],
    ['a number', '2130706433'],
    ['nothing', ''],
  ] as const)('is not %s: %s', ([, address]) => expect(isPublicAddress(address)).toBe(false));
});

describe('a host that may be asked', () => {
  it.for(['example.org', 'openpgpkey.example.org', 'xn--mnchen-3ya.de', 'a.b.c.museum'])('is %s', (name) =>
    expect(isPublicName(name)).toBe(true),
  );

  it.for([
    'localhost',
    'printer.local',
    'db.internal',
    'router.home.arpa',
    'nas.lan',
    'x.localhost',
    'site.onion',
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '[::1]',
    'org',
    'a..org',
    '-a.org',
    'a.org.',
    'a_b.org',
    `${'a.'.repeat(130)}org`,
  ])('is not %s', (name) => expect(isPublicName(name)).toBe(false));

  it.for([
    'alice',
    '@example.org',
    'a@',
    'a@127.0.0.1',
    'a@[127.0.0.1]',
    'a@localhost',
    'a b@example.org',
    'a\r\n@example.org',
    `${'a'.repeat(65)}@example.org`,
    `a@${'b'.repeat(300)}.org`,
  ])('is none in %j', (address) => expect(readAsked(address)).toBeNull());
});

it('a key is looked up by the advanced method, by the direct one, then at the key server', () => {
  // The example of draft-koch-openpgp-webkey-service, section 3.1.
  const asked = readAsked('Joe.Doe@Example.ORG');
  expect(asked === null ? [] : keyPlaces(asked, 'keys.openpgp.org').map(String)).toEqual([
    'https://openpgpkey.example.org/.well-known/openpgpkey/example.org/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe',
    'https://example.org/.well-known/openpgpkey/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe',
    'https://keys.openpgp.org/vks/v1/by-email/Joe.Doe%40example.org',
  ]);
});

describe('a fetch', () => {
  const HOST = 'keys.example.org';
  let server: Server;
  let internet: Internet;
  let connections = 0;
  let resolved: readonly string[] = ['127.0.0.1'];

  beforeAll(async () => {
    const authority = openAuthority();
    const issuer = authority.issue('authority', { extensions: CA_EXTENSIONS });
    const names = [HOST, 'openpgpkey.example.org', 'example.org'].map((name) => `DNS:${name}`);
    const issued = authority.issue('server', { issuer, extensions: [`subjectAltName=${names.join(',')}`] });
    const key = readFileSync(issued.keyFile);
    authority.close();
    server = createServer({ cert: issued.pem, key }, (request, response) => {
      const path = request.url ?? '';
      if (path === '/key') response.end('a key');
      else if (path === '/large') response.end(Buffer.alloc(300 * 1024));
      else if (path === '/endless') {
        const more = setInterval(() => response.write('x'), 10);
        response.once('close', () => clearInterval(more));
      } else if (path === '/silent') response.flushHeaders();
      else if (path === '/packed') response.setHeader('content-encoding', 'gzip').end('x');
      else if (path === '/same') response.writeHead(302, { location: '/key' }).end();
      else if (path === '/loop') response.writeHead(302, { location: '/loop' }).end();
      else if (path === '/other') response.writeHead(302, { location: 'https://evil.example.net/key' }).end();
      else if (path === '/inside') response.writeHead(302, { location: 'https://127.0.0.1/key' }).end();
      else if (path === '/plain') response.writeHead(302, { location: `http://${HOST}/key` }).end();
      else if (path === '/port') response.writeHead(302, { location: `https://${HOST}:8443/key` }).end();
      else if (path === '/someone') response.writeHead(302, { location: `https://a:b@${HOST}/key` }).end();
      else if (path === '/broken') response.writeHead(302, { location: 'https://[' }).end();
      else response.writeHead(path === '/error' ? 500 : 404).end('no');
    });
    server.on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    internet = {
      lookup: ((_: string, __: object, callback: (...given: unknown[]) => void) =>
        callback(
          null,
          resolved.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        )) as Internet['lookup'],
      // Loopback stands for the Internet here, and one address of it for what is not.
      allowed: (address) => address === '127.0.0.1',
      more: { ca: issuer.pem, port },
    };
  });
  afterAll(() => {
    server.close();
  });
  beforeEach(() => {
    connections = 0;
    resolved = ['127.0.0.1'];
  });

  const get = (path: string, milliseconds = 5000) =>
    fetchPublic(new URL(`https://${HOST}${path}`), { bytes: 256 * 1024, milliseconds }, internet);

  it('brings what is there', async () => {
    expect(await get('/key')).toEqual({ ok: true, bytes: Buffer.from('a key') });
    expect(await get('/same')).toEqual({ ok: true, bytes: Buffer.from('a key') });
  });

  it.for([
    ['/nothing', 'absent'],
    ['/error', 'unreachable'],
    ['/large', 'too large'],
    ['/packed', 'unreachable'],
    ['/loop', 'redirected'],
    ['/other', 'redirected'],
    ['/inside', 'redirected'],
    ['/plain', 'redirected'],
    ['/port', 'redirected'],
    ['/someone', 'redirected'],
    ['/broken', 'redirected'],
  ] as const)('of %s ends: %s', async ([path, because]) => {
    expect(await get(path)).toEqual({ ok: false, because });
  });

  it.for(['/endless', '/silent'])('of %s ends by time', async (path) => {
    expect(await get(path, 300)).toEqual({ ok: false, because: 'too slow' });
  });

  it('connects to no address that is not public, whatever the name', async () => {
    resolved = ['10.0.0.1', '::1', '127.0.0.2'];
    expect(await get('/key')).toEqual({ ok: false, because: 'forbidden' });
    expect(connections).toBe(0);
  });

  it('connects to what was judged: a name that changes its address in between is not asked again', async () => {
    let lookups = 0;
    const rebinding: Internet = {
      ...internet,
      lookup: ((_: string, __: object, callback: (...given: unknown[]) => void) => {
        lookups += 1;
        callback(null, [{ address: lookups === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
      }) as Internet['lookup'],
    };
    const limits = { bytes: 1024, milliseconds: 5000 };
    expect(await fetchPublic(new URL(`https://${HOST}/key`), limits, rebinding)).toMatchObject({ ok: true });
    expect(lookups).toBe(1);
  });

  it.for([
    'http://keys.example.org/key',
    'https://127.0.0.1/key',
    'https://[::1]/key',
    'https://localhost/key',
    'https://keys.example.org:8443/key',
    'https://2130706433/key',
    'file:///etc/passwd',
  ])('does not even begin for %s', async (url) => {
    const fetched = await fetchPublic(new URL(url), { bytes: 1024, milliseconds: 1000 }, internet);
    expect(fetched).toEqual({ ok: false, because: 'forbidden' });
    expect(connections).toBe(0);
  });

  it('wants a certificate for the name', async () => {
    const limits = { bytes: 1024, milliseconds: 5000 };
    const url = new URL('https://other.example.org/key');
    expect(await fetchPublic(url, limits, internet)).toEqual({ ok: false, because: 'unreachable' });
  });

  it('for an address says why the nearest place has nothing', async () => {
    expect(await findKey('joe@example.org', null, internet)).toEqual({ ok: false, because: 'absent' });
    expect(await findKey('joe@localhost', null, internet)).toEqual({ ok: false, because: 'no address' });
  });
});
