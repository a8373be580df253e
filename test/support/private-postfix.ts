// A private Postfix on loopback ports with its own configuration, queue and data directories, wired by the very files of
// postfix-examples/ (postfix-facts.md, last section). Several run side by side. Needs root, as Postfix does.
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, waitUntil } from './child.ts';
import { mergeMasterCf, parseMainCf } from './master-cf.ts';
import { need } from './needs.ts';
import { exampleFile, type Places, type Substitutions } from './places.ts';

need('postfix', 'root');

export interface PostfixOptions {
  readonly places: Places;
  /** A folder of postfix-examples, or several, one laid over the other; null: mail goes straight to `mailboxes`. */
  readonly example: string | readonly string[] | null;
  /** What the site's main.cf says by itself: the example goes over it. */
  readonly site?: Readonly<Record<string, string>>;
  /** What stands in the example's files in place of the real ports, paths and users. */
  readonly substitutions: Substitutions;
  /** Final delivery, as a transport: `lmtp:inet:127.0.0.1:2003`. Also gets mail for all other domains. */
  readonly mailboxes: string;
  /** Virtual mailbox domains; every address in them exists. */
  readonly domains?: readonly string[];
  /** Virtual aliases. */
  readonly aliases?: Readonly<Record<string, readonly string[]>>;
  /** Wins over the example's. */
  readonly mainCf?: Readonly<Record<string, string>>;
  /** master.cf entries that win over the example's. */
  readonly masterCf?: string;
}

/** One message of `postqueue -j` (postqueue(1)). */
export interface QueuedMessage {
  readonly queue_name: string;
  readonly queue_id: string;
  readonly sender: string;
  readonly recipients: readonly { readonly address: string; readonly delay_reason?: string }[];
}

export interface PrivatePostfix {
  readonly configDir: string;
  /** The SMTP port that the test's mail is sent to. */
  readonly submitPort: number;
  /** The re-injection listener of the example. */
  readonly reinjectPort: number;
  queue(): Promise<QueuedMessage[]>;
  /** How many messages are queued, by their files: a question that costs no process. */
  queued(): Promise<number>;
  flush(): Promise<void>;
  /** @throws an Error that shows the queue and the log's end when it is not empty within `ms` */
  waitForEmptyQueue(ms: number): Promise<void>;
  /** The same, where the site has long waits between attempts: what was deferred is tried again as soon as all was tried. */
  empty(ms: number): Promise<void>;
  /** Waits until Postfix has tried everything: what is left is deferred, or on hold. @throws an Error as waitForEmptyQueue's */
  waitUntilTried(ms: number): Promise<void>;
  /** Throws away what is queued, so that one failed test does not fail the next ones. */
  discardQueue(): Promise<void>;
  log(): Promise<string>;
  /** Stops it by the pid of its own master; its files stay in the places' folder. */
  stop(): Promise<void>;
}

/** In the order in which a message goes through them (QSHAPE_README); of what is in the last two nobody takes care any more. */
const QUEUES = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'corrupt'] as const;

/** Those whose messages have not been tried yet, or are being tried. */
const UNTRIED = ['maildrop', 'incoming', 'active'] as const;

/** How often what was deferred is tried again. */
const FLUSH_EVERY_MS = 500;

const BASE_MASTER = `
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       2       1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
`;

function baseMainCf(options: PostfixOptions, root: string): Record<string, string> {
  const aliases = Object.entries(options.aliases ?? {});
  return {
    compatibility_level: '3.6',
    queue_directory: join(root, 'spool'),
    data_directory: join(root, 'data'),
    maillog_file: join(root, 'maillog'),
    maillog_file_prefixes: root,
    myhostname: 'mx.sealpost.test',
    mydomain: 'sealpost.test',
    myorigin: 'sealpost.test',
    mydestination: '',
    mynetworks: '127.0.0.0/8',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    alias_maps: '',
    alias_database: '',
    local_recipient_maps: '',
    disable_dns_lookups: 'yes',
    smtp_host_lookup: 'native',
    lmtp_host_lookup: 'native',
    smtpd_peername_lookup: 'no',
    smtpd_relay_restrictions: 'permit_mynetworks, reject',
    virtual_alias_domains: '',
    virtual_alias_maps:
      aliases.length === 0
        ? ''
        : `inline:{ ${aliases.map(([from, to]) => `{ ${from} = ${to.join(', ')} }`).join(', ')} }`,
    virtual_mailbox_domains: (options.domains ?? []).join(', '),
    virtual_mailbox_maps: 'static:all',
    virtual_transport: options.mailboxes,
    default_transport: options.mailboxes,
    // What is deferred is tried again at once (and qmgr looks at its incoming queue every 2 s, see BASE_MASTER), so that a test does not wait for minutes.
    queue_run_delay: '1s',
    minimal_backoff_time: '1s',
    maximal_backoff_time: '2s',
    transport_retry_time: '1s',
    in_flow_delay: '0',
    lmtp_connect_timeout: '5s',
    smtp_connect_timeout: '5s',
  };
}

