// The forms in which an X.509 certificate reaches us, and self-made ones that call themselves authorities.
// @module-tag slow
import { beforeAll, describe, expect, it } from 'vitest';
import { judgeX509 } from '../../../src/keys/judge-x509.ts';
import { plainUpload } from '../../../src/keys/upload-text.ts';
import { isX509Upload } from '../../../src/smime/upload.ts';
import { type Authority, openAuthority } from '../../support/authority.ts';
import { need } from '../../support/needs.ts';

need('openssl');

const utf16 = (text: string, mark = '\ufeff') => Buffer.from(mark + text, 'utf16le');

describe('an X.509 certificate is read', () => {
  let authority: Authority;
  let own: { readonly der: Buffer; readonly pem: string };
  beforeAll(() => {
    authority = openAuthority();
    own = authority.issue('own');
    return () => authority.close();
  });
  const forms: readonly (readonly [form: string, make: () => Buffer | string])[] = [
    ['in DER', () => own.der],
    ['in DER with a newline behind it', () => Buffer.concat([own.der, Buffer.from('\n')])],
    ['in DER with CRLF behind it', () => Buffer.concat([own.der, Buffer.from('\r\n')])],
    ['in UTF-16', () => utf16(own.pem.replaceAll('\n', '\r\n'))],
    ['in UTF-16 without a mark', () => utf16(own.pem, '')],
    ['in UTF-8 with a mark', () => `\ufeff${own.pem}`],
    ['with newlines turned to blanks', () => own.pem.replaceAll('\n', ' ')],
    ['without newlines', () => own.pem.replaceAll('\n', '')],
    ['dash-escaped', () => own.pem.replace(/^-/gm, '- -')],
    ['quoted in a reply', () => own.pem.replace(/^/gm, '> ')],
    ['between words', () => `Hello,\n${own.pem}\n-- \nAlice`],
  ];
  it.each(forms)('%s', async (_form, make) => {
    const upload = plainUpload(Buffer.from(make()));
    expect(isX509Upload(upload)).toBe(true);
    const judged = await judgeX509(upload, { anchors: [], pin: true }, Date.now());
    expect(judged).toMatchObject([{ refusal: null, certificate: own.der }]);
  });

  const usages: readonly (readonly [string, readonly string[]])[] = [
    ['any use', []],
    ['keyCertSign', ['keyUsage=critical,keyCertSign,keyEncipherment,keyAgreement']],
    ['signing and encryption only', ['keyUsage=critical,digitalSignature,keyEncipherment,keyAgreement']],
  ];
  it.each(usages)('though it calls itself an authority, with %s, under --pin alone', async (name, usage) => {
    const made = authority.issue(`ca-${name.replaceAll(' ', '-')}`, {
      extensions: ['subjectAltName=email:own@example.org', 'basicConstraints=critical,CA:TRUE', ...usage],
    });
    const [pinned] = await judgeX509(made.der, { anchors: [], pin: true }, Date.now());
    expect(pinned).toMatchObject({ refusal: null, facts: { selfSigned: true } });
    const [unpinned] = await judgeX509(made.der, { anchors: [], pin: false }, Date.now());
    expect(unpinned?.refusal?.code).toBe('authority');
  });

  it('in no more than linear time, however many blocks are left open', async () => {
    const open = Buffer.from('-----BEGIN A-----'.repeat(15_000));
    const before = process.cpuUsage();
    const [judged] = await judgeX509(open, { anchors: [], pin: false }, Date.now());
    const { user, system } = process.cpuUsage(before);
    expect(judged?.refusal?.code).toBe('damaged');
    expect((user + system) / 1000).toBeLessThan(1000);
  });
});
