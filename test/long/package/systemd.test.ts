// The Debian package under systemd itself, on a Debian 13 that has just been installed: README's lines as they stand, and an upgrade
// under traffic with the socket that systemd holds.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageDeb } from '../../../packaging/package-deb.mjs';
import { waitUntil } from '../../support/child.ts';
import { skipFor } from '../../support/needs.ts';
import { readReadme, stepsOf } from '../../support/readme-steps.ts';
import { makeStockDebian, PATIENCE, type StockDebian } from '../../support/stock-debian.ts';
import { ALICE, expectGreenDoctor, expectSealed, follow, keyOf, letter } from '../../support/stock-suite.ts';
import { lackOfSystemd, startSystemd } from '../../support/systemd-machine.ts';

const NEWER = '99.0.0';
/** Connections of Postfix at once. */
const SENDERS = 4;
const SOCKET = '/run/sealpost-lmtp.sock';
const lacking = lackOfSystemd();

describe.runIf(lacking === null)('the Debian package under systemd', () => {
  let out: string;
  let machine: StockDebian;
  let key: PrivateKey;

  const must = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await machine.run(line, { timeout: PATIENCE });
    expect(code, `${line}\n${stdout}${stderr}`).toBe(0);
    return stdout.toString();
  };
  const journal = (): Promise<string> => must('journalctl --unit sealpost --no-pager --output cat');
  const startedVersions = async (): Promise<readonly string[]> =>
    [...(await journal()).matchAll(/"event":"started","version":"([^"]+)"/g)].map(
      ([, version = '']) => version,
    );
  /** Letters that Postfix could not hand on at once, and why. */
  const deferred = async (): Promise<readonly string[]> =>
    (await must('journalctl --no-pager --output cat'))
      .split('\n')
      .filter((line) => line.includes('status=deferred'));

  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), 'sp-deb-'));
    machine = await makeStockDebian('trixie', 'alice', 'systemd', startSystemd);
    for (const version of [undefined, NEWER]) {
      const file = await packageDeb({ out, ...(version === undefined ? {} : { version }) });
      await writeFile(join(machine.root, 'root', basename(file)), await readFile(file));
    }
    key = await keyOf(ALICE);
    await writeFile(join(machine.root, 'root', 'alice.asc'), key.toPublic().armor());
    const updated = await machine.run('apt-get update', { network: true, timeout: PATIENCE });
    if (updated.code !== 0) throw new Error(`apt-get update: ${updated.stderr}`);
  }, 2 * PATIENCE);
  afterAll(async () => {
    await machine?.remove();
    await rm(out, { recursive: true, force: true });
  });

  it('leads from nothing to sealed mail in the six lines of README, each as it stands', async () => {
    await follow(machine, stepsOf(readReadme(), 'Installing'), []);
    expect(await must('systemctl is-active sealpost')).toBe('active\n');
    await letter(machine, 'first');
    await expectSealed(machine, key, 'first');
    await expectGreenDoctor(machine);
  });

  it('with sealpost.socket, as its comments say, is upgraded under traffic without a letter that waits', async () => {
    // Undone below, so that nothing but ours is in the files.
    await must('cp -a /etc/postfix/main.cf /etc/sealpost/sealpost.toml /root/');
    await must(
      `sed -i 's#"127.0.0.1:10024"#"unix:${SOCKET}"#' /etc/sealpost/sealpost.toml && sed -i 's#inet:127.0.0.1:10024#unix:${SOCKET}#' /etc/postfix/main.cf`,
    );
    await must(
      'systemctl daemon-reload && systemctl stop sealpost.service && systemctl enable --now sealpost.socket sealpost.service && postfix reload',
    );
    expect(await must(`stat -c %U:%G:%a ${SOCKET}`)).toBe('sealpost:postfix:660\n');
    await letter(machine, 'by-socket');
    await expectSealed(machine, key, 'by-socket');
    const before = { versions: await startedVersions(), deferred: await deferred() };

    const sender = `n=0; while [ ! -e /run/stop ]; do smtp-source -s 1 -m 1 -l 400 -f bob@example.net -t ${ALICE} 127.0.0.1:25 || echo refused >>/root/refused; echo x >>/root/sent; sleep 0.2; done`;
    await must(
      `: >/root/sent; for at in $(seq ${SENDERS}); do (${sender}) >/dev/null 2>&1 </dev/null & done`,
    );
    await waitUntil('traffic', 60_000, async () => Number(await must('wc -l </root/sent')) > 3 * SENDERS);
    const during = Number(await must('wc -l </root/sent'));
    await must(`dpkg -i sealpost_${NEWER}_all.deb`);
    expect(Number(await must('wc -l </root/sent'))).toBeGreaterThan(during);
    await waitUntil('the new version', 120_000, async () => (await startedVersions()).includes(NEWER));
    await must('touch /run/stop && while pgrep smtp-source >/dev/null; do sleep 0.1; done; sleep 1');
    await waitUntil('an empty queue', PATIENCE, async () => (await must('postqueue -j')) === '');

    // Whoever came meanwhile did not start what was being replaced: one start, of the new version.
    expect(await startedVersions()).toEqual([...before.versions, NEWER]);
    expect(await must('ls /run/systemd/system')).not.toContain('sealpost');
    expect(await must('test ! -e /root/refused && echo none')).toBe('none\n');
    expect(await deferred()).toEqual(before.deferred);
    const sent = Number(await must('wc -l </root/sent'));
    const stored = await readFile(join(machine.root, 'var/mail/alice'), 'latin1');
    const own = stored.split(/^From /m).filter((mail) => mail.includes('Return-Path: <bob@example.net>'));
    expect(own).toHaveLength(sent);
    expect(own.filter((mail) => !mail.includes('-----BEGIN PGP MESSAGE-----'))).toEqual([]);
    process.stdout.write(`${sent} letters, ${sent - during} of them during and after the upgrade\n`);
  });

  it('purged, leaves no unit, no link to one and nothing below /run', async () => {
    await must('systemctl stop sealpost.socket sealpost.service');
    await must('cp -a /root/main.cf /etc/postfix/ && cp -a /root/sealpost.toml /etc/sealpost/');
    await must('sealpost postfix undo --reload && dpkg -P sealpost');
    const left = await must(
      "find /etc /run /usr /var/lib /var/spool -xdev -name '*sealpost*' ! -path '/var/spool/postfix/*'",
    );
    expect(left).toBe('');
  });
});

describe.runIf(lacking !== null)('the Debian package under systemd', () => {
  it('is tried where systemd can run', (context) => skipFor(context, lacking));
});
