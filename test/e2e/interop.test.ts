// Messages sealed in both styles, PGP/MIME and inline, opened by the programs that people have: GnuPG 2.2, Sequoia's sq and OpenPGP.js, for keys of every
// algorithm that each of them makes. Printed as a matrix; where a cell is not "ok", it says what the program said.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../src/message/detect.ts';
import type { RecipientKey } from '../../src/openpgp/types.ts';
import { wholePlaintext } from '../../src/openpgp/types.ts';
import { createSealer, type Sealer } from '../../src/sealing/pool.ts';
import { sealInline } from '../../src/sealing/seal-inline.ts';
import { buildMimeFrame, sealMime } from '../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../src/sealing/seal-options.ts';
import { armorsIn, inUnixLines } from '../support/inline-support.ts';
import {
  ALGORITHMS,
  type Algorithm,
  GENERATORS,
  type Generator,
  type Made,
  type MadeKey,
  makeInteropKey,
  UNABLE,
} from '../support/interop-keys.ts';
import { createOpen, importForSealing, OPENERS, type Opener } from '../support/interop-open.ts';
import { inParallel } from '../support/parallel.ts';
import { armoredPart } from '../support/unseal.ts';

const MESSAGE = Buffer.from(
  [
    'From: <carol@outside.example>',
    'To: <alice@example.org>',
    'Subject: interoperability',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    'Gr\xc3\xbc\xc3\x9fe \r\n.\r\n\r\ntrailing: \t',
    '--b',
    'Content-Type: application/pdf; name=a.pdf',
    'Content-Transfer-Encoding: base64',
    '',
    'JVBERi0xLjQKJeLjz9MK',
    '--b--',
    '',
  ].join('\r\n'),
  'latin1',
);

const CLASSIC = [
  'RSA 2048',
  'RSA 3072',
  'RSA 4096',
  'NIST P-256',
  'NIST P-384',
  'NIST P-521',
  'Curve25519 legacy',
];
/** What every release of a program has been able to do since we know it: a cell that is empty here is our fault. */
const MUST_MAKE: Readonly<Record<Generator, readonly string[]>> = {
  gpg: [...CLASSIC, 'Brainpool 256', 'Brainpool 384', 'Brainpool 512'],
  sq: ['RSA 3072', 'RSA 4096', 'Curve25519 legacy'],
  'OpenPGP.js': ALGORITHMS.map(({ name }) => name),
};
const MUST_OPEN: Readonly<Record<Opener, readonly string[]>> = {
  gpg: [...CLASSIC, 'Brainpool 256', 'Brainpool 384', 'Brainpool 512'],
  sq: CLASSIC,
  'OpenPGP.js': ALGORITHMS.map(({ name }) => name),
};
interface Cell {
  readonly algorithm: string;
  readonly generator: Generator;
  readonly opener: Opener | null;
  readonly result: string;
}

let dir: string;
let sealer: Sealer;
const opening = createOpen();
const made = new Map<string, Made>();
const cells: Cell[] = [];

const nameOf = (generator: Generator, algorithm: string) => `${generator}: ${algorithm}`;

function keyOf(generator: Generator, algorithm: string): MadeKey {
  const found = made.get(nameOf(generator, algorithm));
  if (found === undefined || 'refusal' in found) throw new Error(`${generator} made no ${algorithm} key`);
  return found.key;
}

function options(keys: readonly RecipientKey[], hideKeyIds = false): SealOptions {
  return {
    subject: 'keep',
    hideKeyIds,
    keys,
    status: { host: 'mx.example.org', queueId: 'Q', date: new Date(0) },
  };
}

interface SealedText {
  readonly armored: Buffer;
  readonly plaintext: Buffer;
  /** In a literal packet of text, whose line ends GnuPG makes those of this machine (RFC 9580, section 5.9). */
  readonly text: boolean;
}

interface Sealed {
  /** Every armored message in it, PGP/MIME first, then each part of the inline style, and what is in each. */
  readonly texts: readonly SealedText[];
  readonly keyIds: readonly string[];
}

