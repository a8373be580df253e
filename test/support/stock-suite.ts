// README's "Wire it into your Postfix", line by line, on a Debian that has just been installed.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKey, type PrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from './child.ts';
import { decryptWith } from './make-keys.ts';
import { readReadme, stepsOf } from './readme-steps.ts';
import { makeStockDebian, type StockDebian } from './stock-debian.ts';

export const ALICE = 'alice@example.org';
export const TEXT = 'Meet me at the old mill.';
/** Milliseconds for npm to look through what is there, and for the build. */
const PATIENCE = 1_800_000;

/** What happens in place of a line that this machine cannot follow, and why it cannot. */
interface Instead {
  readonly line: RegExp;
  readonly because: string;
  readonly does: (machine: StockDebian) => Promise<void>;
}

const INSTEAD: readonly Instead[] = [
  {
    line: /^systemctl /,
    because:
      'a root in a folder has no service manager: the command of the unit runs as its user, in its folders',
    does: startByUnit,
  },
];

/** @param release of Debian, such as `bookworm`. @param postfixVersion what is in it */
export function describeStock(release: string, postfixVersion: RegExp): void {
  describe(`README's steps on a stock Debian (${release})`, () => {
    let machine: StockDebian;
    let key: PrivateKey;
    let unwired: readonly string[] = [];
    const steps = stepsOf(readReadme(), 'Wire it into your Postfix');
    beforeAll(async () => {
      machine = await makeStockDebian(release, 'alice');
      key = await keyOf(ALICE);
      await writeFile(join(machine.root, 'root', 'alice.asc'), key.toPublic().armor());
    }, 2 * PATIENCE);
    afterAll(() => machine?.remove());

    it('begin on a mail server that stores mail as it comes', async () => {
      const { stdout } = await machine.run('postconf -h mail_version');
      expect(stdout.toString()).toMatch(postfixVersion);
      await letter(machine, 'before');
      expect(await mailbox(machine, 'before')).toContain(TEXT);
    });

    it('are followed as they stand', async () => {
      expect(steps.length).toBeGreaterThanOrEqual(12);
      unwired = await follow(machine, steps);
    });

    it('leave a machine that doctor is green on', async () => {
      expect(steps).toContain('sealpost doctor');
      await expectGreenDoctor(machine);
    });

    it('seal what is sent from then on', async () => {
      await letter(machine, 'after');
      await expectSealed(machine, key, 'after');
    });

    it('are taken back to the byte by undo', async () => {
      expect(await postfixFiles(machine)).not.toEqual(unwired);
      const undone = await machine.run('sealpost postfix undo --reload');
      expect(undone.code, `${undone.stdout}${undone.stderr}`).toBe(0);
      expect(await postfixFiles(machine)).toEqual(unwired);
    });
  });
}

/** Types the lines. @param instead of which lines what happens @returns the files of Postfix before they were changed */
export async function follow(
  machine: StockDebian,
  steps: readonly string[],
  instead: readonly Instead[] = INSTEAD,
): Promise<readonly string[]> {
  let unwired: readonly string[] = [];
  for (const line of steps) {
    const other = instead.find((each) => each.line.test(line));
    process.stdout.write(other === undefined ? `$ ${line}\n` : `not run: ${line} (${other.because})\n`);
    if (other !== undefined) {
      await other.does(machine);
      continue;
    }
    if (line.startsWith('sealpost postfix apply ')) unwired = await postfixFiles(machine);
    const { code, stdout, stderr } = await machine.run(line, {
      network: /\bnpm\b|^apt-get /.test(line),
      timeout: PATIENCE,
    });
    expect(code, `${line}\n${stdout}${stderr}`).toBe(0);
  }
  expect(instead.filter(({ line }) => !steps.some((step) => line.test(step)))).toEqual([]);
  return unwired;
}

/** Nothing was found that is not well, but what cannot be looked at anywhere. */
export async function expectGreenDoctor(machine: StockDebian): Promise<void> {
  const { code, stdout } = await machine.run('sealpost doctor --json');
  const { checks } = JSON.parse(stdout.toString()) as {
    readonly checks: readonly { readonly level: string; readonly expected?: boolean }[];
  };
  expect(checks.length).toBeGreaterThanOrEqual(40);
  expect(checks.filter(({ level, expected }) => level !== 'ok' && expected !== true)).toEqual([]);
  expect(code).toBe(0);
}

