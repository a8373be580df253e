// What is done with messages: header, detection, explain, and sealing in every style.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addrSpecs } from '../../src/message/address-list.ts';
import {
  contentTypeShape,
  parseContentType,
  parseTransferEncoding,
  rawParameters,
} from '../../src/message/content-type.ts';
import { parseDateTime } from '../../src/message/date-time.ts';
import { detectEncrypted } from '../../src/message/detect.ts';
import { explainMessage } from '../../src/message/explain.ts';
import { fieldValue, splitMessage } from '../../src/message/header.ts';
import { headerTexts } from '../../src/message/header-text.ts';
import { decodeBase64AsReaders } from '../../src/message/lenient-base64.ts';
import { readTree } from '../../src/message/mime-tree.ts';
import { parameterReadings } from '../../src/message/parameter.ts';
import { countReceived, findMessageId } from '../../src/message/received.ts';
import { stripSealpostFields } from '../../src/message/sealpost-fields.ts';
import { decodeBase64, decodeQuotedPrintable } from '../../src/message/transfer-encoding.ts';
import { trimBytes } from '../../src/message/white-space.ts';
import { encryptedMessageKeyIds } from '../../src/openpgp/encrypted-message.ts';
import { isPublicKeyBlock } from '../../src/openpgp/public-key-block.ts';
import type { RecipientKey } from '../../src/openpgp/types.ts';
import { createSealingEngine } from '../../src/sealing/engine.ts';
import { sealInline } from '../../src/sealing/seal-inline.ts';
import { buildMimeFrame, sealMime } from '../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../src/sealing/seal-options.ts';
import { sealSmime } from '../../src/sealing/seal-smime.ts';
import { type Authority, type Issued, openAuthority } from '../support/authority.ts';
import { makeSamples } from '../support/encrypted-samples.ts';
import { armorsIn, foldNotes, saysTheSame } from '../support/inline-support.ts';
import { decryptWith, makeKey, type TestKey } from '../support/make-keys.ts';
import { MAIL_WORDS, randomMessage } from './messages.ts';
import { mutate, type Random } from './random.ts';
import { must, type Target } from './target.ts';

/** Messages that are encrypted already, filled by `prepare`: what is near to them is where detection may err. */
const encrypted: Buffer[] = [];
const binaries: Buffer[] = [];
const seal = createSealingEngine();
let key: TestKey;
let authority: Authority;
let issued: Issued;

async function prepareSamples(): Promise<void> {
  if (encrypted.length > 0) return;
  const samples = await makeSamples();
  key = await makeKey('p256');
  binaries.push(
    samples.binary,
    samples.v6,
    samples.hidden,
    samples.password,
    samples.partial,
    samples.twoKeys,
  );
  const pgpMime = Buffer.concat(
    await sealMime(Buffer.from('Subject: x\r\n\r\nbody\r\n'), options(new Set()), seal),
  );
  encrypted.push(pgpMime, Buffer.from(`Subject: x\r\n\r\n${samples.armor}`));
  encrypted.push(
    Buffer.from(
      `Content-Type: multipart/mixed; boundary=b0\r\n\r\n--b0\r\n\r\n${samples.armor}\r\n--b0\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n${samples.binary.toString('base64')}\r\n--b0--\r\n`,
    ),
  );
}

function options(flags: ReadonlySet<string>, keys: readonly RecipientKey[] = [key.recipient]): SealOptions {
  return {
    subject: flags.has('hide') ? 'hide' : 'keep',
    headerPolicy: flags.has('shy') ? 'shy' : flags.has('baseline') ? 'baseline' : 'no_confidentiality',
    hideKeyIds: flags.has('hidden'),
    keys,
    status: { host: 'mx.example.org', queueId: 'Q', date: new Date(0) },
  };
}

function randomFlags(random: Random): ReadonlySet<string> {
  return new Set(['hide', 'shy', 'baseline', 'hidden'].filter(() => random.oneIn(2)));
}

