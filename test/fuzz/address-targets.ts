// What is done with addresses, with the rules that read a header, and with the parts of a message that is sealed inline.
import { asPostfixResolves, MAX_STEPS } from '../../src/address/as-postfix-resolves.ts';
import { parsePath, partsOf, toAddress } from '../../src/address/normalise.ts';
import { MAX_PATTERN, matchesPattern, patternOf, subjectOf } from '../../src/address/pattern.ts';
import { readingsOf } from '../../src/address/readings.ts';
import { ruledMessage, ruleMatches } from '../../src/delivery/rules.ts';
import { type DirectoryRows, resolveRecipient } from '../../src/directory/resolve.ts';
import { readTree } from '../../src/message/mime-tree.ts';
import { plaintextOf } from '../../src/sealing/inline-part.ts';
import { anyAddress } from '../support/any-address.ts';
import { rowsOf } from '../unit/directory/rows.ts';
import { MAIL_WORDS, randomMessage } from './messages.ts';
import { mutate, type Random } from './random.ts';
import { must, type Target } from './target.ts';

const READING = {
  percentHack: true,
  bangpath: true,
  dequote: true,
  origin: 'example.org',
  hostname: 'mx.example.org',
} as const;
const DELIMITERS = ['', '+', '-', '+-'] as const;
const ADDRESS_WORDS = ['@', '%', '!', '"', '\\', '+', '-', '.', 'id_1', 'xn--', 'example.org', '\xc3\x9f'];
/** In latin1, as it comes over the wire: two marks in UTF-8. */
const MARKS = Buffer.from('\u0301\u0323'.repeat(200));

const directory: DirectoryRows = rowsOf({
  domains: { 'example.org': {}, 'exact.example': { foldLocalPart: false } },
  users: {
    'alice@example.org': { id: 1, key: true },
    'o.malley@example.org': { id: 2 },
    '"x y"@example.org': { id: 3 },
    'straße@example.org': { id: 4 },
  },
  aliases: {
    'team@example.org': ['alice@example.org', '#2', 'carol@outside.example'],
    'round@example.org': ['about@example.org'],
    'about@example.org': ['round@example.org'],
    '@exact.example': ['alice@example.org'],
  },
  otherNames: { 'example.net': 'example.org' },
});

/** Whoever is behind it, in words that can be compared. */
function behind(path: string, delimiters: string): string {
  const parts = parsePath(path);
  if (parts === null) return 'no address';
  const { facts } = resolveRecipient(directory, parts, { delimiters, mailboxDomain: '' });
  const { address } = facts;
  must(
    address !== null && toAddress(partsOf(address), false) === address,
    'the address that is looked up changes again',
  );
  const { resolution } = facts;
  if (resolution.kind !== 'user') return resolution.kind;
  return resolution.readers
    .map((reader) => (reader.kind === 'user' ? `user ${reader.user.id}` : 'outside'))
    .join();
}

const resolution: Target = {
  name: 'address-resolution',
  make: (random) =>
    mutate(
      random,
      Buffer.from(anyAddress(random, ['example.org', 'example.net', 'exact.example']), 'utf8'),
      ADDRESS_WORDS,
      [MARKS],
    ),
  run(bytes, random) {
    const path = bytes.toString('latin1');
    const delimiters = random.pick(DELIMITERS);
    const found = behind(path, delimiters);
    const shouted = path.replace(/[a-z]/g, (letter) => letter.toUpperCase());
    must(
      behind(shouted, delimiters) === found,
      `in capitals it is ${behind(shouted, delimiters)} and not ${found}`,
    );
    const { readings } = readingsOf(path, {
      ...READING,
      maybeAppended: random.oneIn(2) ? 'example.org' : null,
    });
    must(readings.length <= MAX_STEPS + 1, 'more readings than steps');
    const { steps } = asPostfixResolves(path, { ...READING, appendedDomain: null, isLocal: () => true });
    must(steps.length <= MAX_STEPS + 1, 'more steps than there may be');
  },
};

/** Slowly, and in the plainest way. */
function matchesByRegExp(pattern: string, text: string): boolean {
  const source = pattern.replace(/\\(.)|([*?])|([\s\S])/gsu, (_, escaped, wild, plain) => {
    if (wild !== undefined) return wild === '*' ? '[^]*' : '[^]';
    return (escaped ?? plain).replace(/[$()*+.?[\\\]^{|}/-]/g, '\\$&');
  });
  return new RegExp(`^${source}$`, 'u').test(text);
}

function randomPattern(random: Random): string {
  const words = Array.from({ length: random.below(6) }, () =>
    random.pick(['*', '?', 'a', 'ab', '\\*', 'ü', 'A', '=']),
  );
  return words.join('');
}

const rules: Target = {
  name: 'rule-matching',
  make: (random) => randomMessage(random),
  run(message, random) {
    const ruled = ruledMessage(message, 'sender@example.net');
    const name = random.pick(['subject', 'list-id', 'to', 'x']);
    const pattern = randomPattern(random);
    const rule = {
      id: 1,
      action: 'seal',
      sender: null,
      header: { name, pattern },
      largerThan: null,
    } as const;
    const values = ruled.values(name);
    const once = ruleMatches(rule, ruled);
    must(ruleMatches(rule, ruled) === once, 'asked again, it is another answer');
    must(
      values.some((value) => matchesPattern(pattern, value)) === once,
      'value by value, it is another answer',
    );
    must(ruled.matches(name, '*') === values.length > 0, '"*" does not match what is there');
    const text = random.pick(MAIL_WORDS).slice(0, 40) + random.pick(['', 'a', 'ab', 'üA', '*']);
    const folded = subjectOf(text).characters.join('');
    must(
      matchesPattern(patternOf(pattern), text) ===
        matchesByRegExp(subjectOf(pattern).characters.join(''), folded),
      `${JSON.stringify(pattern)} and ${JSON.stringify(text)} match in one way only`,
    );
    must(
      matchesPattern(text.replace(/[\\*?]/g, '\\$&').slice(0, MAX_PATTERN), text),
      'a text does not match itself',
    );
  },
};

const tree: Target = {
  name: 'inline-tree',
  make: (random) => randomMessage(random),
  run(message) {
    const pieces = readTree(message, 500);
    if (pieces === null) return;
    const together = Buffer.concat(
      pieces.flatMap((piece) => {
        if (piece.kind === 'around' || piece.kind === 'delimiter') return [piece.bytes];
        const { preamble, fields, separator } = piece.head;
        const head = [preamble, ...fields.map(({ raw }) => raw), separator];
        return piece.kind === 'leaf' ? [...head, piece.body] : head;
      }),
    );
    must(together.equals(message), 'the pieces together are another message');
    for (const [index, piece] of pieces.entries()) {
      if (piece.kind !== 'leaf') continue;
      const { plaintext } = plaintextOf(piece);
      must(plaintext.length <= piece.body.length + 2, 'more came out of a part than is in it');
      const { within } = piece;
      must(
        within === null || (within < index && pieces[within]?.kind === 'container'),
        'a part of what is no multipart',
      );
    }
  },
};

export const ADDRESS_TARGETS: readonly Target[] = [resolution, rules, tree];
