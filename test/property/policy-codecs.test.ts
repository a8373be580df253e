// The three wire parsers of the lookup daemons: whatever comes, and however it is cut, they give the same requests and
// errors, keep their limits, and never throw.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPolicyDecoder, encodeAction } from '../../policy/delegation-codec.ts';
import { createSocketmapDecoder, encodeSocketmapAnswer, netstring } from '../../policy/socketmap-codec.ts';
import {
  createTcpTableDecoder,
  encodeTcpAnswer,
  hexQuote,
  hexUnquote,
} from '../../policy/tcp-table-codec.ts';
import type { Decoder } from '../../policy/wire.ts';

/** Everything that a decoder says of chunks, as text; at an error with `close` it is done. */
function decode<R>(make: () => Decoder<R>, chunks: readonly Buffer[]): string[] {
  const decoder = make();
  const said: string[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let item = decoder.next(); item !== null; item = decoder.next()) {
      if (item.kind === 'request') {
        said.push(JSON.stringify(item.request instanceof Map ? [...item.request] : item.request));
        continue;
      }
      said.push(`! ${item.reason} ${item.reply?.toString('latin1') ?? 'no reply'} ${item.close}`);
      if (item.close) return said;
    }
    if (decoder.buffered() > LIMIT + chunk.length) throw new Error(`${decoder.buffered()} bytes are kept`);
  }
  return said;
}

/** More than any of the protocols keeps. */
const LIMIT = 66_000;

