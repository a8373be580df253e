// Header sections over raw bytes: nothing is lost, and what is a field and what is body agrees with Postfix.
import { describe, expect, it } from 'vitest';
import { fieldsNamed, fieldValue, lineEndingOf, splitMessage } from '../../../src/message/header.ts';
import { countReceived, findMessageId } from '../../../src/message/received.ts';
import { stripSealpostFields } from '../../../src/message/sealpost-fields.ts';
import { corpus } from '../../fixtures/corpus.ts';
import { quickest } from '../../fixtures/processor-time.ts';

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function named(name: string): Buffer {
  const found = corpus().find((each) => each.name === name);
  if (found === undefined) throw new Error(`no ${name} in the corpus`);
  return found.message;
}

/** Names, separator and body, readable. */
function shape(text: string) {
  const parts = splitMessage(bytes(text));
  return {
    fields: parts.fields.map((field) => field.name),
    separator: parts.separator.toString('latin1'),
    body: parts.body.toString('latin1'),
  };
}

describe('splitMessage', () => {
  it('gives back every byte of every message of the corpus', () => {
    for (const { name, message } of corpus()) {
      const parts = splitMessage(message);
      const together = Buffer.concat([
        parts.preamble,
        ...parts.fields.map(({ raw }) => raw),
        parts.separator,
        parts.body,
      ]);
      expect(together.equals(message), name).toBe(true);
    }
  });

  it('copies nothing', () => {
    const message = named('text-plain');
    for (const { raw } of splitMessage(message).fields) expect(raw.buffer).toBe(message.buffer);
    expect(splitMessage(message).body.buffer).toBe(message.buffer);
  });

  it.each([
    ['an ordinary message', 'A: 1\r\nB: 2\r\n\r\nbody\r\n', ['a', 'b'], '\r\n', 'body\r\n'],
    ['bare LF', 'A: 1\nB: 2\n\nbody\n', ['a', 'b'], '\n', 'body\n'],
    ['bare CR, whose text must not pass for a header field', 'A: 1\rB: 2\r\rbody', ['a', 'b'], '\r', 'body'],
    ['CR CR LF', 'A: 1\r\r\nB: 2\r\r\n', ['a'], '\r\n', 'B: 2\r\r\n'],
    ['folding', 'A: 1\r\n 2\r\n\t3\r\nB: 4\r\n\r\n', ['a', 'b'], '\r\n', ''],
    ['a folded line of spaces', 'A: 1\r\n  \r\nB: 2\r\n\r\nx', ['a', 'b'], '\r\n', 'x'],
    ['white space before the colon', 'A : 1\r\nB\t: 2\r\n\r\nx', ['a', 'b'], '\r\n', 'x'],
    ['no blank line', 'A: 1\r\nthis is text', ['a'], '', 'this is text'],
    ['no header', '\r\nbody', [], '\r\n', 'body'],
    ['text at once', 'just text\r\nmore: of it', [], '', 'just text\r\nmore: of it'],
    ['white space at once', ' A: 1\r\nB: 2\r\n', [], '', ' A: 1\r\nB: 2\r\n'],
    ['an empty name', ': 1\r\nB: 2\r\n', [], '', ': 1\r\nB: 2\r\n'],
    ['8-bit in a name', 'A\xe9: 1\r\n', [], '', 'A\xe9: 1\r\n'],
    ['the end within a field', 'A: 1\r\nB: unfin', ['a', 'b'], '', ''],
    ['nothing', '', [], '', ''],
  ])('reads %s', (_name, text, fields, separator, body) => {
    expect(shape(text)).toEqual({ fields, separator, body });
  });

  it('takes an mbox line at the top for neither field nor body', () => {
    const parts = splitMessage(named('mbox-from'));
    expect(parts.preamble.toString('latin1')).toBe('From alice@example.org Mon Feb  5 10:00:00 2024\r\n');
    expect(fieldsNamed(parts, 'from')).toHaveLength(1);
  });

  it('takes "From :" at the top for the field that it is', () => {
    expect(shape('From : a@example.org\r\n\r\n').fields).toEqual(['from']);
  });

  it('unfolds a value without changing a byte of it', () => {
    const [field] = splitMessage(bytes('Subject: Gr\xfc\xdfe\r\n\taus  K\xf6ln \r\n\r\n')).fields;
    expect(field && fieldValue(field)).toBe('Gr\xfc\xdfe\taus  K\xf6ln');
  });

  it('takes what follows 10,000 fields for body, so that it is sealed and memory is not exhausted', () => {
    const message = bytes(`${'a:\n'.repeat(20_000)}\nbody`);
    const parts = splitMessage(message);
    expect(parts.fields).toHaveLength(10_000);
    expect(parts.body.length).toBe(10_000 * 3 + '\nbody'.length);
  });

  it('is linear: 25 MB of one field, of short fields, or of no field take less than two seconds each', {
    tags: ['slow'],
  }, () => {
    for (const text of ['a: '.padEnd(25_000_000, 'x'), 'a:\n'.repeat(8_000_000), 'a'.repeat(25_000_000)]) {
      const message = bytes(text);
      expect(quickest(2000, () => splitMessage(message))).toBeLessThan(2000);
    }
  });

  it('tells the line ending of the first line', () => {
    expect(lineEndingOf(named('text-plain'))).toBe('\r\n');
    expect(lineEndingOf(named('bare-lf'))).toBe('\n');
    expect(lineEndingOf(named('bare-cr'))).toBe('\r\n');
    expect(lineEndingOf(Buffer.alloc(0))).toBe('\r\n');
  });
});

