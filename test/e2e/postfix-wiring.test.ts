// `sealpost postfix show|apply|undo` on real configuration folders: Debian's own master.cf, and Postfix's own word on what was made
// of it. One case has a running Postfix, to be reloaded.
import { cpSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import {
  describeApplied,
  filesOf,
  makeSite,
  runPostfix,
  scratch,
  useSites,
  type WiredSite,
} from '../support/applied-suite.ts';
import { mustRun, runProgram, waitUntil } from '../support/child.ts';
import { useExamplePorts } from '../support/example-ports.ts';
import { describeOddSites } from '../support/odd-sites.ts';
import { allocatePlaces, exampleSubstitutions, type Places } from '../support/places.ts';
import { type PrivatePostfix, startPostfix } from '../support/private-postfix.ts';

let here: WiredSite;
const site = (main = '', toml = '') => {
  here = makeSite(main, toml);
};
const files = () => filesOf(here);
const postfix = (...words: readonly string[]) => runPostfix(here, ...words);

useSites();
useExamplePorts();

/** Everything that Postfix makes of a folder, and nothing that it has against it. */
async function asPostfixReads(folder: string): Promise<readonly string[]> {
  const main = await mustRun('postconf', ['-c', folder, '-n']);
  const master = await mustRun('postconf', ['-c', folder, '-M']);
  expect(main.stderr + master.stderr).toBe('');
  // The order of options does not count.
  const words = (line: string) =>
    line
      .split(/ (?=-o )|\s+/)
      .sort()
      .join(' ');
  const lines = `${main.stdout}${master.stdout}`
    .split('\n')
    .filter((line) => !line.startsWith('config_directory'));
  return lines.map(words).sort();
}

// All of them: test/long/wirings/applied.test.ts.
describeApplied(['delivery-lmtp', 'pipe', 'lookups']);

describe('show', () => {
  it('prints the calls that make of a copy what apply makes of the site, and changes nothing', async () => {
    site();
    const before = files();
    const shown = await postfix('show', 'after-queue-lmtp');
    expect(shown).toMatchObject({ code: 0, said: { changes: true, conflicts: [] } });
    const dry = await postfix('apply', 'after-queue-lmtp', '--dry-run');
    expect(dry).toMatchObject({ code: 0, said: shown.said });
    expect(files()).toEqual(before);

    const copy = `${here.etc}-copy`;
    cpSync(here.etc, copy, { recursive: true });
    const calls = (shown.said.calls as string[]).join('\n').replaceAll(`-c ${here.etc} `, `-c ${copy} `);
    await mustRun('bash', ['-e', '-c', calls]);
    await postfix('apply', 'after-queue-lmtp');
    expect(await asPostfixReads(here.etc)).toEqual(await asPostfixReads(copy));
    const check = await runProgram('postfix', ['-c', here.etc, 'check']);
    expect(check).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('apply', () => {
  it.each([
    ['after-queue-lmtp', 'content_filter = smtp-amavis:[127.0.0.1]:10030\n', 'content_filter'],
    ['delivery-lmtp', 'mailbox_transport = maildrop\n', 'mailbox_transport'],
    ['after-queue-smtp', 'receive_override_options = no_address_mappings\n', 'receive_override_options'],
    ['delivery-virtual', 'content_filter = smtp-amavis:[127.0.0.1]:10024\n', 'port 10024'],
  ])('of %s does not overwrite what the site has: %s', async (name, main, where) => {
    site(main);
    const before = files();
    expect(await postfix('apply', name)).toMatchObject({
      code: 1,
      said: { applied: false, conflicts: [{ where, remedy: expect.stringMatching(/./) }] },
    });
    expect(files()).toEqual(before);
  });

  it('hands no mail to a program that is not sealpost, on the port where sealpost is to listen', async () => {
    const amavis = createServer((socket) =>
      socket.end('220 [127.0.0.1] ESMTP amavisd-new service ready\r\n'),
    );
    await new Promise<void>((resolve) => amavis.listen(0, '127.0.0.1', resolve));
    const { port } = amavis.address() as AddressInfo;
    site('', `[[filter.listen]]\nname = "lmtp"\nprotocol = "lmtp"\naddress = "127.0.0.1:${port}"\n`);
    const before = files();
    expect(await postfix('apply', 'after-queue-lmtp')).toMatchObject({
      code: 1,
      said: { conflicts: [{ where: `port ${port}`, found: expect.stringContaining('amavisd-new') }] },
    });
    expect(files()).toEqual(before);
    await new Promise((resolve) => amavis.close(resolve));
  });

  it('changes nothing that Postfix has something against', async () => {
    site('', '[filter]\nnext_hop = "lmtp:unix:/run/dovecot/lmtp"\n');
    // postconf reads it and postfix check does not: a folder where a file should be, say.
    writeFileSync(join(here.etc, 'main.cf'), `${files()[0]}queue_directory = /nowhere/at/all\n`);
    const before = files();
    const { code, stderr } = await postfix('apply', 'delivery-lmtp');
    expect(code).toBe(1);
    expect(stderr).toContain('nothing was changed: Postfix has something against the new files');
    expect(files()).toEqual(before);
  });

  it('takes over the transport that leads where sealpost hands on', async () => {
    site('virtual_transport = lmtp:unix:private/store\n');
    writeFileSync(
      here.config,
      `[filter]\nnext_hop = "lmtp:unix:${join(scratch.folder, 'spool')}/private/store"\n`,
    );
    expect(await postfix('show', 'delivery-lmtp')).toMatchObject({
      code: 0,
      said: { changes: true, still_to_do: [] },
    });
  });
});

describeOddSites(['delivery-virtual'], ['says things twice, over lines with comments between']);

describe('undo', () => {
  it('goes back one wiring after the other, says what was changed since, and keeps that where it is asked to', async () => {
    site();
    const before = files();
    expect(await postfix('apply', 'delivery-virtual')).toMatchObject({ code: 0 });
    const one = files();
    expect(await postfix('apply', 'delivery-local')).toMatchObject({ code: 0 });
    const wrong = await postfix('undo', 'delivery-virtual');
    expect(wrong).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('delivery-local was applied after'),
    });
    expect(await postfix('undo')).toMatchObject({ code: 0, said: { wiring: 'delivery-local' } });
    expect(files()).toEqual(one);

    writeFileSync(join(here.etc, 'main.cf'), `# by hand\n${one[0]}`);
    expect(await postfix('undo')).toMatchObject({
      code: 1,
      said: { undone: false, changed_since: expect.stringContaining('+# by hand\n') },
    });
    expect(await postfix('undo', '--keep-changes')).toMatchObject({
      code: 0,
      said: { undone: true, to_the_byte: false },
    });
    expect(files()).toEqual([`# by hand\n${before[0]}`, before[1]]);
    expect(await postfix('undo')).toMatchObject({ code: 1 });
  });
});

describe('a Postfix that runs', () => {
  let started: { readonly postfix: PrivatePostfix; readonly places: Places } | undefined;
  afterEach(async () => {
    await started?.postfix.stop();
    await started?.places.remove();
  });

  it('is reloaded only when asked; until then sealpost reads addresses on as Postfix still does', async () => {
    const places = await allocatePlaces();
    const running = await startPostfix({
      places,
      example: null,
      substitutions: exampleSubstitutions(places),
      mailboxes: 'discard:',
      // As far as Postfix is concerned: not set.
      mainCf: { virtual_transport: 'virtual' },
    });
    started = { postfix: running, places };
    const config = join(places.dir, 'sealpost.toml');
    here = { etc: running.configDir, config };
    // Ports of its own: the wiring follows.
    writeFileSync(
      config,
      `state_dir = "./state"\n[filter]\nnext_hop = "smtp:127.0.0.1:${places.reinjectPort}"\n[[filter.listen]]\nname = "lmtp"\nprotocol = "lmtp"\naddress = "127.0.0.1:${places.lmtpPort}"\n`,
    );
    const before = files();
    expect(await postfix('apply', 'delivery-virtual')).toMatchObject({
      code: 0,
      said: { applied: true, reloaded: false, still_to_do: [] },
    });
    expect(await answers(places.reinjectPort)).toBe(false);
    expect(loadConfig({ path: config }).config.postfix.percent_hack).toBe(true);
    expect(await postfix('apply', 'delivery-virtual', '--reload')).toMatchObject({
      code: 0,
      said: { applied: false, reloaded: true },
    });
    await waitUntil('the way back to be open', 10_000, () => answers(places.reinjectPort));
    expect(loadConfig({ path: config }).config.postfix.percent_hack).toBe(false);
    expect(await postfix('undo', '--reload')).toMatchObject({
      code: 0,
      said: { undone: true, reloaded: true },
    });
    expect(files()).toEqual(before);
  });
});

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
