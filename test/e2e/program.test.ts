// Every command as the program that an administrator calls: it ends by itself, with its exit code, and prints what it promises.
// Other tests run commands in their own process (test/support/command-line.ts).
import { generateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/program.ts';
import { allocatePlaces, exampleSubstitutions, freePorts, type Places } from '../support/places.ts';
import { createSealpost, type SealpostProcess } from '../support/sealpost-process.ts';

const ALICE = 'alice@example.org';

let places: Places;
let sealpost: SealpostProcess;
let publicKey: string;
let portal: string;

beforeAll(async () => {
  places = await allocatePlaces();
  const [portalPort = 0] = await freePorts(1);
  portal = `http://127.0.0.1:${portalPort}`;
  sealpost = await createSealpost({
    places,
    example: null,
    substitutions: exampleSubstitutions(places),
    commands: 'program',
    config: {
      portal: { listen: `127.0.0.1:${portalPort}`, url: portal },
      filter: {
        next_hop: `smtp:127.0.0.1:${places.reinjectPort}`,
        listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` }],
      },
    },
  });
  // Command `serve`: it runs while the others are called, and start() waits until it is ready.
  await sealpost.start();
  ({ publicKey } = await generateKey({ userIDs: [{ email: ALICE }], format: 'armored' }));
});
afterAll(async () => {
  await sealpost?.close();
  await places?.remove();
});

interface Call {
  readonly words: readonly string[];
  readonly stdin?: () => string;
  readonly code?: number;
  readonly says: RegExp;
}

/** In an order in which each finds what the ones before have made. */
const CALLS: Readonly<Record<string, readonly Call[]>> = {
  init: [{ words: ['init', '--json'], says: /"written": false[\s\S]*0000_tables/ }],
  migrate: [{ words: ['migrate', '--status'], says: /^applied {2}0000_/ }],
  config: [{ words: ['config', 'check'], says: /sealpost\.toml/ }],
  postfix: [{ words: ['postfix', 'show', 'none'], code: 1, says: /no wiring "none": choose one of/ }],
  domain: [
    { words: ['domain', 'add', 'example.org'], says: /example\.org/ },
    { words: ['domain', 'add', 'example.org'], code: 1, says: /example\.org/ },
  ],
  user: [{ words: ['user', 'add', ALICE], says: /alice@example\.org/ }],
  alias: [{ words: ['alias', 'add', 'team@example.org', ALICE], says: /team@example\.org/ }],
  key: [{ words: ['key', 'import', '-'], stdin: () => publicKey, says: /^added [0-9A-F]{40}/ }],
  rule: [
    { words: ['rule', 'add', ALICE, '--action', 'pass', '--sender', 'monitor.example'], says: /pass/ },
    { words: ['rule', 'add', ALICE, '--action', 'nothing'], code: 2, says: /--action/ },
  ],
  fingerprint: [{ words: ['fingerprint', 'list'], says: /^/ }],
  explain: [{ words: ['explain', ALICE], says: /decision +seal/ }],
  lookup: [
    { words: ['lookup', 'virtual_alias', ALICE], says: /id_1@example\.org/ },
    { words: ['lookup', 'virtual_alias', 'nobody@example.org'], code: 1, says: /not found/ },
  ],
  trace: [{ words: ['trace', 'nobody@example.org'], code: 1, says: /no event of .* mail log of Postfix/ }],
  encrypt: [
    {
      words: ['encrypt', '--to', ALICE],
      stdin: () => 'Subject: x\n\nbody\n',
      says: /-----BEGIN PGP MESSAGE-----/,
    },
  ],
  queue: [{ words: ['queue', 'list', ALICE, '--json'], says: /^\[\]/ }],
  token: [{ words: ['token', 'add', ALICE, '--json'], says: /"token": "/ }],
  notices: [{ words: ['notices', 'run'], code: 1, says: /notices\.administrator/ }],
  portal: [
    { words: ['portal', 'link', ALICE], says: /^http:\/\/127\.0\.0\.1:\d+\/sign-in\/[\w-]{43}\n/ },
    { words: ['portal', 'link', 'nobody@example.org'], code: 1, says: /leads to no single user/ },
  ],
  pull: [
    {
      words: ['pull', '--server', 'http://127.0.0.1:9', '--to', 'DIR/maildir', '--token-file', 'DIR/none'],
      code: 1,
      says: /DIR\/none|token/,
    },
  ],
  doctor: [
    {
      words: ['doctor', '--config-dir', 'DIR/none'],
      code: 2,
      says: /ERROR +postfix_found: [\s\S]*not looked at/,
    },
  ],
  import: [{ words: ['import', 'csv', 'DIR/none.csv'], code: 1, says: /none\.csv is not there/ }],
  sync: [
    {
      words: ['sync', 'postfixadmin', 'mysql://reader:x@127.0.0.1:9/postfix', '--once'],
      code: 75,
      says: /127\.0\.0\.1:9/,
    },
  ],
  backup: [{ words: ['backup', 'DIR/backup.tar'], says: /backup\.tar: users 1, keys 1, queued messages 0/ }],
  verify: [
    { words: ['verify', 'DIR/backup.tar'], says: /is whole/ },
    { words: ['verify', 'DIR/none.tar'], code: 1, says: /none\.tar/ },
  ],
  database: [{ words: ['database', 'accept'], code: 1, says: /nothing to accept/ }],
  restore: [
    { words: ['restore', 'DIR/backup.tar'], code: 1, says: /the database is not empty/ },
    { words: ['restore', '--accept'], code: 1, says: /nothing to accept/ },
    { words: ['restore'], code: 2, says: /neither a file nor --accept/ },
  ],
  status: [{ words: ['status', '--json'], says: /"running": true/ }],
  completion: [
    { words: ['completion', 'fish'], says: /complete -c sealpost/ },
    { words: ['completion', 'tcsh'], code: 2, says: /tcsh/ },
  ],
};

describe('the program', () => {
  it('is called here with every command that it has', () => {
    expect([...COMMANDS.keys()].filter((name) => name !== 'serve').sort()).toEqual(Object.keys(CALLS).sort());
  });

  it.each(Object.entries(CALLS))('%s', async (_name, calls) => {
    for (const { words, stdin, code = 0, says } of calls) {
      const args = words.map((word) => word.replace('DIR', places.dir));
      const done = await sealpost.program(args, stdin === undefined ? {} : { stdin: stdin() });
      const said = `${done.stdout.toString('latin1')}${done.stderr}`;
      expect({ code: done.code, said }, args.join(' ')).toEqual({ code, said: expect.stringMatching(says) });
    }
  });

  it('serves the portal: its pages, its style, and a link of support', async () => {
    const style = await fetch(`${portal}/portal.css`);
    expect([style.status, style.headers.get('content-type')]).toEqual([200, 'text/css; charset=utf-8']);
    expect(await (await fetch(portal, { headers: { 'accept-language': 'de' } })).text()).toContain(
      'Link zuschicken',
    );
    const { stdout } = await sealpost.program(['portal', 'link', ALICE, '--json']);
    const { url } = JSON.parse(stdout.toString()) as { readonly url: string };
    const page = await (await fetch(url)).text();
    expect(page).toContain('<form class="card" method="post" action="/sign-in/');
    expect(page).toContain(ALICE);
  });

  it('tells its version, and ends with 2 on a command that it does not have', async () => {
    expect((await sealpost.program(['--version'])).stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await sealpost.program(['nonsense'])).code).toBe(2);
  });
});
