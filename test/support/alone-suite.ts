// Every command without its database, without its configuration, and with a state_dir on a full disk: it does what it can, says
// in a sentence what it could not do, and ends with the exit code for that.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS, createProgram } from '../../src/cli/program.ts';
import {
  COMMON,
  call,
  deadPort,
  folder,
  full,
  inFolder,
  nameOf,
  ONE_SENTENCE,
  oneOf,
  problemsOf,
  unmounted,
  useScratch,
  WITH_STATE,
  write,
} from './alone-stand.ts';
import { EVERY_CALL, leavesOf } from './every-command.ts';
import { skipFor } from './needs.ts';
import { openTrial, type Trial } from './trial.ts';

function theTable(): void {
  it('every command stands in the table', async () => {
    const programs = await Promise.all([...COMMANDS.keys()].map((name) => createProgram(name)));
    const leaves = programs.flatMap(({ commands }) => leavesOf(commands));
    const called = EVERY_CALL.map(nameOf);
    const missing = leaves.filter(
      (leaf) => !called.some((line) => line === leaf || line.startsWith(`${leaf} `)),
    );
    // It has no end; it waits for its database (test/e2e/serve.test.ts), and its configuration is tried below.
    expect(missing).toEqual(['serve']);
  });
}

/** @param every one of so many commands where all fail alike */
function withoutDatabase(every: number): void {
  describe('without a database', () => {
    const places = (): readonly (readonly [string, string])[] => [
      [`postgres://sealpost@127.0.0.1:${deadPort}/sealpost`, `127.0.0.1:${deadPort}`],
      [`postgres://sealpost@${encodeURIComponent(join(folder, 'nowhere'))}/sealpost`, 'nowhere'],
    ];

    it.each([
      ['a port that nobody listens on', 0, 1],
      ['a socket that is not there', 1, every],
    ] as const)(
      'at %s: what needs one says which, and how to mend it, with exit 75',
      async (_name, index, each) => {
        const [url = '', shown = ''] = places()[index] ?? [];
        const config = write(
          `away-${index}.toml`,
          `state_dir = "state"\n[database]\nurl = "${url}"\n${COMMON}`,
        );
        const away = new RegExp(`the database at .*${shown}.* cannot be reached: .+; check database\\.url`);
        const problems = await problemsOf(
          config,
          ({ needs, code = 0 }) => (needs === 'database' ? { code: 75, says: away } : { code, says: null }),
          oneOf(each),
        );
        expect(problems).toEqual([]);
      },
    );

    it('a program gets the sentence and the exit code as JSON', async () => {
      const config = write('away-json.toml', `[database]\nurl = "${places()[0]?.[0]}"\n`);
      const said = await call({ words: ['user', 'list'], needs: 'database' }, config, '--json');
      expect([said.code, JSON.parse(said.out)]).toEqual([
        75,
        { error: expect.stringContaining('cannot be reached'), exit_code: 75 },
      ]);
    });

    it('status and doctor say what they could not look at', async () => {
      const config = write('away-status.toml', `[database]\nurl = "${places()[0]?.[0]}"\n`);
      const status = await call({ words: ['status'], needs: 'configuration' }, config);
      expect(status.out).toMatch(
        new RegExp(`no serve answers[\\s\\S]*what it holds is not known: .*${deadPort}`),
      );
      const doctor = await call({ words: ['doctor', '--config-dir', 'DIR/none'], needs: 'nothing' }, config);
      expect(doctor.out).toMatch(new RegExp(`ERROR +database_reachable: .*${deadPort}`));
    });
  });
}

