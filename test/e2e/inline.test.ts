// The inline style and the header policies from the command line to other people's programs: GnuPG and Sequoia open every part, and
// what the README shows is what `sealpost encrypt` makes.
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FINGERPRINT, HOST, LETTER, README, withoutChance } from '../../docs/sealed-mail.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerEncrypt } from '../../src/cli/encrypt.ts';
import { registerExplain } from '../../src/cli/explain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { openEngine } from '../../src/delivery/engine.ts';
import { wholePlaintext } from '../../src/openpgp/types.ts';
import { createSealer, type Sealer } from '../../src/sealing/pool.ts';
import { sealInline } from '../../src/sealing/seal-inline.ts';
import { corpus, largeMessage } from '../fixtures/corpus.ts';
import { armorsIn, inUnixLines, OPTIONS, recordingEncrypt } from '../support/inline-support.ts';
import { createGpgHome, type GpgHome, openpgpDecrypt, sqDecrypt } from '../support/keys.ts';
import { type KeyKind, makeKey, type TestKey } from '../support/make-keys.ts';
import { listedHop, mail, openTrial, silent, type Trial, textOf } from '../support/trial.ts';

const KINDS: readonly KeyKind[] = ['rsa3072', 'p256'];

let dir: string;
let home: GpgHome;
let sealer: Sealer;
const keys = new Map<KeyKind, TestKey>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'inline-'));
  home = await createGpgHome();
  sealer = createSealer();
  for (const kind of KINDS) {
    const key = await makeKey(kind);
    keys.set(kind, key);
    const imported = await home.run(['--import'], key.secret.armor());
    if (imported.code !== 0) throw new Error(`gpg --import: ${imported.stderr}`);
  }
});

afterAll(async () => {
  await sealer?.close();
  await home?.close();
  await rm(dir, { recursive: true, force: true });
});

function key(kind: KeyKind): TestKey {
  const found = keys.get(kind);
  if (found === undefined) throw new Error(`no ${kind} key`);
  return found;
}

/** A word in a charset, and what it says. */
const TEXTS: readonly (readonly [charset: string, bytes: string, text: string])[] = [
  ['us-ascii', 'plain', 'plain'],
  ['utf-8', 'Gr\xc3\xbc\xc3\x9fe', 'Gr\u00fc\u00dfe'],
  ['iso-8859-1', 'Gr\xfc\xdfe', 'Gr\u00fc\u00dfe'],
  ['iso-8859-2', '\xb9\xea', '\u0161\u0119'],
  ['iso-8859-15', '\xa4', '\u20ac'],
  ['windows-1252', '\x80', '\u20ac'],
  ['koi8-r', '\xcd\xc9\xd2', '\u043c\u0438\u0440'],
  ['iso-8859-7', '\xea\xe1\xeb\xe7', '\u03ba\u03b1\u03bb\u03b7'],
  ['iso-2022-jp', '\x1b$B$"\x1b(B', '\u3042'],
  ['gb18030', '\xd6\xd0', '\u4e2d'],
];

/** Every other one with bare line feeds, as programs on Unix encode them. */
function letterIn(charset: string, word: string): Buffer {
  const eol = charset.length % 2 === 0 ? '\r\n' : '\n';
  const text = Buffer.from(`${word}${eol}Bye${eol}`, 'latin1').toString('base64');
  const head = `Content-Type: text/plain; charset=${charset}\r\nContent-Transfer-Encoding: base64`;
  return Buffer.from(`From: a@b.example\r\n${head}\r\n\r\n${text}\r\n`, 'latin1');
}

interface Part {
  readonly name: string;
  readonly armor: Buffer;
  readonly expected: Buffer;
  /** In a literal packet of text, whose line ends GnuPG makes those of this machine. */
  readonly text: boolean;
}

