// What doctor hears of a published key from outside: by HTTPS, whole, and the very bytes, or a sentence of what came instead.
// @module-tag slow
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asked } from '../../../src/doctor/readers/publishing.ts';
import { type Authority, openAuthority } from '../../support/authority.ts';

const ORIGIN = { 'access-control-allow-origin': '*' };
let authority: Authority;
let server: Server;
let base: string;
let ca: string;

beforeAll(async () => {
  authority = openAuthority();
  const { pem, keyFile } = authority.issue('localhost', { extensions: ['subjectAltName=DNS:localhost'] });
  ca = pem;
  server = createServer({ cert: pem, key: readFileSync(keyFile) }, (request, response) => {
    if (request.url === '/right') response.writeHead(200, ORIGIN).end('keys@example.org\n');
    else if (request.url === '/closed') response.writeHead(200).end('keys@example.org\n');
    else if (request.url === '/moved') response.writeHead(301, { location: '/right' }).end();
    else if (request.url === '/endless') {
      response.writeHead(200, ORIGIN);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more);
      more();
    } else response.writeHead(404, ORIGIN).end('no');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve));
  authority?.close();
});

describe('what doctor hears of published keys', () => {
  const table: readonly (readonly [path: string, expected: string, failure: string | null])[] = [
    ['/right', 'keys@example.org\n', null],
    ['/right', 'wks@example.org\n', ': found "keys@example.org", expected "wks@example.org"'],
    ['/right', '', ': found "keys@example.org", expected nothing'],
    ['/gone', 'x', ': found 404, expected 200'],
    ['/moved', 'x', ': found 301, expected 200'],
    ['/closed', 'keys@example.org\n', ': found Access-Control-Allow-Origin missing, expected *'],
    ['/endless', 'x', ': it answers more than 2097152 bytes'],
  ];
  it.each(table)('of %s, where %j is expected: %s', async (path, expected, failure) => {
    expect(await asked(base + path, expected, { ca })).toBe(failure === null ? null : base + path + failure);
  });

  it('is what any client would say of a certificate that nobody knows, and of nobody', async () => {
    expect(await asked(`${base}/right`, 'x')).toMatch(/SELF_SIGNED|UNABLE_TO/);
    expect(await asked('https://127.0.0.1:1/', 'x')).toBe('https://127.0.0.1:1/: ECONNREFUSED');
  });
});
