// What a command loads of the built program, and that Node.js has not to compile it.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import module from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../support/child.ts';
import { skipFor } from '../../support/needs.ts';
import { sealpostCommand } from '../../support/sealpost-process.ts';

const { args } = sealpostCommand();
const program = args.at(-1) ?? '';

function lacking(): string | null {
  if (!program.endsWith('.js')) return 'build: dist/ is missing or older than the sources';
  return 'enableCompileCache' in module
    ? 'Node.js 20: newer ones keep what they compiled by themselves'
    : null;
}

/** Runs in the program, before it, and writes down at its end what was loaded. */
const RECORDER = `
const vm = require('node:vm');
const compiled = {};
vm.Script = class extends vm.Script {
  constructor(text, options) {
    super(text, options);
    compiled[options.filename] = this.cachedDataRejected === false;
  }
};
process.on('exit', () => require('node:fs').writeFileSync(process.env.RECORD, JSON.stringify(
  { files: Object.keys(require.cache), compiled, builtin: process.moduleLoadList })));
`;

interface Recorded {
  readonly files: readonly string[];
  readonly compiled: Readonly<Record<string, boolean>>;
  readonly builtin: readonly string[];
}

let folder: string;

async function record(words: readonly string[]): Promise<Recorded & { readonly code: number | null }> {
  const { code } = await runProgram(
    process.execPath,
    ['--require', join(folder, 'recorder.cjs'), program, ...words],
    { env: { RECORD: join(folder, 'recorded.json') } },
  );
  const recorded = JSON.parse(readFileSync(join(folder, 'recorded.json'), 'utf8')) as Recorded;
  return { ...recorded, files: recorded.files.filter((file) => dirname(file) === dirname(program)), code };
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealpost-test-'));
  writeFileSync(join(folder, 'recorder.cjs'), RECORDER);
  writeFileSync(
    join(folder, 'sealpost.toml'),
    `state_dir = ${JSON.stringify(folder)}\n[database]\nurl = "postgres://nobody@127.0.0.1:1/none"\n`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach((context) => skipFor(context, lacking()));

describe('the built program', { tags: ['slow'] }, () => {
  it.each(['user list', 'key list alice@example.org', 'domain list'])(
    'runs "%s" as compiled when it was built, and loads what the question needs',
    async (words) => {
      const { code, files, compiled, builtin } = await record([
        ...words.split(' '),
        '--config',
        join(folder, 'sealpost.toml'),
      ]);
      // The database is away.
      expect(code).toBe(75);
      const others = files.filter((file) => file !== program);
      expect(others.filter((file) => compiled[file] !== true)).toEqual([]);
      expect(others.length).toBeLessThanOrEqual(12);
      // Without OpenPGP.js, fastify, mysql2, imapflow and serve.
      expect(others.reduce((sum, file) => sum + statSync(file).size, 0)).toBeLessThan(1_600_000);
      for (const name of ['tls', 'http', 'worker_threads', 'internal/deps/undici/undici'])
        expect(builtin).not.toContain(`NativeModule ${name}`);
    },
  );

  it('loads two files for --help', async () => {
    const { code, files, compiled } = await record(['--help']);
    expect(code).toBe(0);
    const others = files.filter((file) => file !== program);
    expect(others.map((file) => [basename(file), compiled[file]])).toEqual([
      [expect.stringMatching(/^core-/), true],
      [expect.stringMatching(/^chunk-/), true],
    ]);
  });
});
