// What comes from the network and from files: the SMTP dialogue, the next hop's replies, the lookup protocols, keys, arguments and
// configuration. However the bytes are cut, the outcome is the same.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parsePipeArguments } from '../../filters/pipe/arguments.ts';
import { BadConfiguration, readPipeSettings } from '../../filters/pipe/settings.ts';
import { createPolicyDecoder } from '../../policy/delegation-codec.ts';
import { createSocketmapDecoder } from '../../policy/socketmap-codec.ts';
import { createTcpTableDecoder } from '../../policy/tcp-table-codec.ts';
import type { Decoder } from '../../policy/wire.ts';
import { describeConfig } from '../../src/config/describe.ts';
import { ConfigError } from '../../src/config/errors.ts';
import { loadConfig } from '../../src/config/load.ts';
import { configSchema } from '../../src/config/schema.ts';
import { judgeUpload } from '../../src/keys/import.ts';
import { parseExtensions } from '../../src/smtp/client/extensions.ts';
import { createReplyParser, encodeReply, formatReply } from '../../src/smtp/replies.ts';
import { createBudget } from '../../src/smtp/server/budget.ts';
import { createCommandParser } from '../../src/smtp/server/command-parser.ts';
import { parseCommand } from '../../src/smtp/server/commands.ts';
import { createDataParser } from '../../src/smtp/server/data-parser.ts';
import { createDialogue } from '../../src/smtp/server/dialogue.ts';
import type { Reply } from '../../src/smtp/types.ts';
import { makeKey } from '../support/make-keys.ts';
import { cut, mutate, type Random } from './random.ts';
import { must, type Target } from './target.ts';

/** Words put together, and now and then something that is none. */
function ofWords(random: Random, words: readonly string[], most: number): Buffer {
  const text = Array.from({ length: random.below(most) }, () => random.pick(words)).join('');
  const bytes = Buffer.from(text, 'latin1');
  return random.oneIn(3) ? mutate(random, bytes, words, [bytes]) : bytes;
}

const SMTP_WORDS = [
  'LHLO client\r\n',
  'EHLO client\r\n',
  'MAIL FROM:<a@b.c>\r\n',
  'MAIL FROM:<> SIZE=100 BODY=8BITMIME\r\n',
  'MAIL FROM:<a@b.c> SMTPUTF8 RET=HDRS ENVID=x\r\n',
  'RCPT TO:<d@e.f>\r\n',
  'RCPT TO:<"a b\\""@e.f> NOTIFY=NEVER ORCPT=rfc822;x\r\n',
  'RCPT TO:<@a,@b:c@d.e>\r\n',
  'DATA\r\n',
  'RSET\r\n',
  'NOOP\r\n',
  'QUIT\r\n',
  'XFORWARD NAME=a ADDR=1.2.3.4\r\n',
  'Subject: x\r\n\r\nbody\r\n',
  '.\r\n',
  '\r\n.\r\n',
  '..\r\n',
  '\r',
  '\n',
  '\r\n',
  '.',
  '\0',
  '\xff',
  'x',
  ' ',
  ':',
  '<',
  '>',
  '"',
  'SIZE=99999999999999999999',
  'BDAT 5 LAST\r\nabcde',
];

/** What a filter would say and take, as text: the dialogue without its socket. */
function converse(chunks: readonly Buffer[]): string {
  const config = { ...configSchema.parse({}).filter, max_message_size: 5000, max_recipients: 20 };
  const budget = createBudget(20_000);
  const dialogue = createDialogue({
    protocol: 'lmtp',
    config: () => config,
    admission: budget,
    mayForward: true,
  });
  const parser = createCommandParser();
  let data: ReturnType<typeof createDataParser> | null = null;
  const said: string[] = [];
  const say = (answer: string | Reply): void => {
    said.push(typeof answer === 'string' ? answer : encodeReply(answer));
  };
  for (const chunk of chunks) {
    parser.push(chunk);
    for (let next = parser.next(); next !== null; next = parser.next()) {
      if (next.kind === 'content') {
        const outcome = data?.finish();
        // Only of large messages it comes later.
        if (outcome instanceof Promise) throw new Error('a message of 5000 bytes at most is there at once');
        said.push(
          outcome?.ok === true
            ? `message ${outcome.message.toString('latin1')}`
            : `none: ${outcome?.because}`,
        );
        data = null;
        dialogue.reset();
        continue;
      }
      if (next.kind === 'overlong') {
        said.push('overlong');
        continue;
      }
      const { verb, argument } = parseCommand(next.line);
      const { open } = dialogue;
      if (verb === 'LHLO') say(dialogue.hello('LHLO', argument, 'mx'));
      else if (verb === 'MAIL') say(dialogue.mail(argument));
      else if (verb === 'RCPT') say(dialogue.rcpt(argument));
      else if (verb === 'XFORWARD') say(dialogue.xforward(argument));
      else if (verb === 'RSET') dialogue.reset();
      else if (verb === 'DATA' && open !== null && open.recipients.length > 0) {
        // Whether memory is there depends on how the bytes were cut: here it always is.
        data = createDataParser({ maxBytes: 5000, bareNewline: 'normalise', grow: () => true });
        parser.expectData(data);
      } else said.push(`? ${verb}`);
    }
    must(parser.waiting === 0, `${parser.waiting} bytes wait though everything was read`);
  }
  dialogue.reset();
  must(budget.used() === 0, `${budget.used()} bytes of the budget were not given back`);
  return said.join('\n');
}

