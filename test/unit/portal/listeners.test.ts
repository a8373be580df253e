// The portal's sockets: who may open which, and which of them believes whom a proxy names.
// @module-tag slow
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startPortal } from '../../../portal/portal.ts';
import { configSchema } from '../../../src/config/schema.ts';
import type { Database } from '../../../src/database/open.ts';
import type { HttpListener } from '../../../src/http/server.ts';
import { createLogger } from '../../../src/observe/log.ts';

let folder: string;
let opened: readonly HttpListener[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sp-portal-'));
});
afterEach(async () => {
  for (const listener of opened) await listener.close(0);
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

const browsers = (): string => join(folder, 'portal.sock');
const proxies = (): string => join(folder, 'proxy.sock');

async function open(more: object): Promise<void> {
  const portal = { listen: `unix:${browsers()}`, url: 'https://keys.seal.test', ...more };
  const config = configSchema.parse({ portal });
  opened = await startPortal({
    current: () => config,
    // Nobody is signed in, so nothing is asked of it.
    database: {} as Database,
    logger: createLogger({ level: 'silent' }),
    passed: new Map(),
  });
}

/** The first page, as a client of that socket sees it who claims to be alice. @param path the target of the request, as it is sent */
function page(socketPath: string, path = '/'): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'keys.seal.test', 'x-remote-user': 'alice@seal.test' };
    const asked = request({ socketPath, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    asked.on('error', reject).end();
  });
}

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('the portal', () => {
  it('is open to every browser on one socket; another one, for the proxy alone, believes its field', async () => {
    await open({ trusted_header: 'X-Remote-User', trusted_listen: `unix:${proxies()}` });
    expect(opened.map(({ name }) => name)).toEqual(['portal', 'portal.trusted']);
    expect([mode(browsers()), mode(proxies())]).toEqual(['666', '660']);
    expect(await page(browsers())).not.toContain('Continue as');
    expect(await page(proxies())).toContain('Continue as alice@seal.test');
  });

  it('makes no link to another host of a request for a whole address of it', async () => {
    await open({});
    const text = await page(browsers(), 'http://evil.test/');
    expect(text).toContain('hreflang="de"');
    expect(text).not.toContain('evil.test');
  });

  it('gives the proxy the mode that is asked for, and wants its secret where there is one', async () => {
    const secret = join(folder, 'secret');
    writeFileSync(secret, `${'s'.repeat(40)}\n`);
    await open({
      trusted_header: 'X-Remote-User',
      trusted_listen: `unix:${proxies()}`,
      trusted_mode: '0600',
      trusted_secret_file: secret,
    });
    expect(mode(proxies())).toBe('600');
    expect(await page(proxies())).not.toContain('Continue as');
  });

  it.for([
    ['no address for links', { url: '' }, 'portal.listen needs portal.url'],
    ['an address with a path', { url: 'https://example.org/keys' }, 'expected an address without a path'],
    ['a header that anybody could send', { trusted_header: 'X-User' }, 'on portal.trusted_listen only'],
    [
      'a secret that is not there',
      { trusted_header: 'X-User', trusted_listen: '127.0.0.1:9', trusted_secret_file: '/nowhere/secret' },
      'portal.trusted_secret_file cannot be read',
    ],
    [
      'a second socket that cannot be opened',
      { trusted_header: 'X-User', trusted_listen: 'unix:/nowhere/proxy.sock' },
      'the listener portal.trusted',
    ],
  ] as const)('does not start with %s, and leaves nothing open', async ([, more, reason]) => {
    await expect(open(more)).rejects.toThrow(reason);
    await expect(page(browsers())).rejects.toThrow(/ENOENT|ECONNREFUSED/);
  });
});
