// Opening and closing a listener: unix sockets, passed sockets, addresses in use, shutdown.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type ListenOptions } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Reply } from '../../../src/smtp/types.ts';
import { closeAll, eventually, openListener, rawClient } from './listener-support.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'listen-'));
});
afterEach(async () => {
  await closeAll();
  await rm(directory, { recursive: true, force: true });
});

describe('a unix socket', () => {
  it('gets the configured mode and group, always trusts XFORWARD, and is removed at the end', async () => {
    const path = join(directory, 's');
    const group = String(process.getgid?.() ?? 0);
    const listener = await openListener({
      unixPath: path,
      listener: { mode: '0660', group },
      filter: { xforward_hosts: [] },
    });
    const status = await stat(path);
    expect(status.mode & 0o777).toBe(0o660);
    expect(status.gid).toBe(Number(group));
    expect(listener.handle.address).toBe(`unix:${path}`);
    expect(await listener.connect().hello()).toContain('XFORWARD');
    await listener.handle.close({ graceMs: 0 });
    await expect(stat(path)).rejects.toThrow(/ENOENT/);
  });

  it('replaces the one that a killed process left behind', async () => {
    const path = join(directory, 's');
    const stale = createServer().listen(path);
    await new Promise((resolve) => stale.once('listening', resolve));
    const keeper = join(directory, 'kept');
    // Node removes the file of a server it closes: a second name keeps the dead socket.
    await link(path, keeper);
    await new Promise((resolve) => stale.close(resolve));
    await rename(keeper, path);
    const listener = await openListener({ unixPath: path });
    expect(await listener.connect().reply()).toMatch(/^220 /);
  });

  it('is not taken from a process that still listens, nor from a file that is no socket', async () => {
    const path = join(directory, 's');
    await openListener({ unixPath: path });
    await expect(openListener({ unixPath: path })).rejects.toThrow(
      /another process already listens on .*fuser/,
    );
    const file = join(directory, 'file');
    await writeFile(file, 'precious');
    await expect(openListener({ unixPath: file })).rejects.toThrow(/exists and is not a socket/);
  });

  it('names what is missing: the directory, the group', { tags: ['slow'] }, async () => {
    await expect(openListener({ unixPath: join(directory, 'no', 's') })).rejects.toThrow(/cannot be opened/);
    await expect(
      openListener({ unixPath: join(directory, 's'), listener: { group: 'no-such-group' } }),
    ).rejects.toThrow(/group "no-such-group".*does not exist/);
  });
});

describe('an address', () => {
  it('that is in use gives a sentence with the command that helps', async () => {
    const listener = await openListener();
    const port = Number(listener.handle.address.split(':').at(-1));
    await expect(
      openListener({ listener: { name: 'second', address: { kind: 'inet', host: '127.0.0.1', port } } }),
    ).rejects.toThrow(
      `listener "second" on 127.0.0.1:${port} cannot be opened: another process already listens there`,
    );
  });

  it('may be a socket that was passed open by another process', { tags: ['slow'] }, async () => {
    const { line, child, passed, where } = await passOn({ port: 0, host: '127.0.0.1' });
    try {
      expect(line).toBe(`${where}\n`);
      await new Promise((resolve) => passed.close(resolve));
      const client = rawClient({ host: '127.0.0.1', port: Number(where.split(':').at(-1)) });
      expect(await client.reply()).toMatch(/^220 filter\.test LMTP/);
      client.socket.destroy();
    } finally {
      child.kill('SIGKILL');
    }
  });

  it.each([
    ['a unix socket for a TCP port', 'PATH', '127.0.0.1:10024', 'unix:PATH'],
    ['a unix socket at another path', 'PATH', 'unix:PATH.other', 'unix:PATH'],
    ['a TCP port on another address', '127.0.0.1', '127.0.0.2:PORT', '127.0.0.1:PORT'],
  ])(
    'is told as it is where the passed socket is elsewhere: %s',
    { tags: ['slow'] },
    async (_, passedAt, configured, actual) => {
      const path = join(directory, 'passed');
      const at = passedAt === 'PATH' ? { path } : { host: passedAt, port: 0 };
      const { line, child, passed, where } = await passOn(at, (port) =>
        configured.replace('PATH', path).replace('PORT', port),
      );
      const fill = (text: string) =>
        text.replace('PATH', path).replace('PORT', where.split(':').at(-1) ?? '');
      expect(line).toBe(`${fill(actual)}\n`);
      child.kill('SIGKILL');
      await new Promise((resolve) => passed.close(resolve));
    },
  );

  it('may be a passed unix socket, by another name of its folder, too', { tags: ['slow'] }, async () => {
    const path = join(directory, 'passed');
    await symlink(directory, `${directory}.link`);
    const { line, child, passed } = await passOn({ path }, () => `unix:${directory}.link/passed`);
    await rm(`${directory}.link`);
    expect(line).toBe(`unix:${directory}.link/passed\n`);
    child.kill('SIGKILL');
    await new Promise((resolve) => passed.close(resolve));
  });
});

