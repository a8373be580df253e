// One wiring with the programs of docs/dkim-and-spam.md around it: their blocks are run as they stand on the page, with this site's
// ports, folders and domain in them.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun, waitUntil } from './child.ts';
import { makeKey, openpgpDecrypt, type TestKey } from './keys.ts';
import { ALICE, BOB, DOMAIN, type MailSystem, startMailSystem, TEAM, type Wiring } from './mail-system.ts';
import { mergeMasterCf, parseMasterCf } from './master-cf.ts';
import { need } from './needs.ts';
import { blocksOf, readPage } from './page-blocks.ts';
import { exampleFile, freePorts, type Substitutions, substitute } from './places.ts';
import type { KeyRecord } from './signers-daemons.ts';
import { sendRaw } from './submit.ts';
import { fieldValues, splitMessage, unsealAndCompare } from './unseal.ts';

need('opendkim-tools', 'python3-dkim');

/** Debian's, which has python3-dkim; another one may come first in the path. */
const PYTHON = '/usr/bin/python3';
const PATIENCE = 60_000;

export const BLOCKS = blocksOf(readPage('dkim-and-spam.md'));
export const OUTSIDE = 'outside.test';
/** Somebody elsewhere who has a key, and somebody who has none. */
export const FRIEND = `friend@${OUTSIDE}`;
export const STRANGER = `stranger@${OUTSIDE}`;
/** An alias of ours that leads to STRANGER. */
export const AWAY = `away@${DOMAIN}`;
/** A client of no network of ours. */
const ELSEWHERE = 'ADDR=192.0.2.7';

/** Folders, ports and keys that the programs beside a wiring share. */
export interface Bench {
  readonly dir: string;
  /** By the port that stands on the page. */
  readonly ports: ReadonlyMap<string, number>;
  /** What the page's blocks have in place of their ports, folders and names. */
  readonly table: Substitutions;
  /** Public keys of our domain and of OUTSIDE's. */
  readonly records: readonly KeyRecord[];
  remove(): Promise<void>;
}

const PAGE_PORTS = [
  ...['8891', '8892', '11332', '11333', '11334'],
  ...['10024', '10025', '10044', '10046', 'submission'],
];

/** Makes the folder, and the keys by the page's own command. */
export async function makeBench(): Promise<Bench> {
  const dir = await mkdtemp(join(tmpdir(), 'dk-'));
  await chmod(dir, 0o755);
  const free = await freePorts(PAGE_PORTS.length);
  const ports = new Map(PAGE_PORTS.map((name, index) => [name, free[index] ?? 0]));
  const keys = join(dir, 'keys');
  const own = PAGE_PORTS.filter((name) => name !== 'submission').map((name) => [
    name,
    String(ports.get(name)),
  ]);
  const table: Substitutions = {
    ...Object.fromEntries(own),
    'submission/inet': `127.0.0.1:${ports.get('submission')}/inet`,
    'example.org': DOMAIN,
    '/etc/dkimkeys': keys,
    '/var/lib/rspamd/dkim': join(dir, 'rspamd-keys'),
  };
  await mkdir(keys);
  await mustRun('sh', ['-e', '-c', textOf('opendkim-key', table)]);
  await mustRun('opendkim-genkey', ['-D', keys, '-d', OUTSIDE, '-s', 'out', '-b', '2048']);
  const records = await Promise.all([recordOf(keys, 'mail', DOMAIN), recordOf(keys, 'out', OUTSIDE)]);
  return { dir, ports, table, records, remove: () => rm(dir, { recursive: true, force: true }) };
}

async function recordOf(keys: string, selector: string, domain: string): Promise<KeyRecord> {
  const file = await readFile(join(keys, `${selector}.txt`), 'latin1');
  const text = [...file.matchAll(/"([^"]*)"/g)].map(([, part]) => part).join('');
  return { name: `${selector}._domainkey.${domain}`, text: text.replaceAll(/\s+/g, ' ') };
}

/** A block of the page with a site's own values in it. @throws an Error when the page has no such block */
export function textOf(block: string, table: Substitutions): string {
  const text = BLOCKS.get(block);
  if (text === undefined) throw new Error(`docs/dkim-and-spam.md has no block ${block}`);
  return substitute(text, table);
}

/** One letter on its way. */
export interface Letter {
  readonly from: string;
  readonly to: string;
  /** One word, which is its Message-ID, too. */
  readonly name: string;
  readonly text?: string;
}

