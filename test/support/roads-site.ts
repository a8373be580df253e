// The mail server that the roads lead through: a stock Debian "Internet Site" with virtual mailboxes, Unix accounts, aliases,
// .forward files, carbon copies and overrides, whose every mailbox belongs to somebody with a key.
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from './child.ts';

/** Domain of the virtual mailboxes. */
export const VIRTUAL = 'seal.test';
/** Another one, which transport_maps send to virtual(8) past every wiring. */
export const OVERRIDDEN = 'override.test';
/** Domain of the Unix accounts, $myorigin; the names of the machine are others of it. */
export const LOCAL = 'local.test';
/** A virtual alias domain: nobody's mailbox is in it. */
export const ALIASED = 'alias.test';
export const HOST = 'mx.sealpost.test';

const names = (domain: string, ...locals: readonly string[]) => locals.map((local) => `${local}@${domain}`);

/** Who has a virtual mailbox. */
export const VIRTUAL_USERS: readonly string[] = [
  ...names(VIRTUAL, 'alice', 'bob', 'susan', 'weiss', 'office', 'kate', 'archive', 'peruser'),
  `ovid@${OVERRIDDEN}`,
];
/** Who has a Unix account: those of every Debian machine. */
export const LOCAL_USERS: readonly string[] = names(
  LOCAL,
  ...['news', 'games', 'man', 'mail', 'lp', 'uucp', 'list', 'proxy', 'backup', 'irc'],
);
export const USERS = [...VIRTUAL_USERS, ...LOCAL_USERS];

/** Whose mail the site sends past every wiring: by transport_maps, mailbox_transport_maps, or to a program or file in .forward. */
export const UNSEEN_USERS: readonly string[] = [
  `ovid@${OVERRIDDEN}`,
  `peruser@${VIRTUAL}`,
  ...names(LOCAL, 'uucp', 'list', 'proxy'),
];
/** Whose .forward names somebody else, who reads what is sealed for them in a gateway's wiring. */
export const FORWARDING_USERS: readonly string[] = names(LOCAL, 'games', 'man');

/** Where the site keeps what. */
export interface Site {
  readonly dir: string;
  /** Maildirs, `domain/local/`. */
  readonly vmail: string;
  /** mbox files, one for each account. */
  readonly spool: string;
  /** What programs and files named in aliases got. */
  readonly written: string;
  /** For main.cf, below the example's. */
  readonly mainCf: Readonly<Record<string, string>>;
}

export interface SitePorts {
  /** A server outside that takes mail, and refuses recipients that begin with "refused". */
  readonly outside: number;
  /** A mail store that nobody seals for, LMTP. */
  readonly other: number;
}

