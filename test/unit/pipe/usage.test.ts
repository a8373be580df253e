// What sealpost-pipe does when it is called wrongly, configured wrongly, fed wrongly or interrupted: the mail must wait.
// @module-tag slow
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFakeLmtp } from './fake-lmtp.ts';
import { listenerConfig, type PipeBed, preparePipe, runPipe } from './run-pipe.ts';

const MESSAGE = 'Subject: secret\n\nThe plan is at noon.\n';
const USAGE = 'expected: sealpost-pipe --queue-id ID -f SENDER -- RCPT...';

let bed: PipeBed;
beforeAll(async () => {
  bed = await preparePipe();
});
afterAll(() => bed.remove());

describe('a wrong call ends with 75 and says what was expected', () => {
  it.each([
    ['nothing at all', [], 'the sender (-f) is missing'],
    ['no sender', ['--queue-id', 'X', '--', 'b@example.net'], 'the sender (-f) is missing'],
    ['no recipient', ['-f', 'a@example.org', '--'], 'there is no recipient'],
    ['an empty recipient', ['-f', 'a@example.org', '--', ''], 'a recipient is empty'],
    [
      'a sender that was not passed',
      ['-f', '--', 'b@example.net'],
      'an option is unknown or lacks its value',
    ],
    [
      'an unknown option',
      ['--frobnicate', '-f', '', '--', 'b@example.net'],
      'an option is unknown or lacks its value',
    ],
    ['a recipient in front of --', ['-f', '', '-b@example.net'], 'an option is unknown or lacks its value'],
    ['--config without a file', ['-f', '', '--config'], 'an option is unknown or lacks its value'],
    [
      'a line break in an address',
      ['-f', '', '--', 'b@example.net\r\nDATA'],
      'an address contains control characters',
    ],
    ['--help in front of a mail', ['--help', '-f', '', '--', 'b@example.net'], '--help delivers nothing'],
    ['--version in front of a mail', ['--version', '--', 'b@example.net'], '--version delivers nothing'],
  ])('%s', async (_, args, because) => {
    const run = await runPipe(bed, { args, message: MESSAGE });
    expect(run).toEqual({ exit: 75, signal: null, output: `4.3.5 wrong usage: ${because}; ${USAGE}\n` });
  });

  it('but --help alone prints an example', async () => {
    const run = await runPipe(bed, { args: ['--help'] });
    expect(run.exit).toBe(0);
    expect(run.output).toContain('argv=/usr/bin/sealpost-pipe --queue-id');
  });

  it('and --version alone prints the version', async () => {
    expect(await runPipe(bed, { args: ['--version'] })).toMatchObject({
      exit: 0,
      output: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });
});

describe('a wrong configuration ends with 75 and names the key', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['no TOML', 'pipe = [', 'is not valid TOML (line 1); see "sealpost config check"'],
    [
      'a wrong duration',
      '[pipe]\ndeadline = "soon"\n',
      ': pipe.deadline: expected a duration such as "900s", "5m", "1h" or "6d"',
    ],
    ['an unknown key', '[pipe]\nstandalon = true\n', ': pipe.standalon: unknown key'],
    ['a word for a flag', '[pipe]\nstandalone = "yes"\n', ': pipe.standalone: expected true or false'],
    ['an unknown way', '[pipe]\nreinject = "smtp"\n', ': pipe.reinject: expected "next_hop" or "sendmail"'],
    [
      'a wrong size',
      '[filter]\nmax_message_size = "big"\n',
      ': filter.max_message_size: expected a size such as "50MB", "256MiB" or "10240"',
    ],
    ['no table', 'filter = 3\n', ': filter: expected a table'],
    [
      'a listener without a protocol',
      '[[filter.listen]]\naddress = "127.0.0.1:1"\n',
      ': filter.listen.0: expected protocol = "lmtp" or "smtp", and an address',
    ],
    [
      'a wrong address',
      '[[filter.listen]]\nprotocol = "lmtp"\naddress = "unix:rel"\n',
      ': filter.listen.0.address: expected an absolute path after "unix:"',
    ],
    [
      'no LMTP listener',
      '[[filter.listen]]\nprotocol = "smtp"\naddress = "127.0.0.1:1"\n',
      ': filter.listen: expected a listener with protocol = "lmtp" for sealpost-pipe',
    ],
    [
      'two faults',
      '[pipe]\ndeadline = 5\nreinject = 1\n',
      ': pipe.reinject: expected "next_hop" or "sendmail"; pipe.deadline: expected a duration such as "900s", "5m", "1h" or "6d"',
    ],
  ];
  it.each(rows)('%s', async (_, toml, problem) => {
    const config = bed.configure(toml);
    const run = await runPipe(bed, {
      args: ['--config', config, '-f', '', '--', 'b@example.net'],
      message: MESSAGE,
    });
    const space = problem.startsWith(':') ? '' : ' ';
    expect(run).toEqual({ exit: 75, signal: null, output: `4.3.5 ${config}${space}${problem}\n` });
  });

  it('a file that is not there', async () => {
    const config = join(bed.directory, 'none.toml');
    const run = await runPipe(bed, {
      args: ['-f', '', '--', 'b@example.net'],
      message: MESSAGE,
      env: { SEALPOST_CONFIG: config },
    });
    expect(run).toMatchObject({ exit: 75, output: `4.3.5 ${config} cannot be read (ENOENT)\n` });
  });
});