/** Written today, since spam filters look at that. */
export function messageOf({ from, to, name, text = 'Meet me at the old mill.' }: Letter): Buffer {
  const fields = [`From: <${from}>`, `To: <${to}>`, `Subject: ${name}`, `Message-ID: <${name}@letters.test>`];
  const date = `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`;
  return Buffer.from(`${[...fields, date].join('\r\n')}\r\n\r\n${text}\r\n`);
}

const SIGN = `
import dkim, sys
message = sys.stdin.buffer.read()
fields = [b'from', b'to', b'subject', b'date', b'message-id']
key = open(sys.argv[1], 'rb').read()
sys.stdout.buffer.write(dkim.sign(message, b'out', sys.argv[2].encode(), key, include_headers=fields) + message)`;

/** As OUTSIDE's server would sign it. */
export async function signedOutside({ dir }: Bench, message: Buffer): Promise<Buffer> {
  const args = ['-c', SIGN, join(dir, 'keys', 'out.private'), OUTSIDE];
  return (await mustRun(PYTHON, args, { stdin: message })).stdout;
}

const VERIFY = `
import dkim, json, sys
records = json.loads(sys.argv[1])
find = lambda name, timeout=5: records[name.decode().rstrip('.')].encode()
print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=find))`;

/** Whether its topmost signature holds, by another program than the one that made it. */
export async function verifies({ records }: Bench, message: Buffer): Promise<boolean> {
  const keys = JSON.stringify(Object.fromEntries(records.map(({ name, text }) => [name, text])));
  return (
    (await mustRun(PYTHON, ['-c', VERIFY, keys], { stdin: message })).stdout.toString().trim() === 'True'
  );
}

export const field = (message: Buffer, name: string): string[] =>
  fieldValues(splitMessage(message).fields, name);

/** A mail system of one wiring, and what a test does with it. */
export interface Site {
  readonly system: MailSystem;
  readonly bench: Bench;
  /** Postfix as the wiring alone has it, before a block is run. */
  reset(): void;
  /** Runs a block of commands. */
  run(block: string): Promise<void>;
  /** Lays a block over master.cf. */
  master(block: string): void;
  /** Lays a service of another example over master.cf. @param name `service/type` */
  service(example: string, name: string): Promise<void>;
  /** Adds a block to sealpost.toml, and starts sealpost again. */
  configure(block: string, protocol: 'lmtp' | 'smtp'): Promise<void>;
  /** Changes Postfix as no block does, and reloads. */
  postconf(...args: readonly string[]): Promise<void>;
  /** Hands a letter in from this machine. @param port default: that of port 25 */
  fromUs(letter: Letter, port?: number): Promise<void>;
  /** By sendmail(1). */
  bySendmail(letter: Letter): Promise<void>;
  /** By a client of nobody we know. @returns the reply to the message */
  fromElsewhere(recipient: string, message: Buffer): Promise<string>;
  /** The one copy of a letter that comes to somebody. */
  arrives(recipient: string, name: string): Promise<Buffer>;
  /** The message that was sealed: the outer header without what sealing made, and what is inside. @throws unless it is sealed, and inside stands the body of `sent` */
  opened(recipient: string, sent: Buffer, arrived: Buffer): Promise<Buffer>;
  /** What doctor says: level and finding of a check. */
  doctor(code: string): Promise<{ readonly level: string; readonly found: string }>;
  close(): Promise<void>;
}

export async function startSite(wiring: Wiring, bench: Bench): Promise<Site> {
  const local: Readonly<Record<string, string>> =
    wiring.example === 'delivery-local' ? { mydestination: DOMAIN, virtual_mailbox_domains: '' } : {};
  const system = await startMailSystem(wiring, {
    // A session that is open keeps what its listener began with: here not for long.
    config: { filter: { next_hop_idle: '1s', next_hop_max_age: '1s' } },
    mainCf: {
      ...local,
      smtpd_authorized_xclient_hosts: '127.0.0.0/8',
      smtpd_relay_restrictions: 'permit_mynetworks, reject_unauth_destination',
      virtual_alias_maps: `inline:{ { ${TEAM} = ${ALICE}, ${BOB} }, { ${AWAY} = ${STRANGER} } }`,
    },
  });
  try {
    const friend = await makeKey(system.gpg, FRIEND);
    await system.sealpost.must(['key', 'import', '--for', FRIEND, '-'], friend.publicKey);
    return siteOf(system, bench, new Map([...system.keys, [FRIEND, friend]]));
  } catch (error) {
    await system.close();
    throw error;
  }
}