/** Makes the site's files. */
export async function makeSite(dir: string, ports: SitePorts): Promise<Site> {
  const paths = {
    vmail: join(dir, 'vmail'),
    spool: join(dir, 'mail'),
    written: join(dir, 'written'),
    forward: join(dir, 'forward'),
  };
  for (const path of Object.values(paths)) await mkdir(path);
  await chown(paths.vmail, NOBODY, NOBODY);
  for (const path of [paths.written, paths.spool]) await chmod(path, 0o1777);
  await writeForwards(paths.forward, paths.written);
  const table = async (name: string, lines: Readonly<Record<string, string>>): Promise<string> => {
    const path = join(dir, name);
    const separator = name === 'aliases' ? ': ' : ' ';
    await writeFile(
      path,
      Object.entries(lines)
        .map(([key, value]) => `${key}${separator}${value}\n`)
        .join(''),
    );
    await mustRun(name === 'aliases' ? 'postalias' : 'postmap', [`hash:${path}`], {
      env: { MAIL_CONFIG: await emptyConfig(dir) },
    });
    return `hash:${path}`;
  };
  const included = join(dir, 'included');
  await writeFile(included, `news\nalice@${VIRTUAL}\n`);
  const mainCf = {
    mydestination: `$myhostname, ${LOCAL}, localhost.$mydomain, localhost`,
    myorigin: LOCAL,
    mydomain: 'sealpost.test',
    local_recipient_maps: 'proxy:unix:passwd.byname $alias_maps',
    alias_maps: await table('aliases', {
      postmaster: 'mail',
      team: 'news, lp',
      boss: `alice@${VIRTUAL}`,
      chain: 'team',
      included: `:include:${included}`,
      extended: 'news+reports',
      crew: 'refused-crew@outside.test',
      'owner-crew': 'lp',
      piped: `"|cat >> ${join(paths.written, 'piped')}"`,
      filed: join(paths.written, 'filed'),
    }),
    recipient_delimiter: '+',
    forward_path: join(paths.forward, '$user'),
    mail_spool_directory: paths.spool,
    mailbox_size_limit: '0',
    luser_relay: 'news',
    virtual_mailbox_domains: `${VIRTUAL}, ${OVERRIDDEN}`,
    virtual_mailbox_base: paths.vmail,
    virtual_mailbox_maps: await table(
      'vmailbox',
      Object.fromEntries(VIRTUAL_USERS.map((user) => [user, `${user.split('@').reverse().join('/')}/`])),
    ),
    virtual_uid_maps: `static:${NOBODY}`,
    virtual_gid_maps: `static:${NOBODY}`,
    virtual_transport: 'virtual',
    virtual_alias_domains: ALIASED,
    virtual_alias_maps: await table('virtual', {
      [`info@${VIRTUAL}`]: `alice@${VIRTUAL}`,
      [`pair@${VIRTUAL}`]: `alice@${VIRTUAL}, bob@${VIRTUAL}`,
      [`twice@${VIRTUAL}`]: `info@${VIRTUAL}, alice@${VIRTUAL}`,
      [`webmaster@${VIRTUAL}`]: 'news@localhost',
      [`sales@${ALIASED}`]: `bob@${VIRTUAL}`,
      [`@${ALIASED}`]: `alice@${VIRTUAL}`,
    }),
    recipient_canonical_maps: await table('canonical', { [`old@${VIRTUAL}`]: `alice@${VIRTUAL}` }),
    sender_bcc_maps: await table('sender-bcc', { 'watched@outside.test': `archive@${VIRTUAL}` }),
    recipient_bcc_maps: await table('recipient-bcc', { [`kate@${VIRTUAL}`]: `archive@${VIRTUAL}` }),
    transport_maps: await table('transport', {
      [OVERRIDDEN]: 'virtual:',
      [`peruser@${VIRTUAL}`]: 'virtual:',
    }),
    mailbox_transport_maps: await table('mailbox-transport', { uucp: `lmtp:inet:127.0.0.1:${ports.other}` }),
    default_transport: `smtp:[127.0.0.1]:${ports.outside}`,
    relay_transport: `smtp:[127.0.0.1]:${ports.outside}`,
    notify_classes: 'resource, software, 2bounce',
    // What is deferred stays so, and is looked at in the queue.
    queue_run_delay: '300s',
    minimal_backoff_time: '300s',
    maximal_backoff_time: '300s',
    address_verify_negative_cache: 'yes',
    address_verify_map: `btree:${join(dir, 'verified')}`,
    address_verify_poll_count: '5',
  };

  return { dir, ...paths, mainCf };
}

export const NOBODY = 65534;

/** postmap(1) wants a main.cf, and the machine's may be missing. */
async function emptyConfig(dir: string): Promise<string> {
  const config = join(dir, 'empty');
  await mkdir(config, { recursive: true });
  await writeFile(join(config, 'main.cf'), 'compatibility_level = 3.6\n');
  return config;
}

async function writeForwards(folder: string, written: string): Promise<void> {
  const forwards: Readonly<Record<string, string>> = {
    games: `\\games, alice@${VIRTUAL}`,
    man: 'news@localhost',
    list: `"|cat >> ${join(written, 'forward-piped')}"`,
    proxy: join(written, 'forward-filed'),
  };
  for (const [user, text] of Object.entries(forwards)) {
    const path = join(folder, user);
    await writeFile(path, `${text}\n`, { mode: 0o644 });
    const { stdout } = await mustRun('id', ['-u', user]);
    await chown(path, Number(stdout.toString('utf8')), 0);
  }
}

/** Full case folding as far as the roads need it, and names of the machine for those of {@link LOCAL}. */
export function mailboxOf(path: string): string | undefined {
  const folded = path.normalize('NFKC').toLowerCase().replaceAll('\u00df', 'ss').replaceAll('"', '');
  const at = folded.lastIndexOf('@');
  const local = (at === -1 ? folded : folded.slice(0, at)).split('+')[0] ?? '';
  const domain = at === -1 ? LOCAL : folded.slice(at + 1).replace(/\.$/, '');
  const own = [HOST, LOCAL, 'localhost.sealpost.test', 'localhost', '[127.0.0.1]'].includes(domain);
  return USERS.find((user) => user === `${local}@${own ? LOCAL : domain}`);
}