describe('the configuration is looked for', () => {
  it('in --config before $SEALPOST_CONFIG, and there before ./sealpost.toml', async () => {
    const servers = await Promise.all([startFakeLmtp(), startFakeLmtp(), startFakeLmtp()]);
    const [option, environment, local] = servers;
    const cwd = join(bed.directory, 'cwd');
    mkdirSync(cwd, { recursive: true });
    writeFileSync(join(cwd, 'sealpost.toml'), listenerConfig(local.address));
    const env = { SEALPOST_CONFIG: bed.configure(listenerConfig(environment.address)) };
    const rest = ['-f', '', '--', 'b@example.net'];
    const counts = () => servers.map((server) => server.transactions.length);
    await runPipe(bed, {
      cwd,
      env,
      args: ['--config', bed.configure(listenerConfig(option.address)), ...rest],
      message: MESSAGE,
    });
    expect(counts()).toEqual([1, 0, 0]);
    await runPipe(bed, { cwd, env, args: rest, message: MESSAGE });
    expect(counts()).toEqual([1, 1, 0]);
    await runPipe(bed, { cwd, args: rest, message: MESSAGE });
    expect(counts()).toEqual([1, 1, 1]);
    await Promise.all(servers.map((server) => server.close()));
  });
});

describe('standard input', () => {
  it('must not be empty', async () => {
    const server = await startFakeLmtp();
    const args = ['--config', bed.configure(listenerConfig(server.address)), '-f', '', '--', 'b@example.net'];
    const run = await runPipe(bed, { args, message: '' });
    expect(run).toMatchObject({ exit: 75, output: '4.3.5 there is no message on standard input\n' });
    expect(server.transactions).toHaveLength(0);
    await server.close();
  });

  it('is read to its end before anything is sent, and the own deadline ends an endless one', async () => {
    const server = await startFakeLmtp();
    const config = bed.configure(listenerConfig(server.address, '[pipe]\ndeadline = "600ms"\n'));
    const run = await runPipe(bed, {
      args: ['--config', config, '-f', '', '--', 'b@example.net'],
      message: MESSAGE,
      keepOpen: true,
    });
    expect(run).toMatchObject({
      exit: 75,
      output: '4.4.1 not delivered within pipe.deadline; the mail stays queued\n',
    });
    expect(server.transactions).toHaveLength(0);
    await server.close();
  });

  it('beyond filter.max_message_size is refused for good', async () => {
    const server = await startFakeLmtp();
    const config = bed.configure(`filter.max_message_size = "1MB"\n${listenerConfig(server.address)}`);
    const run = await runPipe(bed, {
      args: ['--config', config, '-f', '', '--', 'b@example.net'],
      message: Buffer.alloc(1_000_001, 'x\n'),
    });
    expect(run).toMatchObject({
      exit: 69,
      output: '5.3.4 the message is larger than filter.max_message_size\n',
    });
    expect(server.transactions).toHaveLength(0);
    await server.close();
  });
});

describe('whatever happens to the process', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s in the middle is 75', async (signal) => {
    const server = await startFakeLmtp({ hangAt: 'message' });
    const args = ['--config', bed.configure(listenerConfig(server.address)), '-f', '', '--', 'b@example.net'];
    const run = await runPipe(bed, {
      args,
      message: MESSAGE,
      running: (kill) => void server.inMessage.then(() => kill(signal)),
    });
    expect(run).toEqual({
      exit: 75,
      signal: null,
      output: `4.3.0 stopped by ${signal}; the mail stays queued\n`,
    });
    await server.close();
  });

  it('a closed standard output changes nothing', async () => {
    const server = await startFakeLmtp({ final: () => '550 5.1.1 User unknown' });
    const args = ['--config', bed.configure(listenerConfig(server.address)), '-f', '', '--', 'b@example.net'];
    expect((await runPipe(bed, { args, message: MESSAGE, deaf: true })).exit).toBe(67);
    await server.close();
  });

  it('a machine without Node.js on the PATH is 75', () => {
    const text = spawnSync('/bin/sed', ['2s#PATH=[^;]*;#PATH=/nonexistent;#', bed.program]).stdout;
    const program = join(bed.directory, 'no-node');
    writeFileSync(program, text);
    chmodSync(program, 0o755);
    const run = spawnSync(program, ['-f', '', '--', 'b@example.net'], { input: MESSAGE, encoding: 'utf8' });
    expect({ exit: run.status, output: run.stdout + run.stderr }).toEqual({
      exit: 75,
      output: '4.3.5 sealpost-pipe: Node.js (node) was not found on the PATH\n',
    });
  });

  it('Node.js warnings and debug variables do not come first', async () => {
    const config = bed.configure(listenerConfig('127.0.0.1:1'));
    const env = {
      NODE_OPTIONS: '--no-such-option',
      NODE_PENDING_DEPRECATION: '1',
      NODE_EXTRA_CA_CERTS: '/none',
    };
    const run = await runPipe(bed, {
      args: ['--config', config, '-f', '', '--', 'b@example.net'],
      message: MESSAGE,
      env,
    });
    expect(run.exit).toBe(75);
    expect(run.output).toMatch(/^4\.4\.1 sealpost serve cannot be reached/);
  });

  it('an address in another charset keeps its bytes', () => {
    const server = startFakeLmtp();
    return server.then(async (fake) => {
      const config = bed.configure(listenerConfig(fake.address));
      const script = `exec "$0" --config "$1" -f '' -- "$(printf 'j\\366rg')@example.net"`;
      const run = await runPipe(
        { ...bed, program: '/bin/sh' },
        { args: ['-c', script, bed.program, config], message: MESSAGE },
      );
      expect(run).toMatchObject({ exit: 0, output: '' });
      expect(fake.transactions[0]?.commands).toContain('RCPT TO:<j\u00f6rg@example.net>');
      await fake.close();
    });
  });

  it('the one file works alone, under a name without an ending', async () => {
    const server = await startFakeLmtp();
    const alone = join(bed.directory, 'alone');
    mkdirSync(alone);
    const program = join(alone, 'sealpost-pipe');
    copyFileSync(bed.program, program);
    const config = bed.configure(listenerConfig(server.address));
    const run = await runPipe(
      { ...bed, program },
      { args: ['--config', config, '-f', '', '--', 'b@example.net'], message: MESSAGE },
    );
    expect(run).toMatchObject({ exit: 0, output: '' });
    await server.close();
  });
});

