// The steps of the Containerfile in a plain folder: a Debian 13 without Postfix and without a service manager. Then the package
// there, without a network, beside an account of its name that was there before.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageDeb } from '../../../packaging/package-deb.mjs';
import { mustRun, waitUntil } from '../../support/child.ts';
import { repository } from '../../support/places.ts';
import { type Machine, PATIENCE, startMachine, takeYesForAnAnswer } from '../../support/stock-debian.ts';

/** An instruction, and what follows it on its line or lines. */
type Step = readonly [instruction: string, argument: string];

/** Comments left out, lines joined. */
function stepsOfContainerfile(text: string): readonly Step[] {
  return text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .flatMap((line) => {
      const found = /^([A-Z]+) (.*)$/.exec(line);
      return found === null ? [] : [[found[1] ?? '', found[2] ?? ''] as const];
    });
}

describe('the Containerfile', () => {
  let dir: string;
  let root: string;
  let deb: string;
  let steps: readonly Step[];
  let machine: Machine;

  const only = (instruction: string): string => {
    const found = steps.filter(([name]) => name === instruction);
    expect(found, instruction).toHaveLength(1);
    return found[0]?.[1] ?? '';
  };
  const must = async (line: string, network = false): Promise<string> => {
    const { code, stdout, stderr } = await machine.run(line, { network, timeout: PATIENCE });
    expect(code, `${line}\n${stdout}${stderr}`).toBe(0);
    // The folder in which nsenter(1) is called lies outside of the root: its shell says so.
    return `${stdout.toString()}${stderr.replace(/^sh: 0: getcwd\(\) failed.*\n/gm, '')}`;
  };
  /** As the engine runs a program in the image. */
  const inside = (words: string): string =>
    `cd ${only('WORKDIR')} && env ${only('ENV')} setpriv --reuid=${only('USER')} --regid=${only('USER')} --init-groups ${words}`;
  const words = (json: string): string => (JSON.parse(json) as readonly string[]).join(' ');

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sp-container-'));
    root = join(dir, 'root');
    steps = stepsOfContainerfile(
      await readFile(join(repository, 'packaging/container/Containerfile'), 'utf8'),
    );
    deb = await packageDeb({ out: dir });
    await mustRun('chmod', ['755', dir]);
    const release = /^debian:(\w+)-slim$/.exec(only('FROM'))?.[1] ?? '';
    await mustRun(
      'mmdebstrap',
      ['--quiet', '--mode=root', '--dpkgopt=force-unsafe-io', '--variant=minbase', release, root],
      { timeout: PATIENCE },
    );
    await takeYesForAnAnswer(root);
    machine = await startMachine(root);
  }, PATIENCE);
  afterAll(async () => {
    await machine?.end();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  it('has no step that this test does not know', () => {
    const known = [
      'FROM',
      'COPY',
      'RUN',
      'ENV',
      'VOLUME',
      'EXPOSE',
      'USER',
      'WORKDIR',
      'HEALTHCHECK',
      'ENTRYPOINT',
      'CMD',
    ];
    expect([...new Set(steps.map(([name]) => name))].filter((name) => !known.includes(name))).toEqual([]);
    expect(only('COPY')).toBe('sealpost_*_all.deb /tmp/');
  });

  it('builds what runs: init, serve and the health check, as the user sealpost', async () => {
    await writeFile(join(root, 'tmp', basename(deb)), await readFile(deb));
    await must(only('RUN'), true);
    expect(await must('ls /tmp')).not.toContain('sealpost');
    const program = words(only('ENTRYPOINT'));
    const health = words(/CMD (\[.*\])$/.exec(only('HEALTHCHECK'))?.[1] ?? '[]');
    expect((await machine.run(inside(health))).code).not.toBe(0);
    await must(inside(`${program} init --no-input --next-hop lmtp:127.0.0.1:24 --domain example.org`));
    // A command of its own: of "cd /root && it &" a shell would stay behind that holds our pipe.
    await must(`:; { ${inside(`${program} ${words(only('CMD'))}`)}; } >/tmp/serve.log 2>&1 </dev/null &`);
    await waitUntil(
      'the health check to say yes',
      120_000,
      async () => (await machine.run(inside(health))).code === 0,
      async () => must('cat /tmp/serve.log'),
    );
    // All that is kept is in the volume.
    expect(await must(`find / -xdev -user sealpost ! -path '/proc/*' ! -path '${only('VOLUME')}*'`)).toBe('');
    await must(
      `pkill -u sealpost -f '${program} serve' && while pgrep -u sealpost -f '${program} serve' >/dev/null; do sleep 0.1; done`,
    );
  });

  it('is a machine without Postfix: the package is installed there without a network, and its account is in no other group', async () => {
    expect(await must('id -nG sealpost')).toBe('sealpost\n');
    await mkdir(join(root, 'root'), { recursive: true });
    await writeFile(join(root, 'root', basename(deb)), await readFile(deb));
    await must('dpkg -P sealpost && deluser sealpost && (delgroup sealpost || true)');
    await must('useradd --create-home --home-dir /home/other --shell /bin/sh sealpost');
    const said = await must(`dpkg -i ${basename(deb)}`);
    expect(said).toContain('was there already, with the home /home/other');
    expect(said).toContain("looks like a person's");
    expect(await must('getent passwd sealpost')).toContain(':/home/other:/bin/sh');
    expect(await must('stat -c %U:%G:%a /var/lib/sealpost')).toBe('sealpost:sealpost:700\n');
  });

  it('finds Postfix when it comes later', async () => {
    // What dpkg(1) calls when a package brings files below the folder that the package is interested in.
    await must(
      'addgroup --system postfix && /var/lib/dpkg/info/sealpost.postinst triggered /usr/lib/postfix/sbin',
    );
    expect((await must('id -nG sealpost')).trim().split(' ')).toContain('postfix');
    expect(await must('cat /var/lib/dpkg/info/sealpost.triggers')).toContain(
      'interest-noawait /usr/lib/postfix/sbin',
    );
  });
});
