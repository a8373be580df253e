// What each request of the three protocols is answered with, to the byte.
import { describe, expect, it } from 'vitest';
import { encodePolicyAnswer, policyDelegation, sizeOf } from '../../../policy/delegation.ts';
import { createPolicyDecoder, MOST_ATTRIBUTES } from '../../../policy/delegation-codec.ts';
import { type Answer, notFound } from '../../../policy/facts.ts';
import type { Lookups } from '../../../policy/lookups.ts';
import { createSocketmapDecoder, encodeSocketmapAnswer } from '../../../policy/socketmap-codec.ts';
import { createTcpTableDecoder, encodeTcpAnswer } from '../../../policy/tcp-table-codec.ts';
import type { Decoded, Decoder } from '../../../policy/wire.ts';
import { parsePath } from '../../../src/address/normalise.ts';

const FOUND: Answer = { kind: 'found', value: 'REJECT 5.1.1 100% ü', reason: 'r' };
const MISSING: Answer = { kind: 'not found', reason: 'nobody has this address' };
const AWAY: Answer = { kind: 'temporary', enhanced: '4.4.3', reason: 'the database does not answer' };

function all<R>(decoder: Decoder<R>, input: string): Decoded<R>[] {
  decoder.push(Buffer.from(input, 'latin1'));
  const items: Decoded<R>[] = [];
  for (let item = decoder.next(); item !== null; item = decoder.next()) {
    items.push(item);
    if (item.kind === 'error' && item.close) break;
  }
  return items;
}

describe('tcp_table answers', () => {
  it.each([
    [FOUND, '200 REJECT%205.1.1%20100%25%20%C3%BC\n'],
    [MISSING, '500 nobody%20has%20this%20address\n'],
    [AWAY, '400 the%20database%20does%20not%20answer\n'],
    [{ kind: 'found', value: '', reason: '' } as const, '400 the%20answer%20is%20empty\n'],
    [{ kind: 'found', value: 'a'.repeat(4091), reason: '' } as const, `200 ${'a'.repeat(4091)}\n`],
    [{ kind: 'found', value: 'a'.repeat(4092), reason: '' } as const, '400 the%20answer%20is%20too%20long\n'],
  ])('%j', (answer, line) => {
    expect(encodeTcpAnswer(answer).toString('latin1')).toBe(line);
  });
});

describe('tcp_table requests', () => {
  const key = (text: string): Decoded<string>[] => all(createTcpTableDecoder(), text);
  it.each([
    ['get alice@example.org\n', 'alice@example.org'],
    ['get a%40b\n', 'a@b'],
    ['get %22eve%20smith%22@x\n', '"eve smith"@x'],
    ['get %c3%BC@x\n', '\xc3\xbc@x'],
    ['get \n', ''],
    ['get %25\n', '%'],
  ])('%j asks for %j', (line, wanted) => {
    expect(key(line)).toEqual([{ kind: 'request', request: wanted }]);
  });
  it.each([
    ['put a b\n', '500', 'put'],
    ['GET a\n', '500', 'unknown command'],
    ['\n', '500', 'unknown command'],
    ['quit\n', '500', 'unknown command'],
    ['get\n', '400', 'no key'],
    ['get a b\n', '400', 'raw bytes in the key'],
    ['get a\r\n', '400', 'raw bytes in the key'],
    ['get \xff\n', '400', 'raw bytes in the key'],
    ['get %4\n', '400', 'bad hex'],
    ['get %zz\n', '400', 'bad hex'],
    ['get a%\n', '400', 'bad hex'],
    [`get ${'a'.repeat(4091)}\n`, undefined, ''],
    [`get ${'a'.repeat(4092)}\n`, '400', 'overlong line'],
  ])('%j gets %s', (line, code, reason) => {
    const [item] = key(line);
    if (code === undefined) expect(item?.kind).toBe('request');
    else {
      expect(item).toMatchObject({ kind: 'error', reason, close: false });
      expect(item?.kind === 'error' ? item.reply?.toString('latin1') : '').toMatch(
        new RegExp(`^${code} [!-~]+\n$`),
      );
    }
  });
  it('answers an overlong line once, and reads on behind it', () => {
    const items = key(`get ${'a'.repeat(100_000)}\nget b\n`);
    expect(items.map((item) => item.kind)).toEqual(['error', 'request']);
  });
  it('wants the end of a line', () => {
    expect(key('get alice@example.org')).toEqual([]);
  });
});

