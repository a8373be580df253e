// The lookups on a stock Debian "Internet Site", by nothing but the commands of postfix-examples/lookups/README.md: its debconf
// puts the mail name into mydestination, and there are no virtual mailboxes.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mustRun } from '../support/child.ts';
import {
  allocatePlaces,
  exampleFile,
  exampleSubstitutions,
  freePorts,
  type Places,
} from '../support/places.ts';
import { type PrivatePostfix, startPostfix } from '../support/private-postfix.ts';
import { sendRoadMail } from '../support/roads-smtp.ts';
import { createSealpost, type SealpostProcess } from '../support/sealpost-process.ts';
import { type Sink, startSink } from '../support/sink.ts';

/** What debconf asks, with example.org as the mail name (postfix.config and postfix.postinst of Debian 12 and 13). */
const INTERNET_SITE = {
  biff: 'no',
  append_dot_mydomain: 'no',
  smtpd_relay_restrictions: 'permit_mynetworks permit_sasl_authenticated defer_unauth_destination',
  myhostname: 'mx.example.org',
  mydomain: 'example.org',
  myorigin: 'example.org',
  mydestination: '$myhostname, example.org, mx.example.org, localhost.example.org, localhost',
  mynetworks: '127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128',
  mailbox_size_limit: '0',
  recipient_delimiter: '+',
  // Debian leaves these to Postfix.
  virtual_mailbox_domains: '$virtual_mailbox_maps',
  virtual_mailbox_maps: '',
  virtual_transport: 'virtual',
  local_recipient_maps: 'proxy:unix:passwd.byname $alias_maps',
};

let places: Places;
let sealpost: SealpostProcess;
let postfix: PrivatePostfix;
let store: Sink;
let readme: string;
const closing: (() => Promise<unknown>)[] = [];

/** Runs a command of the README: the first code span behind `words` that begins as a command of that program does. */
async function follow(words: string, program: string): Promise<void> {
  const after = readme.split(words)[1] ?? '';
  const command = new RegExp(`\`(${program}[^\`]+)\``).exec(after)?.[1];
  if (command === undefined) throw new Error(`README has no ${program} behind "${words}"`);
  const { stderr } = await mustRun('bash', ['-c', command], {
    cwd: join(places.dir, 'lookups'),
    env: { MAIL_CONFIG: postfix.configDir },
  });
  expect(stderr.toString()).not.toMatch(/warning|error|fatal/);
}

const send = (recipient: string) =>
  sendRoadMail({
    port: postfix.submitPort,
    sender: 'sender@outside.test',
    recipients: [recipient],
    message: `Subject: for ${recipient}\r\n\r\ntext\r\n`,
  });

beforeAll(async () => {
  places = await allocatePlaces();
  closing.push(() => places.remove());
  const [check = 0, alias = 0, certificate = 0] = await freePorts(3);
  const substitutions = exampleSubstitutions(places, {
    2244: String(check),
    4242: String(alias),
    2424: String(certificate),
  });
  sealpost = await createSealpost({
    places,
    example: 'lookups',
    substitutions,
    config: {
      filter: { listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` }] },
    },
  });
  closing.push(() => sealpost.close());
  await sealpost.start();
  await sealpost.must(['domain', 'add', 'example.org']);
  await sealpost.must(['user', 'add', 'alice@example.org']);
  await sealpost.must(['alias', 'add', 'root@example.org', 'alice@example.org']);
  postfix = await startPostfix({
    places,
    example: null,
    substitutions,
    mailboxes: 'error:nothing leaves this machine',
    site: INTERNET_SITE,
  });
  closing.push(() => postfix.stop());
  store = await startSink({
    protocol: 'lmtp',
    listen: { path: join(places.dir, 'postfix/spool/private/dovecot-lmtp') },
  });
  closing.push(() => store.stop());
  const folder = join(places.dir, 'lookups');
  await mkdir(folder);
  for (const name of ['main.cf', 'README.md'])
    await writeFile(join(folder, name), await exampleFile('lookups', name, substitutions));
  readme = await readFile(join(folder, 'README.md'), 'utf8');
});

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

describe('the lookups on a Debian "Internet Site"', () => {
  it('deliver to who is in the directory, and refuse the rest, after the steps of README', async () => {
    await follow('Say where the mailboxes are', 'postconf');
    await follow('Take the domain out', 'postconf');
    await follow('Apply', 'grep');
    expect((await send('alice@example.org')).end).toMatch(/^250/);
    expect((await send('Alice+lists@example.org')).end).toMatch(/^250/);
    expect((await send('nobody@example.org')).end).toMatch(/^554 5\.1\.1/);
    await mustRun('sendmail', ['-f', 'root', 'root'], {
      stdin: 'Subject: from cron\n\ntext\n',
      env: { MAIL_CONFIG: postfix.configDir },
    });
    await postfix.waitForEmptyQueue(60_000);
    expect(store.deliveries().map(({ recipient }) => recipient)).toEqual([
      'id_1@example.org',
      'id_1@example.org',
      'id_1@example.org',
    ]);
    expect(await postfix.log()).not.toMatch(/do not list domain|warning: [^\n]*virtual/);
  });
});
