// The pure parts of the embedded database: who runs it, what its files say, where its socket goes.
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { socketHome } from '../../../src/database/embedded/embedded.ts';
import { parsePostmaster } from '../../../src/database/embedded/server.ts';
import { chooseAccount, closedFolder, findAccount } from '../../../src/database/embedded/user.ts';
import { skipWithout } from '../../support/needs.ts';

const nobody = { uid: 65534, gid: 65534 };
const folder = (path: string, mode: number, uid = 0, gid = 0) => ({ path, mode: 0o40000 | mode, uid, gid });

describe('the way to a folder', () => {
  it('is open when others may search every folder', () => {
    expect(closedFolder([folder('/', 0o755), folder('/srv', 0o711)], nobody)).toBeNull();
  });
  it('is closed by the first private folder of root', () => {
    const root = folder('/root', 0o700);
    expect(closedFolder([folder('/', 0o755), root, folder('/root/x', 0o700)], nobody)).toBe(root);
  });
  it("goes by the owner's bits for the owner, and by the group's for the group", () => {
    expect(closedFolder([folder('/a', 0o700, 65534)], nobody)).toBeNull();
    expect(closedFolder([folder('/a', 0o077, 65534)], nobody)).not.toBeNull();
    expect(closedFolder([folder('/a', 0o710, 0, 65534)], nobody)).toBeNull();
    expect(closedFolder([folder('/a', 0o701, 0, 65534)], nobody)).not.toBeNull();
  });
});

describe("the server's account", () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n';
  const sealpost = 'sealpost:x:110:120::/:/bin/false\n';
  const never = (): boolean => {
    throw new Error('a user was made');
  };
  it('is made where there is no user sealpost, and never nobody', () => {
    let text = passwd;
    const account = chooseAccount(
      ['/'],
      () => text,
      () => {
        text += sealpost;
        return true;
      },
    );
    expect(account).toEqual({ uid: 110, gid: 120 });
  });
  it('is sealpost where there is one', () => {
    expect(chooseAccount(['/'], () => `${passwd}${sealpost}`, never)).toEqual({ uid: 110, gid: 120 });
  });
  it('is refused with the help where it can neither be found nor made', () => {
    for (const made of [true, false]) {
      expect(() =>
        chooseAccount(
          ['/'],
          () => passwd,
          () => made,
        ),
      ).toThrow('run "adduser --system --group --home /var/lib/sealpost sealpost"');
    }
  });
  it('is not nobody under the name of sealpost', () => {
    expect(() =>
      chooseAccount(['/'], () => `${passwd}sealpost:x:65534:65534::/:/bin/false\n`, never),
    ).toThrow('adduser');
  });
  it("is the owner of what is there, with a warning where that is nobody's", (context) => {
    skipWithout(context, 'root');
    const data = mkdtempSync(join(tmpdir(), 'sealpost-owner-'));
    try {
      chownSync(data, 4711, 4712);
      expect(chooseAccount([data], () => passwd, never)).toEqual({ uid: 4711, gid: 4712 });
      chownSync(data, 65534, 65534);
      const warnings: string[] = [];
      const warn = (sentence: string): void => void warnings.push(sentence);
      expect(chooseAccount([data], () => `${passwd}${sealpost}`, never, warn)).toEqual(nobody);
      expect(warnings).toEqual([expect.stringContaining(`"chown -R sealpost:sealpost ${data}"`)]);
    } finally {
      rmSync(data, { recursive: true });
    }
  });
  it('is not read from a name that only begins the same', () =>
    expect(findAccount(passwd, 'nobod')).toBeNull());
});

describe('postmaster.pid', () => {
  it('tells process, data, socket folder and state', () => {
    const text = '4711\n/srv/data\n1795249126\n5432\n/srv/run\n\n  123 456\nready   \n';
    expect(parsePostmaster(text)).toEqual({
      pid: 4711,
      data: '/srv/data',
      socketFolder: '/srv/run',
      status: 'ready',
    });
  });
  it.each(['', '\n', '-4711\n', 'x\n'])('is not read from %j', (text) =>
    expect(parsePostmaster(text)).toBeNull(),
  );
});

describe('the socket', () => {
  it('is beside the data where its path fits into an address of 107 bytes', () => {
    const longest = `/${'x'.repeat(107 - '/run/.s.PGSQL.5432'.length - 1)}`;
    expect(socketHome(longest)).toBe(longest);
    expect(socketHome(`${longest}x`)).toMatch(/^\/tmp\/sealpost-[0-9a-f]{16}$/);
  });
  it('counts bytes and not characters', () => expect(socketHome(`/${'ü'.repeat(60)}`)).toMatch(/^\/tmp\//));
  it('has one place for every process and another for another folder', () => {
    const long = `/${'x'.repeat(200)}`;
    expect(socketHome(long)).toBe(socketHome(long));
    expect(socketHome(long)).not.toBe(socketHome(`${long}y`));
  });
  it('avoids the comma, which separates folders in unix_socket_directories', () => {
    expect(socketHome('/srv/a,b')).toMatch(/^\/tmp\//);
  });
});