/** Writes main.cf and master.cf of a new instance into `root`/etc, and makes its folders. */
async function writeConfiguration(options: PostfixOptions, root: string, configDir: string): Promise<void> {
  for (const dir of [root, configDir, join(root, 'spool'), join(root, 'data')]) {
    await mkdir(dir, { recursive: true });
    await chmod(dir, 0o755);
  }
  const { uid, gid } = await postfixUser();
  await chown(join(root, 'data'), uid, gid);
  const examples = typeof options.example === 'string' ? [options.example] : (options.example ?? []);
  const filesOf = (name: string) =>
    Promise.all(examples.map((example) => exampleFile(example, name, options.substitutions)));
  const mainCf = {
    ...baseMainCf(options, root),
    ...options.site,
    ...Object.fromEntries(parseMainCf((await filesOf('main.cf')).join('\n'))),
    ...options.mainCf,
  };
  const submit = `127.0.0.1:${options.places.submitPort} inet n - n - - smtpd`;
  const masterCf = mergeMasterCf(
    BASE_MASTER,
    submit,
    ...(await filesOf('master.cf')),
    options.masterCf ?? '',
  );
  await writeFile(
    join(configDir, 'main.cf'),
    Object.entries(mainCf)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join(''),
  );
  await writeFile(join(configDir, 'master.cf'), masterCf);
}

/** Starts the master daemon, and throws with its log when it ends with anything but 0. */
async function startMaster({ places }: PostfixOptions, root: string, configDir: string): Promise<void> {
  const output = join(root, 'start.log');
  // Not over pipes: the master daemon would hold them open.
  const code = await new Promise<number | null>((resolve, reject) => {
    const fd = openSync(output, 'a');
    const child = spawn('postfix', ['-c', configDir, 'start'], { stdio: ['ignore', fd, fd] });
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) {
    const said = `${await readFile(output, 'utf8')}\n${await logOf(root)}`;
    const hint = `is port ${places.submitPort} or ${places.reinjectPort} taken?`;
    throw new Error(`postfix start: exit ${code} (${hint})\n${said}`);
  }
}

/** What this Postfix has logged so far. */
function logOf(root: string): Promise<string> {
  return readFile(join(root, 'maillog'), 'utf8').catch(() => '');
}

/** Looks at the queue of an instance, and waits for it. */
function watchQueue(root: string, configDir: string) {
  const queue = async (): Promise<QueuedMessage[]> => {
    const { stdout } = await mustRun('postqueue', ['-c', configDir, '-j']);
    const lines = stdout.toString('utf8').split('\n');
    return lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as QueuedMessage);
  };
  const countIn = async (names: readonly string[]): Promise<number> => {
    let files = 0;
    for (const name of names) {
      const folder = join(root, 'spool', name);
      // Should it change while it is read, it is not empty.
      const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => null);
      files += found === null ? 1 : found.filter((entry) => entry.isFile()).length;
    }
    return files;
  };
  const queued = () => countIn(QUEUES);
  const flush = async (): Promise<void> => {
    await mustRun('postqueue', ['-c', configDir, '-f']);
  };
  const discardQueue = async (): Promise<void> => {
    if ((await queue()).length > 0) await mustRun('postsuper', ['-c', configDir, '-d', 'ALL']);
  };
  const waitUntilNone = async (
    what: string,
    names: readonly string[],
    ms: number,
    whileSome: () => Promise<void> = async () => undefined,
  ): Promise<void> => {
    let none = 0;
    const question = async () => {
      // A message that moves between two queues may be missed: ask more than once.
      none = (await countIn(names)) === 0 ? none + 1 : 0;
      if (none === 0) await whileSome();
      return none >= 3;
    };
    await waitUntil(what, ms, question, async () => {
      const shown = (await queue()).slice(0, 5).map((message) => JSON.stringify(message));
      return `${shown.join('\n')}\n${(await logOf(root)).split('\n').slice(-15).join('\n')}`;
    });
  };
  const waitForEmptyQueue = (ms: number) => waitUntilNone('an empty queue', QUEUES, ms);
  const empty = async (ms: number): Promise<void> => {
    let flushed = 0;
    await waitUntilNone('an empty queue', QUEUES, ms, async () => {
      if (Date.now() - flushed < FLUSH_EVERY_MS || (await countIn(UNTRIED)) > 0) return;
      await flush();
      flushed = Date.now();
    });
  };
  const waitUntilTried = (ms: number) => waitUntilNone('a queue where nothing is new', UNTRIED, ms);
  return { queue, queued, flush, empty, discardQueue, waitForEmptyQueue, waitUntilTried };
}

/** Writes the configuration, starts Postfix and waits until it answers on its submission port. */
export async function startPostfix(options: PostfixOptions): Promise<PrivatePostfix> {
  const { places } = options;
  const root = join(places.dir, 'postfix');
  const configDir = join(root, 'etc');
  const log = () => logOf(root);
  await writeConfiguration(options, root, configDir);
  await startMaster(options, root, configDir);
  const stop = async (): Promise<void> => {
    const pidFile = join(root, 'spool', 'pid', 'master.pid');
    const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).trim());
    if (!(pid > 1) || !isAlive(pid)) return;
    process.kill(pid, 'SIGTERM');
    await waitUntil(`Postfix's master (pid ${pid}) to end`, 10_000, () => !isAlive(pid));
  };
  await waitUntil(
    'Postfix to log that it started',
    10_000,
    async () => (await log()).includes('daemon started'),
    log,
  );
  return {
    configDir,
    submitPort: places.submitPort,
    reinjectPort: places.reinjectPort,
    ...watchQueue(root, configDir),
    log,
    stop,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function postfixUser(): Promise<{ uid: number; gid: number }> {
  const { stdout } = await mustRun('getent', ['passwd', 'postfix']);
  const [, , uid, gid] = stdout.toString('utf8').split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