/** Seals in both styles. */
async function seal(keys: readonly MadeKey[], hideKeyIds = false): Promise<Sealed> {
  const recipients = await Promise.all(keys.map(({ publicKey }) => importForSealing(publicKey)));
  const chosen = options(recipients, hideKeyIds);
  const mime = Buffer.concat(await sealMime(MESSAGE, chosen, sealer.encrypt));
  const parts: Omit<SealedText, 'armored'>[] = [];
  const inline = await sealInline(MESSAGE, chosen, (job) => {
    parts.push({ plaintext: Buffer.from(wholePlaintext(job.plaintext)), text: job.text === true });
    return sealer.encrypt(job);
  });
  const armors = armorsIn(inline ?? Buffer.alloc(0));
  if (parts.length !== 2 || armors.length !== 2)
    throw new Error('the inline message has not two sealed parts');
  const { keyIds } = detectEncrypted(mime) as { readonly keyIds: readonly string[] };
  return {
    texts: [
      {
        armored: armoredPart(mime),
        plaintext: Buffer.concat(buildMimeFrame(MESSAGE, chosen, 'x').plaintext),
        text: false,
      },
      ...parts.map((part, index) => ({ ...part, armored: armors[index] ?? Buffer.alloc(0) })),
    ],
    keyIds,
  };
}

/** Opens everything with one program: 'ok', or what it said. Other bytes than the right ones are an error. */
async function outcome(opener: Opener, key: MadeKey, { texts }: Sealed): Promise<string> {
  for (const { armored, plaintext, text } of texts) {
    const opened = await opening.open(opener, key, armored);
    if ('refusal' in opened) return opened.refusal;
    const expected = text && opener === 'gpg' ? inUnixLines(plaintext) : plaintext;
    if (!opened.plaintext.equals(expected)) throw new Error(`${opener} opened other bytes than were sealed`);
  }
  return 'ok';
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'interop-'));
  sealer = createSealer();
  const wanted = GENERATORS.flatMap((generator) => ALGORITHMS.map((algorithm) => ({ generator, algorithm })));
  // The slowest first, so that both cores have something to do until the end.
  wanted.sort((a, b) => rsaBits(b.algorithm) - rsaBits(a.algorithm));
  await inParallel(wanted, 4, async ({ generator, algorithm }) => {
    made.set(nameOf(generator, algorithm.name), await makeInteropKey(generator, algorithm, dir));
  });
});

afterAll(async () => {
  await sealer.close();
  await opening.close();
  await rm(dir, { recursive: true, force: true });
  process.stdout.write(`\n${matrix()}\n`);
});

function rsaBits({ name }: Algorithm): number {
  return name.startsWith('RSA') ? Number(name.slice(4)) : 0;
}

/** Rows: who made which key; columns: who opens what was sealed for it. What a program said stands below, by number. */
function matrix(): string {
  const said: string[] = [];
  const note = (result: string): string => {
    if (result === 'ok') return 'ok';
    if (!said.includes(result)) said.push(result);
    return `(${said.indexOf(result) + 1})`;
  };
  const rows = GENERATORS.flatMap((generator) =>
    ALGORITHMS.map(({ name }) => {
      const own = cells.filter((cell) => cell.generator === generator && cell.algorithm === name);
      const byOpener = OPENERS.map(
        (opener) => own.find((cell) => cell.opener === opener || cell.opener === null)?.result ?? '',
      );
      return [generator, name, ...byOpener.map(note)];
    }),
  );
  const lines = [['key by', 'algorithm', ...OPENERS.map((opener) => `by ${opener}`)], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return [
    ...lines.map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    ),
    ...said.map((text, index) => `(${index + 1}) ${text}`),
  ].join('\n');
}