describe('socketmap', () => {
  it.each([
    [FOUND, '23:OK REJECT 5.1.1 100% \xc3\xbc,'],
    [MISSING, '9:NOTFOUND ,'],
    [AWAY, '33:TEMP the database does not answer,'],
    [{ kind: 'found', value: '', reason: '' } as const, '24:TEMP the answer is empty,'],
  ])('answers %j', (answer, text) => {
    expect(encodeSocketmapAnswer(answer).toString('latin1')).toBe(text);
  });
  it.each([
    ['7:map key,', { map: 'map', key: 'key' }],
    ['4:map ,', { map: 'map', key: '' }],
    ['9:map a b c,', { map: 'map', key: 'a b c' }],
    ['7:map a,b,', { map: 'map', key: 'a,b' }],
  ])('%j asks for %j', (text, request) => {
    expect(all(createSocketmapDecoder(), text)).toEqual([{ kind: 'request', request }]);
  });
  it.each([
    [':,', true],
    ['x:map key,', true],
    ['07:map key,', true],
    ['-7:map key,', true],
    ['+7:map key,', true],
    [' 7:map key,', true],
    ['7 :map key,', true],
    ['7:map keyx', true],
    ['7;map key,', true],
    ['10001:', true],
    ['999999', true],
    ['0:,', false],
    ['3:map,', false],
    ['4: key,', false],
  ])('%j gets PERM, and the connection is closed: %s', (text, close) => {
    const [item] = all(createSocketmapDecoder(), text);
    expect(item).toMatchObject({ kind: 'error', close });
    expect(item?.kind === 'error' ? item.reply?.toString('latin1') : '').toMatch(/^\d+:PERM .+,$/);
  });
  it('takes a request of 10,000 bytes', () => {
    const request = `map ${'a'.repeat(9996)}`;
    expect(all(createSocketmapDecoder(), `10000:${request},`)[0]?.kind).toBe('request');
  });
  it('waits for the rest of a request', () => {
    for (const part of ['1', '10', '7:', '7:map', '7:map key'])
      expect(all(createSocketmapDecoder(), part)).toEqual([]);
  });
});

describe('policy requests', () => {
  const read = (text: string) => all(createPolicyDecoder(), text);
  const good = 'request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=a=b@x\nsize=12\n';
  it('end with an empty line', () => {
    expect(read(good)).toEqual([]);
    const [item] = read(`${good}\n`);
    expect(item?.kind === 'request' ? item.request.get('recipient') : '').toBe('a=b@x');
  });
  it('may follow one another', () => {
    expect(read(`${good}\n${good}\n`).map(({ kind }) => kind)).toEqual(['request', 'request']);
  });
  it.each([
    ['CRLF', 'request=smtpd_access_policy\r\nrecipient=a@x\r\n\r\n'],
    ['another request', 'request=junk\n\n'],
    ['no request', 'recipient=a@x\n\n'],
    ['an empty request', '\n'],
    ['a line without =', 'request=smtpd_access_policy\nrecipient\n\n'],
    ['a line without a name', '=value\n\n'],
    ['NUL', 'request=smtpd_access_policy\nrecipient=a\0b@x\n\n'],
    ['5,000 attributes', `${Array.from({ length: 5000 }, (_, n) => `a${n}=b\n`).join('')}\n`],
    ['too many attributes with one name', `${'a=b\n'.repeat(MOST_ATTRIBUTES + 1)}\n`],
    ['an endless line', `a=${'b'.repeat(70_000)}`],
    ['an endless request', 'a=b\n'.repeat(20_000)],
    ['tcp_table', 'get alice@example.org\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\n'],
  ])('with %s are closed without a reply', (_what, text) => {
    expect(read(text).at(-1)).toMatchObject({ kind: 'error', reply: null, close: true });
  });
  it('tell the size where it is known', () => {
    expect(sizeOf(new Map([['size', '12']]))).toBe(12);
    for (const size of ['0', '', '-1', '1e3', '99999999999999999999'])
      expect(sizeOf(new Map([['size', size]]))).toBeNull();
    expect(sizeOf(new Map())).toBeNull();
  });
  it.each([
    ['alice@example.org', 'alice'],
    ['eve smith@example.org', 'eve smith'],
    ['a"b@example.org', 'a"b'],
    ['"alice"@example.org', 'alice'],
    ['"eve \\"smith"@example.org', 'eve "smith'],
    ['al\\ice@example.org', 'al\\ice'],
    ['a\\"b@example.org', 'a\\"b'],
    ['a@b@example.org', 'a@b'],
    ['a"@b@example.org', 'a"@b'],
    ['@relay.example:alice@example.org', '@relay.example:alice'],
  ])('name a recipient without quotes, and may with them: %s is %s', async (recipient, local) => {
    const asked: string[] = [];
    const lookups = {
      answer: (_map: string, key: string) => {
        asked.push(key);
        return notFound('nobody');
      },
    } as unknown as Lookups;
    await policyDelegation(lookups, () => undefined).answer(new Map([['recipient', recipient]]));
    expect(asked.map((key) => parsePath(key))).toEqual([{ local, domain: 'example.org' }]);
  });
  it.each([
    [FOUND, 'action=REJECT 5.1.1 100%\n\n'],
    [MISSING, 'action=DUNNO\n\n'],
    [AWAY, 'action=DEFER 4.4.3 The recipient cannot be checked now; try again later\n\n'],
  ])('are answered %j', (answer, reply) => {
    expect(encodePolicyAnswer(answer).toString('latin1')).toBe(reply);
  });
});