/** Every sealed part of these messages, with what was encrypted in it. */
async function sealedParts(
  messages: readonly { readonly name: string; readonly message: Buffer }[],
  kind: KeyKind,
): Promise<readonly Part[]> {
  const parts: Part[] = [];
  for (const { name, message } of messages) {
    const { encrypt, jobs } = recordingEncrypt();
    await sealInline(message, OPTIONS, encrypt);
    const sealed = await sealInline(message, { ...OPTIONS, keys: [key(kind).recipient] }, sealer.encrypt);
    const armors = armorsIn(sealed ?? Buffer.alloc(0));
    expect(armors.length, `${name}: armored parts`).toBe(jobs.length);
    // The jobs of one message may end in another order than they began in, but they begin in the order of the parts.
    for (const [index, { plaintext, text = false }] of jobs.entries())
      parts.push({
        name,
        armor: armors[index] ?? Buffer.alloc(0),
        expected: Buffer.from(wholePlaintext(plaintext)),
        text,
      });
  }
  return parts;
}

/** Decrypts many files with one gpg. */
async function gpgDecryptAll(name: string, armors: readonly Buffer[]): Promise<readonly Buffer[]> {
  const folder = join(dir, name);
  await mkdir(folder);
  const files = armors.map((_, index) => join(folder, `${index}.asc`));
  await Promise.all(armors.map((armor, index) => writeFile(files[index] ?? '', armor)));
  const done = await home.run(['--multifile', '--decrypt', ...files]);
  if (done.code !== 0) throw new Error(`gpg --decrypt: exit ${done.code}: ${done.stderr}`);
  return Promise.all(files.map((file) => readFile(file.replace(/\.asc$/, ''))));
}

describe('every part of the corpus, sealed inline', () => {
  it.each(KINDS)('is decrypted by GnuPG 2.2 to the same bytes, for a %s key', async (kind) => {
    const parts = await sealedParts(corpus(), kind);
    expect(parts.length).toBeGreaterThan(corpus().length);
    const opened = await gpgDecryptAll(
      kind,
      parts.map(({ armor }) => armor),
    );
    for (const [index, { name, expected, text }] of parts.entries())
      expect(opened[index]?.equals(text ? inUnixLines(expected) : expected), name).toBe(true);
  });

  it('is decrypted by Sequoia to the same bytes: the last one of each message', async () => {
    const secretKey = key('p256').secret.armor();
    const decrypt = sqDecrypt({ address: '', fingerprint: '', publicKey: '', secretKey });
    const parts = await sealedParts(corpus(), 'p256');
    const queue = parts.filter(({ name }, index) => parts[index + 1]?.name !== name);
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let part = queue.shift(); part !== undefined; part = queue.shift())
          expect((await decrypt(part.armor)).equals(part.expected), part.name).toBe(true);
      }),
    );
  });

  it('of text is read in UTF-8 by GnuPG, Sequoia and OpenPGP.js, whatever it came in', async () => {
    const parts = await sealedParts(
      TEXTS.map(([charset, bytes]) => ({ name: charset, message: letterIn(charset, bytes) })),
      'p256',
    );
    const secretKey = key('p256').secret.armor();
    const testKey = { address: '', fingerprint: '', publicKey: '', secretKey };
    const [sq, js] = [sqDecrypt(testKey), openpgpDecrypt(testKey)];
    const byGpg = await gpgDecryptAll(
      'texts',
      parts.map(({ armor }) => armor),
    );
    for (const [index, [charset, , text]] of TEXTS.entries()) {
      const { armor = Buffer.alloc(0) } = parts[index] ?? {};
      // Sequoia and OpenPGP.js give the line ends that are in the packet.
      expect(byGpg[index]?.toString(), `${charset}, by GnuPG`).toBe(`${text}\nBye\n`);
      expect((await sq(armor)).toString(), `${charset}, by Sequoia`).toBe(`${text}\r\nBye\r\n`);
      expect((await js(armor)).toString(), `${charset}, by OpenPGP.js`).toBe(`${text}\r\nBye\r\n`);
    }
  });

  it('is decrypted by GnuPG where the attachment has 18 MB', async () => {
    const [, attachment] = await sealedParts([{ name: 'large', message: largeMessage(25_000_000) }], 'p256');
    const [opened] = await gpgDecryptAll('large', [attachment?.armor ?? Buffer.alloc(0)]);
    expect(opened?.equals(attachment?.expected ?? Buffer.alloc(0))).toBe(true);
  });
});