describe.each(GENERATORS)('keys made by %s', (generator) => {
  it.each(ALGORITHMS)(
    '$name: every program opens what is sealed for it, or says that it cannot',
    async ({ name }) => {
      const key = made.get(nameOf(generator, name));
      if (key === undefined || 'refusal' in key) {
        const result = `${generator} makes none: ${key?.refusal ?? ''}`;
        cells.push({ algorithm: name, generator, opener: null, result });
        expect(MUST_MAKE[generator], result).not.toContain(name);
        expect(result).toMatch(UNABLE);
        return;
      }
      const sealed = await seal([key.key]);
      const results = await inParallel(OPENERS, OPENERS.length, async (opener) => {
        const said = await outcome(opener, key.key, sealed);
        return { opener, result: said === 'ok' ? 'ok' : `${opener}: ${said}` };
      });
      cells.push(...results.map((result) => ({ ...result, algorithm: name, generator })));
      for (const { opener, result } of results) {
        if (MUST_OPEN[opener].includes(name)) expect(result, `${opener} must open it`).toBe('ok');
        else if (result !== 'ok') expect(result).toMatch(UNABLE);
      }
    },
  );
});

describe('one message for several keys', () => {
  const several = () => [
    keyOf('gpg', 'RSA 3072'),
    keyOf('sq', 'Curve25519 legacy'),
    keyOf('OpenPGP.js', 'NIST P-384'),
  ];

  it('is opened with each of them, by every program', async () => {
    const sealed = await seal(several());
    expect(sealed.keyIds).toHaveLength(3);
    for (const key of several()) {
      for (const opener of OPENERS) {
        expect(await outcome(opener, key, sealed), `${opener}, ${key.generator} ${key.algorithm}`).toBe('ok');
      }
    }
  });

  it('with hidden key IDs is opened all the same, and names nobody', async () => {
    const sealed = await seal(several(), true);
    expect(sealed.keyIds).toEqual(['0'.repeat(16)]);
    for (const key of several()) {
      for (const opener of OPENERS) {
        expect(await outcome(opener, key, sealed), `${opener}, ${key.generator} ${key.algorithm}`).toBe('ok');
      }
    }
  });

  it('of which one announces AEAD and one does not is sealed without it, so that GnuPG 2.2 opens it', async () => {
    const keys = [keyOf('gpg', 'NIST P-256'), keyOf('OpenPGP.js', 'Curve25519 legacy, AEAD')];
    const sealed = await seal(keys);
    for (const key of keys) {
      expect(await outcome('gpg', key, sealed), `gpg, ${key.algorithm}`).toBe('ok');
      expect(await outcome('OpenPGP.js', key, sealed), `OpenPGP.js, ${key.algorithm}`).toBe('ok');
    }
  });

  it('of which all announce AEAD is sealed with it, for v4 and v6 together', async () => {
    const keys = [
      keyOf('OpenPGP.js', 'Curve25519 legacy, AEAD'),
      keyOf('OpenPGP.js', 'X25519 in v6'),
      keyOf('OpenPGP.js', 'X448 in v6'),
    ];
    const sealed = await seal(keys);
    for (const key of keys) expect(await outcome('OpenPGP.js', key, sealed), key.algorithm).toBe('ok');
    expect(await outcome('gpg', keys[0] as MadeKey, sealed)).toMatch(UNABLE);
  });

  it('is not opened with a key of nobody', async () => {
    const sealed = await seal(several());
    for (const opener of OPENERS) {
      expect(await outcome(opener, keyOf('gpg', 'NIST P-256'), sealed), opener).not.toBe('ok');
    }
  });
});

describe('the matrix', () => {
  it('has no empty cell', () => {
    const rows = GENERATORS.flatMap((generator) => ALGORITHMS.map(({ name }) => ({ generator, name })));
    for (const { generator, name } of rows) {
      const own = cells.filter((cell) => cell.generator === generator && cell.algorithm === name);
      expect(own.length, `${generator} ${name}`).toBe(own[0]?.opener === null ? 1 : OPENERS.length);
      for (const { result } of own) expect(result.length, `${generator} ${name}`).toBeGreaterThan(1);
    }
  });
});