const dialogue: Target = {
  name: 'smtp-dialogue',
  make: (random) => ofWords(random, SMTP_WORDS, 60),
  run(bytes, random) {
    const whole = converse([bytes]);
    must(converse(cut(random, bytes)) === whole, 'cut differently, the dialogue is another');
    for (const line of whole.split('\n')) must(line.length < 20_000, 'a reply without end');
  },
};

const REPLY_WORDS = [
  '250 ',
  '250-',
  '250',
  '2.1.5 ',
  '5.7.1 ',
  '550 ',
  '421-',
  '354 go\r\n',
  'Ok',
  '\r\n',
  '\n',
  '\r',
  '\0',
  '\xc3\xbc',
  '\xff',
  ' ',
  'x',
  '999 ',
  '25',
  'SIZE 100',
  'XFORWARD NAME',
];

const replies: Target = {
  name: 'next-hop-replies',
  make: (random) => ofWords(random, REPLY_WORDS, 80),
  run(bytes, random) {
    const read = (chunks: readonly Buffer[]) => {
      const parser = createReplyParser({ lineBytes: 500, lines: 20 });
      const found: Reply[] = [];
      let problem: string | null = null;
      for (const chunk of chunks) problem ??= parser.push(chunk, found);
      return { found, problem };
    };
    const { found, problem } = read([bytes]);
    const again = read(cut(random, bytes));
    must(again.problem === null || problem !== null, 'cut differently, it is a violation');
    must(
      JSON.stringify(again.found.slice(0, found.length)) ===
        JSON.stringify(found.slice(0, again.found.length)),
      'cut differently, the replies are others',
    );
    for (const answer of found) {
      must(answer.code >= 200 && answer.code < 600, `the code ${answer.code}`);
      parseExtensions(answer.text);
      must(!/[\r\n\0]/.test(formatReply(answer)), 'a reply in the log with a control character');
      must(/^(?:\d{3}[ -][\x20-\x7e]*\r\n)+$/.test(encodeReply(answer)), 'a reply that is no reply');
    }
  },
};

const POLICY_WORDS = [
  'get ',
  'put ',
  'a%40b.c',
  '%',
  '%zz',
  '\n',
  '\r\n',
  '5:a b c,',
  '12:virtual a@b.c,',
  ',',
  ':',
  '0:,',
  '99999:',
  '-1:',
  '00005:',
  'request=smtpd_access_policy\n',
  'protocol_state=RCPT\n',
  'recipient=a@b.c\n',
  '=',
  '\n\n',
  '\0',
  '\xff',
  'x',
];

function decoderTarget<R>(name: string, make: () => Decoder<R>): Target {
  const decode = (chunks: readonly Buffer[]): string => {
    const decoder = make();
    const said: string[] = [];
    for (const chunk of chunks) {
      decoder.push(chunk);
      for (let item = decoder.next(); item !== null; item = decoder.next()) {
        said.push(
          item.kind === 'request'
            ? `request ${JSON.stringify(item.request instanceof Map ? [...item.request] : item.request)}`
            : `error ${item.reason}`,
        );
        if (item.kind === 'error' && item.close) return said.join('\n');
      }
      must(decoder.buffered() <= 70_000 + chunk.length, `${decoder.buffered()} bytes are kept`);
    }
    return said.join('\n');
  };
  return {
    name,
    make: (random) => ofWords(random, POLICY_WORDS, 80),
    run(bytes, random) {
      must(decode(cut(random, bytes)) === decode([bytes]), 'cut differently, the requests are others');
    },
  };
}

