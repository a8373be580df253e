// What doctor sees of a portal: the real page of ours, somebody else's, and nothing.
import { createServer as createHttp, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { LoadedConfig } from '../../../src/config/load.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { type Ask, Unseen } from '../../../src/doctor/facts.ts';
import { readPortal } from '../../../src/doctor/readers/portal.ts';

const open: (Server | TcpServer)[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await new Promise((resolve) => server.close(resolve));
});

async function listening(server: Server | TcpServer): Promise<number> {
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A page; `hosts` hears which host was asked for. */
function page(headers: Readonly<Record<string, string>>, hosts: string[] = []): Promise<number> {
  return listening(
    createHttp((request, response) => {
      hosts.push(request.headers.host ?? '');
      response.writeHead(200, headers).end('<p>');
    }),
  );
}

const OURS = { 'content-security-policy': "default-src 'none'" };

function asked(portal: Readonly<Record<string, string>>): Ask {
  const config = configSchema.parse({ portal });
  return (async () => ({ config }) as LoadedConfig) as unknown as Ask;
}

describe('what doctor sees of the portal', () => {
  it('is not looked for where there is none', async () => {
    await expect(readPortal(asked({}))).rejects.toThrow(Unseen);
  });

  it('is well where the page of ours answers at both addresses, asked by the host of portal.url', async () => {
    const hosts: string[] = [];
    const [inside, outside] = [await page(OURS, hosts), await page(OURS)];
    const seen = await readPortal(
      asked({ listen: `127.0.0.1:${inside}`, url: `http://localhost.localdomain:${outside}` }),
    );
    expect(seen.page.failure).toBeNull();
    expect(hosts).toEqual([`localhost.localdomain:${outside}`]);
    expect(seen).toMatchObject({ imap: null, trustedSocket: null });
  });

  it('is not well where somebody else answers, or nobody', async () => {
    const other = await page({});
    const gone = await page(OURS);
    await new Promise((resolve) => open.pop()?.close(resolve));
    const seen = await readPortal(asked({ listen: `127.0.0.1:${gone}`, url: `http://127.0.0.1:${other}` }));
    expect(seen.page.failure).toBe('ECONNREFUSED');
    expect(seen.outside.failure).toContain('not with a page of the portal');
  });

  it.each([
    ['* OK [CAPABILITY IMAP4rev1] ready\r\n', null],
    ['220 mx ESMTP\r\n', 'it does not greet as an IMAP server'],
    [null, 'it closes the connection'],
  ])('hears whether the IMAP server greets: %j', async (greeting, failure) => {
    const port = await listening(
      createTcp((socket) => {
        if (greeting === null) socket.destroy();
        else socket.end(greeting);
      }),
    );
    const inside = await page(OURS);
    const at = { listen: `127.0.0.1:${inside}`, url: `http://127.0.0.1:${inside}` };
    const { imap } = await readPortal(asked({ ...at, imap: `imap://127.0.0.1:${port}` }));
    expect(imap).toMatchObject({ failure });
  });
});