describe('Received and Message-ID', () => {
  it('counts hops, in any case, and not those of a forwarded message', () => {
    expect(countReceived(named('many-received'))).toBe(61);
    expect(countReceived(bytes('received: a\nRECEIVED : b\nX-Received: c\n\nReceived: d\n'))).toBe(2);
    expect(countReceived(named('empty'))).toBe(0);
  });

  it('finds the Message-ID without brackets, folded or bare, and nothing where there is none', () => {
    expect(findMessageId(named('text-plain'))).toBe('corpus@example.org');
    expect(findMessageId(bytes('Message-ID:\r\n <a@example.org> (comment)\r\n\r\n'))).toBe('a@example.org');
    expect(findMessageId(bytes('message-id: bare@example.org\r\n\r\n'))).toBe('bare@example.org');
    expect(findMessageId(bytes('Message-ID: <>\r\n\r\n'))).toBe('');
    expect(findMessageId(bytes('From: a@example.org\r\n\r\nMessage-ID: <body@example.org>'))).toBe('');
  });
});

describe('Sealpost-* fields from outside', () => {
  it('are removed wherever they stand in the header, folded or not, in any case (lesson 19)', () => {
    const clean = stripSealpostFields(named('forged-status')).toString('latin1');
    expect(clean).not.toMatch(/^sealpost-status: sealed/im);
    expect(clean).not.toContain('Sealpost-Anything');
    expect(clean).not.toContain(' folded');
    expect(clean.endsWith('\r\n\r\nSealpost-Status: in the body\r\n')).toBe(true);
    expect(clean).toBe(
      named('forged-status')
        .toString('latin1')
        .replace('sealpost-status: sealed; key=00; by=evil\r\n', '')
        .replace('Sealpost-Anything:\r\n folded\r\n', ''),
    );
  });

  it('are removed with white space before the colon, behind an mbox line, and behind ten thousand fields', () => {
    expect(stripSealpostFields(bytes('From x\nSealpost-Status : sealed\nA: 1\n\n')).toString()).toBe(
      'From x\nA: 1\n\n',
    );
    const many = 'a:\n'.repeat(12_000);
    expect(stripSealpostFields(bytes(`${many}Sealpost-Status: x\n\n`)).toString()).toBe(`${many}\n`);
  });

  it('leave the empty line behind them what it was, also between a bare CR and an LF', () => {
    const clean = stripSealpostFields(bytes('A: 1\rSealpost-Status: x\r\n\nbody: text'));
    expect(clean.toString()).toBe('A: 1\r\n\nbody: text');
    expect(splitMessage(clean).body.toString()).toBe('body: text');
  });

  it('leave a text that begins with "From " body, and do not make it an mbox line', () => {
    const message = bytes('Sealpost-Status: x\nFrom here on\nPlan: secret\n\nmore');
    const { body } = splitMessage(message);
    expect(splitMessage(stripSealpostFields(message)).body.equals(body)).toBe(true);
  });

  it('leave a message that has none as the very same buffer', () => {
    for (const { name, message } of corpus()) {
      if (name !== 'forged-status') expect(stripSealpostFields(message), name).toBe(message);
    }
  });
});