describe('pipe.standalone and pipe.reinject = "sendmail" do the work in the process', () => {
  const standalone = (body: string): void => {
    mkdirSync(join(bed.directory, 'filters', 'pipe'), { recursive: true });
    writeFileSync(
      join(bed.directory, 'filters', 'pipe', 'standalone.js'),
      `export async function deliverStandalone(input) {${body}}`,
    );
  };
  const run = (toml: string) =>
    runPipe(bed, {
      args: [
        '--config',
        bed.configure(toml),
        '--queue-id',
        'Q1',
        '-f',
        'a@example.org',
        '--',
        'b@example.net',
        'c@example.net',
      ],
      message: MESSAGE,
    });

  it.each(['[pipe]\nstandalone = true\n', '[pipe]\nreinject = "sendmail"\n'])('%j', async (toml) => {
    standalone('return { code: 250, enhanced: "2.0.0", text: "ok" };');
    expect(await run(toml)).toMatchObject({ exit: 0, output: '' });
  });

  it.each([
    ['a refusal', 'return { code: 550, enhanced: "5.7.1", text: "no key" }', 69, '5.7.1 no key'],
    ['a temporary failure', 'return { code: 451, enhanced: "4.7.5", text: "not now" }', 75, '4.7.5 not now'],
    [
      'a bad configuration',
      'const e = new Error("encryption.style"); e.name = "ConfigError"; throw e',
      75,
      '4.3.5 sealpost.toml is wrong; see "sealpost config check"',
    ],
    [
      'no database',
      'const e = new Error("x"); e.name = "DatabaseUnavailable"; throw e',
      75,
      '4.3.0 the database cannot be reached; see "sealpost status"',
    ],
    [
      'an exception',
      'throw new TypeError("b@example.net is undefined")',
      75,
      '4.3.0 internal error (TypeError); see the log of sealpost',
    ],
    [
      'an exception out of nowhere',
      'setTimeout(() => { throw new RangeError("x") }); await new Promise(() => {})',
      75,
      '4.3.0 internal error (RangeError); see the log of sealpost',
    ],
    [
      'a rejection that nobody handles',
      'Promise.reject(new Error("x")); await new Promise(() => {})',
      75,
      '4.3.0 internal error (Error); see the log of sealpost',
    ],
    [
      'a Node.js warning',
      'process.emitWarning("x", "DeprecationWarning"); await new Promise((r) => setTimeout(r, 20)); return { code: 550, enhanced: "5.7.1", text: "no" }',
      69,
      '5.7.1 no',
    ],
  ])('%s', async (_, body, exit, output) => {
    standalone(body);
    expect(await run('[pipe]\nstandalone = true\n')).toMatchObject({ exit, output: `${output}\n` });
  });

  it('gives the engine the whole call, with CRLF line ends and a deadline before our own', async () => {
    standalone(
      'return { code: 550, enhanced: "5.0.0", text: JSON.stringify([input.queueId, input.sender, input.recipients.length, input.message.toString(), Math.round((input.deadline - Date.now()) / 1000)]) }',
    );
    const { output } = await run('[pipe]\nstandalone = true\ndeadline = "100s"\n');
    const [left, ...call] = JSON.parse(output.replace('5.0.0 ', '').replace('(address)', 'a')).reverse();
    expect(call.reverse()).toEqual(['Q1', expect.anything(), 2, MESSAGE.replaceAll('\n', '\r\n')]);
    // What it took to start is gone from it already.
    expect(left).toBeLessThanOrEqual(95);
    expect(left).toBeGreaterThan(65);
  });
});