/** Opens a socket, and starts a process that serves it. @param configured what that process takes for its address */
async function passOn(at: ListenOptions, configured?: (port: string) => string) {
  const passed = createServer().listen(at);
  await new Promise((resolve) => passed.once('listening', resolve));
  const address = passed.address();
  const where = typeof address === 'object' ? `${address?.address}:${address?.port}` : address;
  const fd = Number(Reflect.get(Object(Reflect.get(passed, '_handle')), 'fd'));
  const script = join(import.meta.dirname, 'listener-child.ts');
  const told = configured === undefined ? [] : [configured(where.split(':').at(-1) ?? '')];
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...told], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
  });
  const [line] = await once(child.stdout ?? child, 'data');
  return { line: String(line), child, passed, where };
}

describe('closing', () => {
  const release: { go: () => void } = { go: () => undefined };
  const slowly = async (): Promise<readonly Reply[]> => {
    await new Promise<void>((resolve) => {
      release.go = resolve;
    });
    return [{ code: 250, enhanced: '2.0.0', text: 'in time' }];
  };

  it('says 421 4.3.2 to idle clients at once, and lets a transaction finish', async () => {
    const listener = await openListener({ deliver: slowly });
    const [idle, busy] = [listener.connect(), listener.connect()];
    await idle.hello();
    await busy.hello();
    busy.write('MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\nx\r\n.\r\n');
    for (let skipped = 0; skipped < 3; skipped += 1) await busy.reply();
    await eventually(() => listener.transactions.length === 1, 'the message is in delivery');
    const closed = listener.handle.close({ graceMs: 5000 });
    expect(await idle.rest()).toEqual([expect.stringMatching(/^421 4\.3\.2 /)]);
    const late = rawClient({ host: '127.0.0.1', port: Number(listener.handle.address.split(':').at(-1)) });
    expect(await late.reply()).toBe('');
    release.go();
    expect(await busy.reply()).toBe('250 2.0.0 in time');
    expect(await busy.rest()).toEqual([expect.stringMatching(/^421 4\.3\.2 /)]);
    await closed;
    // It closed on our 421, without QUIT: what was accepted stays remembered.
    expect(listener.fates[0]).toMatch(/^lost/);
  });

  it('lets a transaction that has only begun finish within the grace, with its own QUIT', async () => {
    const listener = await openListener();
    const client = listener.connect();
    await client.hello();
    await client.command('MAIL FROM:<>');
    const closed = listener.handle.close({ graceMs: 5000 });
    expect(await client.command('RCPT TO:<a@x.test>')).toMatch(/^250/);
    expect(await client.command('DATA')).toMatch(/^354/);
    client.write('x\r\n.\r\nQUIT\r\n');
    expect(await client.rest()).toEqual(['250 2.0.0 delivered 0', '221 2.0.0 Bye']);
    await closed;
  });

  it('cuts off after the grace: 421, and the replies count as lost', async () => {
    const listener = await openListener({ deliver: slowly });
    const client = listener.connect();
    await client.hello();
    client.write('MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\nx\r\n.\r\n');
    for (let skipped = 0; skipped < 3; skipped += 1) await client.reply();
    await eventually(() => listener.transactions.length === 1, 'the message is in delivery');
    await listener.handle.close({ graceMs: 50 });
    expect(await client.rest()).toEqual([expect.stringMatching(/^421 4\.3\.2 /)]);
    release.go();
    await eventually(() => listener.fates.length === 1, 'a fate');
    expect(listener.fates[0]).toMatch(/^lost/);
  });
});