function same(found: Buffer | undefined, expected: Buffer, what: string): void {
  must(
    found?.equals(expected) === true,
    `${what}: ${found?.length ?? 'no'} bytes, expected ${expected.length}`,
  );
}

const header: Target = {
  name: 'header',
  make: (random) => randomMessage(random),
  run(message, random) {
    const { preamble, fields, separator, body } = splitMessage(message);
    same(
      Buffer.concat([preamble, ...fields.map(({ raw }) => raw), separator, body]),
      message,
      'the parts together',
    );
    const clean = stripSealpostFields(message);
    must(stripSealpostFields(clean) === clean, 'a Sealpost-* field came into being');
    same(splitMessage(clean).body, body, 'the body without Sealpost-* fields');
    countReceived(message);
    findMessageId(message);
    for (const field of fields) {
      const value = fieldValue(field);
      headerTexts(field);
      addrSpecs(value);
      parseDateTime(value);
      parseContentType(value);
      parseTransferEncoding(value);
      rawParameters(value);
      must(contentTypeShape(value).typeEnd <= value.length, 'a type that is longer than its field');
    }
    const { plaintext, wrap } = buildMimeFrame(message, options(randomFlags(random), []), 'x');
    const inside = Buffer.concat(plaintext);
    same(inside.subarray(inside.length - body.length), body, 'the body inside');
    const outside = splitMessage(Buffer.concat(wrap(Buffer.from(''))));
    must(
      outside.fields.filter(({ name }) => name === 'content-type').length === 1,
      'not one Content-Type outside',
    );
    must(
      outside.fields.filter(({ name }) => name.startsWith('sealpost-')).length === 1,
      'not one Sealpost-* field outside',
    );
  },
};

const values: Target = {
  name: 'field-values',
  make: (random) =>
    mutate(random, Buffer.from(random.pick(MAIL_WORDS), 'latin1'), MAIL_WORDS, [Buffer.from('(((')]),
  run(bytes) {
    const value = bytes.toString('latin1');
    addrSpecs(value);
    parseDateTime(value);
    parseContentType(value);
    parseTransferEncoding(value);
    rawParameters(value);
    contentTypeShape(value);
    parameterReadings(value, 'boundary');
    parameterReadings(value, 'filename');
    headerTexts({ name: 'subject', raw: bytes });
    decodeBase64(bytes);
    decodeQuotedPrintable(bytes);
  },
};

const detection: Target = {
  name: 'detection',
  prepare: prepareSamples,
  make: (random) => randomMessage(random, encrypted),
  run(message) {
    const found = detectEncrypted(message);
    must(
      JSON.stringify(explainMessage(message).detection) === JSON.stringify(found),
      'explain says something else',
    );
    must(found.because !== '', 'no reason');
    if (found.encrypted)
      must(
        found.keyIds.every((id) => /^(?:[0-9a-f]{16}|[0-9a-f]{40}|[0-9a-f]{64})$/.test(id)),
        'a key ID that is none',
      );
  },
};

/** Words in the middle of an encrypted message: they must be found, wherever they stand, or the header must have taken them. */
const hiding: Target = {
  name: 'plaintext-in-ciphertext',
  prepare: prepareSamples,
  make: (random) => {
    const whole = random.pick(encrypted);
    const from = splitMessage(whole);
    const at = whole.length - from.body.length + random.below(from.body.length + 1);
    return Buffer.concat([
      whole.subarray(0, at),
      Buffer.from(random.pick(['\r\nMeet me at noon, at the bridge.\r\n', ' Meet me at noon, ', '!noon!'])),
      whole.subarray(at),
    ]);
  },
  run(message) {
    if (!detectEncrypted(message).encrypted) return;
    // The places where MIME lets a program make a remark, and nobody reads it: in front of the first part, in armor
    // headers, in the fields of a part, behind a delimiter.
    const body = splitMessage(message).body.toString('latin1');
    const at = body.search(/noon/);
    const line = body.slice(body.lastIndexOf('\n', at) + 1, body.indexOf('\n', at));
    const before = body.slice(0, at);
    const inPreamble = !/^--/m.test(before);
    const headerOfPart =
      /(?:^|\n)--[^\n]*\n(?:[^\n]*[^\s][^\n]*\n)*[^\n]*$/.test(before) &&
      /^[\x21-\x39\x3b-\x7e]+:|^[ \t]/m.test(line);
    must(
      inPreamble || headerOfPart || /^(?:Version|Comment|Charset):/.test(line),
      `plaintext passes for ciphertext: ${JSON.stringify(line)}`,
    );
  },
};