/** @param every one of so many commands where all fail alike */
function withoutConfiguration(every: number): void {
  describe('without a configuration that can be read', () => {
    it.each([
      [
        'a file that is not there',
        1,
        () => join(folder, 'missing.toml'),
        /missing\.toml: found no such file; expected /,
      ],
      [
        'a folder',
        every,
        () => inFolder('folder.toml'),
        /: found a directory; expected a TOML file; "sealpost config describe"/,
      ],
      [
        'a file that is no TOML',
        every,
        () => write('broken.toml', 'hostname = \n'),
        /broken\.toml: .*found .+; expected .+; "sealpost config describe"/,
      ],
      [
        'a wrong value',
        every,
        () => write('wrong.toml', 'hostname = 7\n'),
        /wrong\.toml: hostname: found 7; expected .+; "sealpost config describe"/,
      ],
    ] as const)(
      '%s: what needs one names file, finding and help, with exit 1',
      async (_name, share, make, says) => {
        const config = make();
        // What reads it, writes it or mends it by itself: below, and in test/e2e/init.test.ts.
        const own: readonly string[] = ['config check', 'config set', 'init --no-input'];
        const problems = await problemsOf(
          config,
          ({ needs, code = 0 }) => (needs === 'nothing' ? { code, says: null } : { code: 1, says }),
          oneOf(share).filter((one) => !own.some((line) => nameOf(one).startsWith(line))),
        );
        expect(problems).toEqual([]);
      },
    );

    it('serve ends with the same sentence, and config check names every error', async () => {
      const config = join(folder, 'missing.toml');
      const says = /^sealpost: \S+missing\.toml: found no such file; expected .*"sealpost init" writes one/;
      expect(await call({ words: ['serve'], needs: 'database' }, config)).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringMatching(says),
      });
      const doctor = await call({ words: ['doctor', '--config-dir', 'DIR/none'], needs: 'nothing' }, config);
      expect(doctor).toMatchObject({
        code: 2,
        out: expect.stringMatching(/ERROR +config_valid: \S+missing\.toml: /),
      });
      expect(await call({ words: ['config', 'check'], needs: 'configuration' }, config)).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringMatching(says),
      });
    });
  });
}

/** @param every one of so many commands where all fail alike */
function onFullDisk(every: number): void {
  describe('with state_dir on a full disk', () => {
    let trial: Trial;
    beforeAll(async () => {
      trial = await openTrial([]);
    }, 60_000);
    afterAll(() => trial?.close());

    it('what needs the embedded database says that there is no room, with exit 75', async (context) => {
      skipFor(context, unmounted);
      const config = write('full-embedded.toml', `state_dir = "${full}/state"\n${COMMON}`);
      const says = new RegExp(`below ${full}/state.* cannot be used: .*no space left.*; make room`, 'i');
      const problems = await problemsOf(
        config,
        ({ needs, code = 0 }) => (needs === 'database' ? { code: 75, says } : { code, says: null }),
        oneOf(every),
      );
      expect(problems).toEqual([]);
    });

    it('what needs a database elsewhere works', async (context) => {
      skipFor(context, unmounted);
      const { host, user, database } = trial.database.pool.options as {
        readonly host: string;
        readonly user: string;
        readonly database: string;
      };
      const url = `postgres://${user}@${encodeURIComponent(host)}/${database}`;
      const config = write('full.toml', `state_dir = "${full}/state"\n[database]\nurl = "${url}"\n${COMMON}`);
      const calls =
        every === 1 ? EVERY_CALL : EVERY_CALL.filter(({ words }) => WITH_STATE.has(words[0] ?? ''));
      const problems = await problemsOf(config, ({ code = 0 }) => ({ code, says: null }), calls);
      expect(problems).toEqual([]);
    });

    it('what writes a file there says so, and leaves nothing half done', async (context) => {
      skipFor(context, unmounted);
      const config = join(full, 'new', 'sealpost.toml');
      const said = await call({ words: ['init', '--no-input'], needs: 'nothing' }, config);
      expect(said).toMatchObject({ code: 1, out: '', err: expect.stringMatching(ONE_SENTENCE) });
      expect(said.err).toMatch(/cannot write .*no space left.*--dir/i);
    });
  });
}

/**
 * Registers the tests.
 * @param every 1: every command in every state; else every command without a database and without a file, and one of so many in
 *   the others
 */
export function describeAlone(every: number): void {
  useScratch();
  theTable();
  withoutDatabase(every);
  withoutConfiguration(every);
  onFullDisk(every);
}