/** The letter of a name arrives, sealed and whole. */
export async function expectSealed(machine: StockDebian, key: PrivateKey, name: string): Promise<void> {
  const stored = await mailbox(machine, name);
  const [, own = ''] = stored.split(`X-Letter: ${name}\n`);
  expect(own, name).toContain('Sealpost-Status: sealed');
  const armored = /-----BEGIN PGP MESSAGE-----.*?-----END PGP MESSAGE-----/s.exec(own)?.[0] ?? '';
  expect((await decryptWith(key, Buffer.from(armored))).toString(), name).toContain(TEXT);
  // Up to the next letter.
  expect(own.split('\nX-Letter: ')[0], name).not.toContain(TEXT);
}

export async function keyOf(email: string): Promise<PrivateKey> {
  // A little earlier than now, so that no clock calls it a key from the future.
  const date = new Date(Date.now() - 60_000);
  const { privateKey } = await generateKey({ userIDs: [{ email }], format: 'object', date });
  return privateKey;
}

export function postfixFiles({ root }: StockDebian): Promise<readonly string[]> {
  return Promise.all(
    ['main.cf', 'master.cf'].map((name) => readFile(join(root, 'etc/postfix', name), 'latin1')),
  );
}

export async function letter(machine: StockDebian, name: string): Promise<void> {
  const sent = await machine.run(
    `swaks --server 127.0.0.1 --to ${ALICE} --add-header 'X-Letter: ${name}' --body '${TEXT}' --timeout 60`,
  );
  expect(sent.code, sent.stdout.toString()).toBe(0);
}

/** The mailbox of alice, once the letter of a name is in it. */
export async function mailbox(machine: StockDebian, name: string): Promise<string> {
  const path = join(machine.root, 'var', 'mail', 'alice');
  const read = () => readFile(path, 'latin1').catch(() => '');
  await waitUntil(
    `the letter "${name}" in ${path}`,
    60_000,
    async () => (await read()).includes(`X-Letter: ${name}\n`),
    async () => (await machine.run('mailq')).stdout.toString(),
  );
  return read();
}

/** What systemd does with sealpost.service: its folders, its user, its mask of modes, its command. */
export async function startByUnit(machine: StockDebian): Promise<void> {
  const places = ['etc', 'usr/lib'].map((folder) =>
    join(machine.root, folder, 'systemd/system/sealpost.service'),
  );
  const unit = await readFile(places.find(existsSync) ?? '', 'utf8');
  const setting = (name: string): string => {
    const found = new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1];
    if (found === undefined) throw new Error(`the unit has no ${name}=`);
    return found;
  };
  const [user, group] = [setting('User'), setting('Group')];
  const folders: readonly (readonly [string, string])[] = [
    [`/var/lib/${setting('StateDirectory')}`, setting('StateDirectoryMode')],
    [`/run/${setting('RuntimeDirectory')}`, setting('RuntimeDirectoryMode')],
  ];
  for (const [path, mode] of folders) {
    await mkdir(join(machine.root, path), { recursive: true });
    // systemd.exec(5): what belongs to another is given to the user, with all that is in it.
    const { code, stderr } = await machine.run(`chmod ${mode} ${path} && chown -R ${user}:${group} ${path}`);
    expect(code, stderr).toBe(0);
  }
  const groups = `$(id -G ${user} | tr ' ' ,)`;
  const identity = `setpriv --reuid=${user} --regid=${group} --groups=${groups} --no-new-privs`;
  const started = await machine.run(
    `umask ${setting('UMask')}; ulimit -n ${setting('LimitNOFILE')}; cd /; ${identity} ${setting('ExecStart')} >/var/log/sealpost.log 2>&1 </dev/null &`,
  );
  expect(started.code, started.stderr).toBe(0);
  await waitUntil(
    'sealpost to be ready',
    120_000,
    async () => (await machine.run('sealpost status')).code === 0,
    async () => (await machine.run('cat /var/log/sealpost.log')).stdout.toString(),
  );
}