const packets: Target = {
  name: 'packets',
  prepare: prepareSamples,
  make: (random) =>
    random.oneIn(4)
      ? random.bytes(random.below(300))
      : mutate(random, random.pick(binaries), ['PGP', '\xd2', '\xc1', '\xff'], binaries),
  run(bytes) {
    encryptedMessageKeyIds(bytes);
  },
};

/** Base64 as mail programs read it: what is strictly base64 says the same, and a text behind it is kept. */
const lenientBase64: Target = {
  name: 'lenient-base64',
  make: (random) =>
    mutate(
      random,
      Buffer.from(random.bytes(random.below(400)).toString('base64').replace(/.{76}/g, '$&\r\n')),
      ['=', '==\r\n', '!!\r\n', '-- \r\na footer\r\n', 'Rg==\r\n', '_', 'Unsubscribe\r\n'],
      [Buffer.from('JVBERg==\r\n')],
    ),
  run(text) {
    const read = decodeBase64AsReaders(text);
    must(read === null || read.length <= text.length + 2, 'more came out than went in');
    const strict = decodeBase64(text);
    const spread = /[A-Za-z0-9+/=]\r*[ \t][ \t\r]*[A-Za-z0-9+/=]/.test(text.toString('latin1'));
    // Lines of whole groups, or the last one: others may be words, and are for the strict decoder.
    const plain = text
      .toString('latin1')
      .split(/\r?\n/)
      .every((line, index, all) => line.length % 4 === 0 || index >= all.length - 1);
    if (
      strict !== null &&
      strict.length > 0 &&
      !spread &&
      plain &&
      !text.includes('=\r\n') &&
      !text.includes('=\n')
    )
      same(read ?? undefined, strict, 'the same base64, read leniently');
    const footer = '-- \r\na footer of the list\r\n';
    const whole = decodeBase64AsReaders(
      Buffer.concat([Buffer.from('JVBERg==\r\n'), text, Buffer.from(`\r\n${footer}`)]),
    );
    must(whole?.toString('latin1').endsWith(footer) === true, 'a footer was lost');
  },
};

/** Whatever is added to packets, they are a certificate only where nothing else stands among them. */
const publicKeys: Target = {
  name: 'public-key-block',
  prepare: prepareSamples,
  make: (random) =>
    mutate(random, Buffer.from(key.secret.toPublic().write()), ['\xcd\x05Alice', '\xcb', '\xff'], binaries),
  run(bytes) {
    // Else the text may stand within the last packet, as its length has it.
    if (!isPublicKeyBlock(bytes)) return;
    must(
      !isPublicKeyBlock(Buffer.concat([bytes, Buffer.from('Meet me at noon.')])),
      'a text passes for a certificate',
    );
  },
};