const uploads: Buffer[] = [];
let secret = '';
const KEY_WORDS = [
  '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
  '-----END PGP PUBLIC KEY BLOCK-----\n',
  '-----BEGIN PGP PRIVATE KEY BLOCK-----\n',
  'Version: 1\n',
  'Comment: x\n',
  '\n',
  '\r\n',
  '=AAAA\n',
  '=',
  '> ',
  '- ',
  '\x99',
  '\xc6\xff',
  '\xb4',
  '-----BEGIN CERTIFICATE-----\n',
  '\0',
];

const keys: Target = {
  name: 'key-import',
  slow: true,
  // A trial encryption to each certificate, and signatures to verify.
  pace: 3000,
  async prepare() {
    if (uploads.length > 0) return;
    const made = await Promise.all([makeKey('p256'), makeKey('curve25519-legacy'), makeKey('curve25519-v6')]);
    for (const { secret: own } of made)
      uploads.push(Buffer.from(own.toPublic().armor()), Buffer.from(own.toPublic().write()));
    secret = made[0]?.secret.armor() ?? '';
    uploads.push(Buffer.concat(uploads.slice(0, 3)), Buffer.from(secret));
  },
  make: (random) =>
    random.oneIn(6)
      ? random.bytes(random.below(400))
      : mutate(random, random.pick(uploads), KEY_WORDS, uploads),
  async run(bytes) {
    const judged = await judgeUpload(bytes, { allowSha1: false }, Date.now());
    must(judged.length > 0, 'no judgement');
    for (const one of judged) {
      if (one.verdict === 'refused') must(one.refusal.sentence.length > 10, 'a refusal without a sentence');
    }
  },
};

const ARGUMENT_WORDS = [
  '-f',
  '\0',
  '--',
  '--queue-id',
  '-f=',
  'a@b.c',
  '"a b"@c.d',
  '',
  '--help',
  '--version',
  '--config',
  '-',
  '\xff',
  "'",
  '\\',
  ' ',
  '@',
  '"',
];

const pipeArguments: Target = {
  name: 'pipe-arguments',
  make: (random) => ofWords(random, ARGUMENT_WORDS, 30),
  run(bytes) {
    const call = parsePipeArguments(bytes.toString('latin1').split('\0'));
    if (call.kind === 'wrong') must(!call.because.includes('a@b.c'), 'an address in an error');
  },
};

let folder = '';
const TOML_WORDS = [
  '[filter]\n',
  '[[filter.listen]]\n',
  '[pipe]\n',
  '[',
  ']',
  '=',
  '"',
  "'",
  '\n',
  '#',
  '{',
  '}',
  ',',
  '1e9',
  '-1',
  'true',
  'inf',
  'nan',
  '2024-01-01',
  '"50MB"',
  '"smtp:127.0.0.1:1"',
  '"unix:/x"',
  '__proto__ = 1\n',
  'constructor.prototype = 1\n',
  'state_dir = "x"\n',
  '\xff',
  '\0',
  '"""',
  '[observe]\nlisten = ""\n',
];
const documents: Buffer[] = [];

const configuration: Target = {
  name: 'configuration',
  // The administrator's own file: every error is explained, with the key that was probably meant.
  pace: 1000,
  async prepare() {
    folder = mkdtempSync(join(tmpdir(), 'sealpost-fuzz-'));
    documents.push(Buffer.from(describeConfig()));
  },
  close: () => rmSync(folder, { recursive: true, force: true }),
  make: (random) =>
    random.oneIn(2)
      ? mutate(random, random.pick(documents), TOML_WORDS, documents)
      : ofWords(random, TOML_WORDS, 30),
  run(bytes) {
    const path = join(folder, 'sealpost.toml');
    writeFileSync(path, bytes);
    let forPipe = false;
    try {
      const { config } = loadConfig({ path, cwd: folder, env: {} });
      // A site without an LMTP listener is nothing for sealpost-pipe.
      forPipe = config.filter.listen.some(({ protocol }) => protocol === 'lmtp');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
    try {
      readPipeSettings(bytes.toString('utf8'), path);
    } catch (error) {
      if (!(error instanceof BadConfiguration)) throw error;
      must(!forPipe, `the pipe refuses what sealpost takes: ${error.message}`);
    }
    must(
      ({} as Record<string, unknown>).polluted === undefined && Object.keys(Object.prototype).length === 0,
      'a prototype was changed',
    );
  },
};

export const WIRE_TARGETS: readonly Target[] = [
  dialogue,
  replies,
  decoderTarget('tcp-table', createTcpTableDecoder),
  decoderTarget('socketmap', createSocketmapDecoder),
  decoderTarget('policy-delegation', createPolicyDecoder),
  keys,
  pipeArguments,
  configuration,
];