/** A small generator with a seed, so that a failure comes again (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const words: Readonly<Record<string, readonly string[]>> = {
  tcp_table: [
    'get ',
    'get',
    'put ',
    ' ',
    '\n',
    '\n',
    '\r\n',
    '%',
    '%4',
    '%40',
    '%zz',
    '%C3%BC',
    'alice',
    '@example.org',
    '\0',
    '\xff',
    '\t',
    'GET ',
  ],
  socketmap: [
    '3:a b,',
    '5:',
    '12:',
    '0:,',
    '00:',
    '-1:',
    '99999:',
    '10001:',
    '123456',
    ':',
    ',',
    'virtual_alias ',
    'x',
    '\n',
    '\0',
    '\xff',
    ' ',
    '7:map key',
  ],
  policy: [
    'request=smtpd_access_policy\n',
    'recipient=',
    'alice@example.org',
    '\n',
    '\n\n',
    '\r\n',
    '=',
    'size=12\n',
    'a=b\n',
    '\0',
    '\xff',
    ' ',
    'request=x\n',
  ],
};

function fuzz(next: () => number, vocabulary: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  const count = 1 + Math.floor(next() * 10);
  for (let index = 0; index < count; index += 1) {
    const word = vocabulary[Math.floor(next() * vocabulary.length)] ?? '';
    const piece = Buffer.from(next() < 0.9 ? word : String.fromCharCode(Math.floor(next() * 256)), 'latin1');
    parts.push(piece);
  }
  return Buffer.concat(parts);
}

const protocols: readonly (readonly [string, () => Decoder<unknown>])[] = [
  ['tcp_table', createTcpTableDecoder],
  ['socketmap', createSocketmapDecoder],
  ['policy', createPolicyDecoder],
];

describe.each(protocols)('the %s parser', (name, make) => {
  it('reads 100,000 random inputs the same whole and byte by byte', () => {
    const next = random(20261121);
    const vocabulary = words[name] ?? [];
    let requests = 0;
    let errors = 0;
    for (let run = 0; run < 100_000; run += 1) {
      const input = fuzz(next, vocabulary);
      const whole = decode(make, [input]);
      const bytes: Buffer[] = [];
      for (let index = 0; index < input.length; index += 1) bytes.push(input.subarray(index, index + 1));
      const split = decode(make, bytes);
      if (whole.join('\n') !== split.join('\n')) {
        throw new Error(
          `run ${run}: ${JSON.stringify(input.toString('latin1'))}: ${whole.join('; ')} or ${split.join('; ')}`,
        );
      }
      for (const each of whole) {
        if (each.startsWith('!')) errors += 1;
        else requests += 1;
      }
    }
    // The vocabulary must reach both sides, or the test says nothing.
    expect(requests).toBeGreaterThan(1000);
    expect(errors).toBeGreaterThan(1000);
  });

  it('reads an input the same wherever it is cut in two', () => {
    const next = random(7);
    for (let run = 0; run < 1000; run += 1) {
      const input = fuzz(next, words[name] ?? []);
      const whole = decode(make, [input]).join('\n');
      for (let at = 0; at <= input.length; at += 1) {
        const cut = decode(make, [input.subarray(0, at), input.subarray(at)]).join('\n');
        if (cut !== whole) throw new Error(`${JSON.stringify(input.toString('latin1'))} cut at ${at}`);
      }
    }
  });

  it('keeps a bounded part of an endless input', () => {
    const decoder = make();
    let most = 0;
    for (let chunk = 0; chunk < 200; chunk += 1) {
      decoder.push(Buffer.alloc(16_384, '1'));
      const item = decoder.next();
      if (item?.kind === 'error' && item.close) return;
      most = Math.max(most, decoder.buffered());
    }
    expect(most).toBeLessThan(LIMIT + 16_384);
  });
});

describe('tcp_table encoding', () => {
  it('gives back every byte string', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const text = Buffer.from(bytes).toString('latin1');
        expect(hexUnquote(hexQuote(text))).toBe(text);
        expect(hexQuote(text)).toMatch(/^(?:[!-$&-~]|%[0-9A-F]{2})*$/);
      }),
    );
  });
  it('makes one line of at most 4096 bytes of every answer', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (value) => {
        const line = encodeTcpAnswer({ kind: 'found', value, reason: '' }).toString('latin1');
        expect(line.length).toBeLessThanOrEqual(4096);
        expect(line).toMatch(/^[24]00 [!-~]+\n$/);
      }),
    );
  });
  it('brings every key through', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const key = Buffer.from(bytes).toString('latin1');
        const [request] = decode(createTcpTableDecoder, [Buffer.from(`get ${hexQuote(key)}\n`, 'latin1')]);
        expect(request).toBe(JSON.stringify(key));
      }),
    );
  });
});

describe('socketmap encoding', () => {
  it('brings every key through', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const key = Buffer.from(bytes).toString('latin1');
        const [request] = decode(createSocketmapDecoder, [netstring(Buffer.from(`map ${key}`, 'latin1'))]);
        expect(request).toBe(JSON.stringify({ map: 'map', key }));
      }),
    );
  });
  it('makes a netstring of at most 100,000 bytes of every answer', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.constantFrom(1, 1000), (text, times) => {
        const value = text.repeat(times);
        const reply = encodeSocketmapAnswer({ kind: 'found', value, reason: '' });
        const colon = reply.indexOf(':');
        const length = Number(reply.toString('latin1', 0, colon));
        expect(reply.length).toBe(colon + 1 + length + 1);
        expect(length).toBeLessThanOrEqual(100_000);
        expect(reply.subarray(colon + 1).toString('latin1')).toMatch(/^(?:OK|TEMP) .+,$/s);
      }),
      { numRuns: 50 },
    );
  });
});

describe('policy actions', () => {
  it('are one line and never empty, whatever they are made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (action) => {
        expect(encodeAction(action).toString('latin1')).toMatch(/^action=[!-~][ -~]*\n\n$/);
      }),
    );
  });
  it.each(['', ' ', '\n', '\r\n\r\n'])(
    '%j becomes a deferral, since Postfix permits on an empty action',
    (action) => {
      expect(encodeAction(action).toString()).toBe('action=DEFER 4.3.0 Internal error\n\n');
    },
  );
});