describe('the settings', () => {
  const BOB = 'bob@example.net';
  let trial: Trial;

  beforeAll(async () => {
    trial = await openTrial([registerDomain, registerUser, registerKey, registerEncrypt, registerExplain]);
    await trial.json('domain', 'add', 'example.net');
    await trial.json('user', 'add', BOB);
    const armored = trial.file('bob.asc', key('p256').secret.toPublic().armor());
    await trial.json('key', 'import', armored, '--for', BOB, '--yes');
  });

  afterAll(async () => {
    await trial?.close();
  });

  /** The letter of the README through `sealpost encrypt`, with what differs from there replaced. */
  async function encryptLetter(...settings: readonly string[]): Promise<string> {
    await trial.json('user', 'set', BOB, 'subject=', 'style=', 'header_policy=');
    if (settings.length > 0) await trial.json('user', 'set', BOB, ...settings);
    const { out } = await trial.sealpost('encrypt', '--to', BOB, trial.file('letter.eml', LETTER));
    return withoutChance(out)
      .replace(/key=[0-9A-F]{40};/, `key=${FINGERPRINT};`)
      .replace(`by=${trial.config.hostname}`, `by=${HOST}`)
      .replace(/date=\S+/, 'date=2024-02-05T09:00:01Z')
      .trimEnd();
  }

  it('give exactly the messages that the README shows', async () => {
    const readme = readFileSync(README, 'utf8').replace(/^ {4}/gm, '');
    expect(readme).toContain(`\n${await encryptLetter('subject=hide')}\n`);
    const inline = await encryptLetter('style=inline');
    expect(readme).toContain(`\n${inline.slice(inline.indexOf('MIME-Version'))}\n`);
  });

  it('hide what the table of the README says, and the domain sets them for its users', async () => {
    await encryptLetter();
    await trial.json('domain', 'set', 'example.net', 'header_policy=shy');
    const sealed = await encryptLetter();
    await trial.json('domain', 'set', 'example.net', 'header_policy=');
    expect(sealed).toContain(
      '\nFrom: alice@example.org\nTo: bob@example.net\nSubject: [...]\nDate: Mon, 05 Feb 2024',
    );
    for (const hidden of ['Liddell', 'Dodgson', 'The map', 'for you alone'])
      expect(sealed).not.toContain(hidden);
  });

  it('are shown by explain, with the level that they come from, and with what the inline style cannot hide', async () => {
    await trial.json('user', 'set', BOB, 'style=inline', 'header_policy=baseline', 'subject=');
    const { out } = await trial.sealpost('explain', BOB);
    expect(out).toContain('setting   style = inline (user)\n');
    expect(out).toContain('setting   header_policy = baseline (user)\n');
    expect(out).toContain('the inline style leaves the header visible, Subject included');
  });

  it('refuse a policy that there is not, and say which there are', async () => {
    expect(await trial.sealpost('user', 'set', BOB, 'header_policy=none')).toMatchObject({
      code: 2,
      err: expect.stringContaining('expected no_confidentiality, baseline or shy'),
    });
  });

  it('count in the filter: the next hop gets the message sealed inline, and GnuPG reads its text', async () => {
    await trial.json('user', 'set', BOB, 'style=inline', 'header_policy=', 'subject=');
    const hop = listedHop();
    const engine = await openEngine({ config: trial.config, ...silent(), workers: 0, nextHop: hop });
    try {
      const { outcomes } = await engine.deliverer.deliver(mail(LETTER.toString('latin1'), BOB));
      expect(outcomes[0]?.reply.code).toBe(250);
    } finally {
      await engine.close();
    }
    const delivered = Buffer.from(hop.sent[0] === undefined ? '' : textOf(hop.sent[0]), 'latin1');
    expect(delivered.toString('latin1')).not.toContain('Meet me');
    const [text] = await gpgDecryptAll('delivered', armorsIn(delivered));
    expect(text?.toString()).toBe('Meet me at the café at noon.');
    // What comes back from a second pass is the same: nothing is encrypted twice.
    const again = await trial.sealpost('encrypt', '--to', BOB, trial.file('sealed.eml', delivered));
    expect(armorsIn(Buffer.from(again.out)).map(String)).toEqual(armorsIn(delivered).map(String));
  });
});
