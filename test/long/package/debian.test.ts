// The Debian package on a Debian 13 that has just been installed: README's lines lead to sealed mail, an upgrade in the middle of
// the mail loses none, and what removal and purge leave behind is what is wanted.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageDeb } from '../../../packaging/package-deb.mjs';
import { readReadme, stepsOf } from '../../support/readme-steps.ts';
import { makeStockDebian, PATIENCE, type StockDebian } from '../../support/stock-debian.ts';
import {
  ALICE,
  expectGreenDoctor,
  expectSealed,
  follow,
  keyOf,
  letter,
  postfixFiles,
  startByUnit,
} from '../../support/stock-suite.ts';

const NEWER = '99.0.0';
const LETTERS = 20;

describe('the Debian package', () => {
  let out: string;
  let machine: StockDebian;
  let key: PrivateKey;
  let unwired: readonly string[] = [];
  const steps = stepsOf(readReadme(), 'Installing');

  /** A line that has to end with 0. @returns what it printed */
  const must = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await machine.run(line, { timeout: PATIENCE });
    // The folder in which nsenter(1) is called lies outside of the root: its shell says so.
    const said = `${stdout.toString()}${stderr.replace(/^sh: 0: getcwd\(\) failed.*\n/gm, '')}`;
    expect(code, `${line}\n${said}`).toBe(0);
    return said;
  };
  const there = async (path: string): Promise<boolean> => (await machine.run(`test -e ${path}`)).code === 0;
  const stop = (): Promise<string> =>
    must(
      "pkill -TERM -u sealpost -f 'sealpost serve' && while pgrep -u sealpost -f 'sealpost serve' >/dev/null; do sleep 0.1; done",
    );

  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), 'sp-deb-'));
    machine = await makeStockDebian('trixie', 'alice', 'nothing');
    for (const version of [undefined, NEWER]) {
      const file = await packageDeb({ out, ...(version === undefined ? {} : { version }) });
      await writeFile(join(machine.root, 'root', basename(file)), await readFile(file));
    }
    key = await keyOf(ALICE);
    await writeFile(join(machine.root, 'root', 'alice.asc'), key.toPublic().armor());
    // As it is on a machine that was not made a minute ago.
    const updated = await machine.run('apt-get update', { network: true, timeout: PATIENCE });
    if (updated.code !== 0) throw new Error(`apt-get update: ${updated.stderr}`);
  }, 2 * PATIENCE);
  afterAll(async () => {
    await machine?.remove();
    await rm(out, { recursive: true, force: true });
  });

  it('leads from nothing to sealed mail in the six lines of README', async () => {
    expect(steps).toHaveLength(6);
    unwired = await follow(machine, steps);
    await letter(machine, 'first');
    await expectSealed(machine, key, 'first');
  });

  it('leaves a machine that doctor is green on', () => expectGreenDoctor(machine));

  it('takes Debian’s PostgreSQL for the private database, as the user sealpost', async () => {
    expect(await must('ps -o user:20=,args= -C postgres')).toMatch(
      /^sealpost +\/usr\/lib\/postgresql\/17\/bin\/postgres /m,
    );
  });

  it('brings manual pages, and what the Tab key completes', async () => {
    for (const page of ['man1/sealpost.1', 'man5/sealpost.toml.5', 'man8/sealpost-pipe.8'])
      expect(await must(`zcat /usr/share/man/${page}.gz | head -3`)).toContain('.Dt SEALPOST');
    const completed = `. /usr/share/bash-completion/completions/sealpost; COMP_WORDS=(sealpost user re) COMP_CWORD=2; _sealpost; echo "\${COMPREPLY[@]}"`;
    expect(await must(`bash -c '${completed}'`)).toBe('rename remove\n');
    expect(await must('sealpost-pipe --version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('is configured twice without a change', async () => {
    const state = () =>
      must(
        'getent passwd sealpost; id sealpost; find /var/lib/sealpost /etc/sealpost -maxdepth 1 -printf "%p %u:%g %m\\n" | sort',
      );
    const before = await state();
    await must('dpkg-reconfigure sealpost && /var/lib/dpkg/info/sealpost.postinst configure 0.1.0');
    expect(await state()).toBe(before);
  });

  it('is upgraded in the middle of the mail: every letter arrives once, and sealed', async () => {
    await must('echo "# ours" >> /etc/logrotate.d/sealpost');
    const names = Array.from({ length: LETTERS }, (_, at) => `during-${at}`);
    const sent = (async () => {
      for (const name of names) await letter(machine, name);
    })();
    const said = await must(`dpkg -i sealpost_${NEWER}_all.deb`);
    expect(said).not.toContain('not brought to this version');
    // What systemd is asked for by the package's scripts.
    await stop();
    await startByUnit(machine);
    await sent;
    await must('postqueue -f');
    for (const name of names) await expectSealed(machine, key, name);
    const stored = await readFile(join(machine.root, 'var/mail/alice'), 'latin1');
    for (const name of names) expect(stored.split(`X-Letter: ${name}\n`)).toHaveLength(2);
    expect(await must('sealpost --version')).toBe(`${NEWER}\n`);
    expect(await must('tail -1 /etc/logrotate.d/sealpost')).toBe('# ours\n');
    await expectGreenDoctor(machine);
  });

  it('removed, says that Postfix still hands mail in, and keeps it there until the package is back', async () => {
    await stop();
    const said = await must('dpkg -r sealpost');
    expect(said).toContain("it waits in Postfix's queue");
    await letter(machine, 'without');
    expect(await must('postqueue -p')).toContain('alice@example.org');
    expect(await readFile(join(machine.root, 'var/mail/alice'), 'latin1')).not.toContain(
      'X-Letter: without\n',
    );
    await must(`dpkg -i sealpost_${NEWER}_all.deb`);
    await startByUnit(machine);
    await must('postqueue -f');
    await expectSealed(machine, key, 'without');
  });

  it('purged while mail waits in the queue or the spool, keeps that', async () => {
    await must(
      'install -d -o sealpost -m 0700 /var/spool/sealpost/in/new && echo x > /var/spool/sealpost/in/new/1',
    );
    await stop();
    // Nobody can count the mail in a database that is not reached.
    await must('mv /etc/sealpost/sealpost.toml /root/ && echo nonsense > /etc/sealpost/sealpost.toml');
    const said = await must('dpkg -P sealpost');
    expect(said).toContain('/var/lib/sealpost is kept');
    expect(said).toContain('/var/spool/sealpost is kept');
    expect(await there('/var/spool/sealpost/in/new/1')).toBe(true);
    expect(await there('/var/lib/sealpost/postgres/data/PG_VERSION')).toBe(true);
    await must(`dpkg -i sealpost_${NEWER}_all.deb && mv /root/sealpost.toml /etc/sealpost/`);
    expect(await must('sealpost user list')).toContain(ALICE);
  });

  it('purged without mail leaves nothing but its account', async () => {
    await must('sealpost postfix undo && rm /var/spool/sealpost/in/new/1');
    expect(await postfixFiles(machine)).toEqual(unwired);
    await must('dpkg -P sealpost');
    const left = await must(
      "find / -xdev '(' -path /proc -o -path /root -o -path /var/lib/apt ')' -prune -o '(' -name '*sealpost*' -o -user sealpost ')' -print",
    );
    expect(
      left
        .split('\n')
        .filter((path) => path !== '')
        // Sockets and locks of master(8), for the service that the wiring had: Postfix leaves them.
        .filter(
          (path) =>
            path !== '/var/log/sealpost.log' && !/^\/var\/spool\/postfix\/(?:private|pid)\//.test(path),
        ),
    ).toEqual([]);
    expect(await must('getent passwd sealpost')).toContain('/var/lib/sealpost');
  });
});