const mime: Target = {
  name: 'seal-mime',
  slow: true,
  prepare: prepareSamples,
  make: (random) => stripSealpostFields(randomMessage(random, encrypted)),
  async run(message, random) {
    const flags = randomFlags(random);
    const sealed = Buffer.concat(await sealMime(message, options(flags), seal));
    const found = detectEncrypted(sealed);
    must(found.encrypted && found.how === 'pgp-mime', `a sealed message is not recognised: ${found.because}`);
    const armor = armorsIn(sealed.subarray(sealed.lastIndexOf('filename="encrypted.asc"'))).at(-1);
    const inner = await decryptWith(key.secret, armor ?? Buffer.alloc(0));
    const { body } = splitMessage(message);
    same(inner.subarray(inner.length - body.length), body, 'the body inside');
    same(splitMessage(inner).body, body, 'the body inside, read as mail');
  },
};

const inline: Target = {
  name: 'seal-inline',
  slow: true,
  // Each part costs an encryption and a decryption.
  pace: 1500,
  prepare: prepareSamples,
  make: (random) => stripSealpostFields(randomMessage(random, encrypted)),
  async run(message, random) {
    const pieces = readTree(message, 500);
    const sealed = await sealInline(message, options(randomFlags(random)), seal);
    must(
      pieces !== null || sealed === null,
      'the tree and the sealed message disagree on the number of parts',
    );
    // Of a message that would become much larger there is none.
    if (pieces === null || sealed === null) return;
    if (sealed === message) return;
    const again = await sealInline(sealed, options(new Set()), () =>
      Promise.reject(new Error('a part was left open')),
    );
    must(again === sealed, 'sealed once more, it is another message');
    const inside = foldNotes(readTree(sealed, 5000) ?? []);
    const opened: Buffer[] = [];
    for (const piece of inside) {
      const bytes =
        piece.kind === 'leaf' ? piece.body : piece.kind === 'around' ? piece.bytes : Buffer.alloc(0);
      const [armor] = armorsIn(trimBytes(bytes));
      if (armor === undefined) continue;
      const plain = await decryptWith(key.secret, armor).catch(() => null);
      if (plain !== null) opened.push(plain);
    }
    const expected = pieces.filter((piece) =>
      opened.some((one) =>
        piece.kind === 'around' ? one.equals(piece.bytes) : piece.kind === 'leaf' && saysTheSame(piece, one),
      ),
    );
    must(
      expected.length >= opened.length,
      `${opened.length} texts were sealed, of which ${expected.length} are the original's`,
    );
  },
};

const smime: Target = {
  name: 'seal-smime',
  slow: true,
  // openssl is started for each message.
  pace: Number.POSITIVE_INFINITY,
  async prepare() {
    await prepareSamples();
    authority = openAuthority();
    issued = authority.issue('fuzz');
  },
  close: () => authority.close(),
  make: (random) => stripSealpostFields(randomMessage(random, encrypted)),
  async run(message, random) {
    const fingerprint = createHash('sha256').update(issued.der).digest('hex').toUpperCase();
    const recipient = { fingerprint, certificate: issued.der, at: Date.now() };
    const chosen = {
      ...options(randomFlags(random), [recipient]),
      cipher: random.pick(['gcm', 'cbc'] as const),
    };
    const sealed = Buffer.concat(await sealSmime(message, chosen, seal));
    const found = detectEncrypted(sealed);
    must(found.encrypted && found.how === 'cms', `a sealed message is not recognised: ${found.because}`);
    const der = join(authority.folder, 'sealed.der');
    const plain = join(authority.folder, 'plain');
    writeFileSync(der, decodeBase64(splitMessage(sealed).body) ?? Buffer.alloc(0));
    authority.run([
      'cms',
      '-decrypt',
      '-binary',
      '-inform',
      'DER',
      '-in',
      der,
      '-out',
      plain,
      '-inkey',
      issued.keyFile,
      '-recip',
      issued.certificateFile,
    ]);
    const { body } = splitMessage(message);
    const inner = readFileSync(plain);
    same(inner.subarray(inner.length - body.length), body, 'the body inside');
  },
};

export const MAIL_TARGETS: readonly Target[] = [
  header,
  values,
  detection,
  hiding,
  packets,
  lenientBase64,
  publicKeys,
  mime,
  inline,
  smime,
];