function siteOf(system: MailSystem, bench: Bench, keys: ReadonlyMap<string, TestKey>): Site {
  const { postfix, places, mailboxes } = system;
  const table: Substitutions = {
    ...bench.table,
    '10026': String(places.reinjectPort),
    'smtp/inet': `127.0.0.1:${places.submitPort}/inet`,
  };
  const [main, master] = ['main.cf', 'master.cf'].map((name) => join(postfix.configDir, name)) as [
    string,
    string,
  ];
  const [mainText, masterText] = [readFileSync(main), readFileSync(master)];
  const reloads = async () => (await postfix.log()).split(': reload -- ').length;
  const run = async (commands: string): Promise<void> => {
    const before = await reloads();
    await mustRun('sh', ['-e', '-c', commands], { env: { MAIL_CONFIG: postfix.configDir } });
    await waitUntil('Postfix to reload', PATIENCE, async () => (await reloads()) > before, postfix.log);
  };
  return {
    system,
    bench,
    reset: () => {
      writeFileSync(main, mainText);
      writeFileSync(master, masterText);
      mailboxes.clear();
    },
    run: (block) => run(textOf(block, table)),
    master: (block) =>
      writeFileSync(master, mergeMasterCf(readFileSync(master, 'utf8'), textOf(block, table))),
    service: async (example, name) => {
      const entries = parseMasterCf(await exampleFile(example, 'master.cf', table));
      const lines = entries.find((entry) => entry.name === name)?.lines ?? [];
      writeFileSync(master, mergeMasterCf(readFileSync(master, 'utf8'), lines.join('\n')));
    },
    configure: async (block, protocol) => {
      const text = textOf(block, table).replace('protocol = "lmtp"', `protocol = "${protocol}"`);
      appendFileSync(places.sealpostConfig, `\n${text}`);
      await system.sealpost.restart();
    },
    postconf: (...args) =>
      run(`postconf ${args.map((word) => `'${substitute(word, table)}'`).join(' ')}; postfix reload`),
    fromUs: async (letter, port = places.submitPort) => {
      const message = messageOf(letter);
      await sendRaw({ to: { port }, sender: letter.from, recipients: [letter.to], message });
    },
    bySendmail: async (letter) => {
      const message = messageOf(letter).toString().replaceAll('\r\n', '\n');
      await mustRun('sendmail', ['-i', '-f', letter.from, '--', letter.to], {
        stdin: message,
        env: { MAIL_CONFIG: postfix.configDir },
      });
    },
    fromElsewhere: async (recipient, message) => {
      const to = { port: places.submitPort };
      const mail = { to, sender: `carol@${OUTSIDE}`, recipients: [recipient], message };
      return (await sendRaw({ ...mail, xclient: ELSEWHERE })).join();
    },
    arrives: async (recipient, name) => {
      const copies = () =>
        mailboxes
          .deliveries()
          .filter(
            (each) => each.recipient === recipient && field(each.message, 'Message-ID').join().includes(name),
          );
      await waitUntil(
        `"${name}" for ${recipient}`,
        PATIENCE,
        () => copies().length > 0,
        async () => (await postfix.log()).slice(-6000),
      );
      await postfix.waitForEmptyQueue(PATIENCE);
      const [first, ...more] = copies();
      if (first === undefined || more.length > 0)
        throw new Error(`"${name}" came ${more.length + 1} times to ${recipient}`);
      return first.message;
    },
    opened: async (recipient, sent, arrived) => {
      const key = keys.get(recipient);
      if (key === undefined) throw new Error(`${recipient} has no key`);
      const { outer, body } = await unsealAndCompare(sent, arrived, openpgpDecrypt(key));
      const kept = outer.filter(({ name }) => !/^(?:content-|mime-version|sealpost-)/i.test(name));
      const head = kept.map(({ name, value }) => `${name}:${value}\r\n`).join('');
      return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), body]);
    },
    doctor: async (code) => {
      const { json } = await system.sealpost.cli(['doctor', '--json', '--config-dir', postfix.configDir]);
      const { checks } = json as {
        readonly checks: readonly {
          readonly code: string;
          readonly level: string;
          readonly found: string;
        }[];
      };
      const { level = '', found = '' } = checks.find((check) => check.code === code) ?? {};
      return { level, found };
    },
    close: () => system.close(),
  };
}
