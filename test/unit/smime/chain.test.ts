// The paths from a certificate to a trusted authority: which ones are found, and which of them hold. The certificates are made
// by openssl.
// @module-tag slow
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validateChain } from '../../../src/smime/chain.ts';
import {
  type Authority,
  CA_EXTENSIONS,
  type Issued,
  type IssueOptions,
  openAuthority,
} from '../../support/authority.ts';

const DAY = 86_400_000;
const TRUSTED = { trusted: true };

let authority: Authority;
let root: Issued;

beforeAll(() => {
  authority = openAuthority();
  root = issueAuthority('root', {});
});
afterAll(() => authority.close());

const issueAuthority = (name: string, options: IssueOptions, ...extensions: readonly string[]) =>
  authority.issue(name, { issuer: root, extensions: [...CA_EXTENSIONS, ...extensions], ...options });
const validate = (
  certificate: Issued,
  chain: readonly Issued[],
  anchors: readonly Issued[] = [root],
  now = Date.now(),
) =>
  validateChain(
    certificate.der,
    chain.map(({ der }) => der),
    anchors.map(({ der }) => der),
    now,
  );

describe('a path is found', () => {
  it('through authorities that have signed each other, as when a root changes its key (RFC 4210, section 4.4)', async () => {
    const subject = '/O=Example/CN=rollover';
    const oldRoot = issueAuthority('old', { issuer: undefined, subject });
    const newRoot = issueAuthority('new', { issuer: undefined, subject });
    const oldWithNew = issueAuthority('oldwithnew', { issuer: newRoot, subject, keyOf: oldRoot });
    const newWithOld = issueAuthority('newwithold', { issuer: oldRoot, subject, keyOf: newRoot });
    const [before, after] = [oldRoot, newRoot].map((issuer, at) => authority.issue(`roll${at}`, { issuer }));
    const both = [newWithOld, oldWithNew];
    for (const leaf of [before, after] as readonly Issued[]) {
      expect(await validate(leaf, both, [newRoot])).toEqual(TRUSTED);
      expect(await validate(leaf, both, [oldRoot])).toEqual(TRUSTED);
      expect(await validate(leaf, both)).toMatchObject({ trusted: false });
    }
  });

  it('or given up, where many authorities have signed each other and none is trusted', async () => {
    const mesh = [0, 1, 2, 3].map((at) => issueAuthority(`mesh${at}`, { issuer: undefined }));
    const crossed = mesh.flatMap((issuer, by) =>
      mesh.map((keyOf, of) =>
        issueAuthority(`mesh${of}by${by}`, { issuer, keyOf, subject: `/O=Example/CN=mesh${of}` }),
      ),
    );
    const [first] = mesh as [Issued];
    const impostor = issueAuthority('impostor', { issuer: undefined, subject: '/O=Example/CN=mesh0' });
    expect(await validate(authority.issue('meshed', { issuer: first }), crossed, [impostor])).toEqual({
      trusted: false,
      because: 'its signature, or one on the way, is of none of the authorities that it names',
    });
  });

  it('beside an expired copy of an authority or of a root, whichever comes first', async () => {
    const middle = issueAuthority('middle', {});
    const expired = issueAuthority('expired', { keyOf: middle, subject: '/O=Example/CN=middle', days: 1 });
    const oldRoot = issueAuthority('expiredroot', {
      issuer: undefined,
      keyOf: root,
      subject: '/O=Example/CN=root',
      days: 1,
    });
    const leaf = authority.issue('leaf', { issuer: middle });
    const later = Date.now() + 5 * DAY;
    for (const chain of [
      [expired, middle],
      [middle, expired],
    ]) {
      for (const anchors of [
        [oldRoot, root],
        [root, oldRoot],
      ]) {
        expect(await validate(leaf, chain, anchors, later)).toEqual(TRUSTED);
      }
    }
    expect(await validate(leaf, [expired], [root], later)).toMatchObject({ trusted: false });
    expect(await validate(leaf, [middle], [oldRoot], later)).toMatchObject({ trusted: false });
  });

  it('beside a file full of certificates that are not on it', async () => {
    const middle = issueAuthority('crowded', {});
    const others = Array.from({ length: 8 }, (_, at) => [
      authority.issue(`reader${at}`, { issuer: middle }),
      issueAuthority(`other${at}`, {}),
    ]).flat();
    expect(await validate(authority.issue('one', { issuer: middle }), [...others, middle])).toEqual(TRUSTED);
  });
});

describe('an authority on the way is refused', () => {
  it.each([
    ['with a short key', { key: 'rsa:1024' }, [], 'uses RSA with 1024 bits, which is too weak'],
    [
      'with a critical extension that nobody knows',
      {},
      ['1.2.3.4=critical,ASN1:NULL'],
      'has the critical extension 1.2.3.4, which is not understood here',
    ],
  ])('%s', async (name, options, extensions, says) => {
    const flawed = issueAuthority(name.replaceAll(' ', ''), options, ...extensions);
    const leaf = authority.issue('below', { issuer: flawed });
    const result = await validate(leaf, [flawed]);
    expect(result).toMatchObject({ trusted: false, because: expect.stringContaining(says) });
    const sound = issueAuthority('sound', {
      keyOf: flawed,
      subject: `/O=Example/CN=${name.replaceAll(' ', '')}`,
    });
    expect(await validate(leaf, [flawed, sound])).toEqual(extensions.length > 0 ? TRUSTED : result);
  });
});

describe('an authority that is limited to some mail addresses', () => {
  const UTF8_MAILBOX = 'otherName:1.3.6.1.5.5.7.8.9;UTF8';
  const SUBJECT = '/CN=Reader/emailAddress=victim@other.org';
  const limited = new Map<string, Issued>();
  const limitedTo = (limits: string) => {
    const known =
      limited.get(limits) ??
      issueAuthority(`limited${limited.size}`, {}, `nameConstraints=critical,${limits}`);
    limited.set(limits, known);
    return known;
  };
  const certify = (issuer: Issued, names: string, subject = '/O=Example/CN=reader') =>
    authority.issue('named', {
      issuer,
      subject,
      extensions: names === '' ? ['basicConstraints=CA:FALSE'] : [`subjectAltName=${names}`],
    });

  it.each([
    ['a host', 'permitted;email:example.org', 'email:alice@example.org'],
    ['a host, in any case', 'permitted;email:Example.ORG', 'email:Alice@EXAMPLE.org'],
    ['one host of two', 'permitted;email:example.net,permitted;email:example.org', 'email:alice@example.org'],
    ['the hosts of a domain', 'permitted;email:.example.org', 'email:alice@mail.example.org'],
    ['a mailbox', 'permitted;email:alice@example.org', 'email:alice@example.org'],
    ['what is not excluded', 'excluded;email:other.org', 'email:alice@example.org'],
    [
      'a host, in Unicode',
      'permitted;email:xn--bcher-kva.org',
      `@names\n[names]\notherName.1=1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:älice@bücher.org`,
    ],
    ['other names than addresses', 'permitted;DNS:example.org', 'email:alice@other.org'],
  ])('may certify %s', async (_, limits, names) => {
    const issuer = limitedTo(limits);
    expect(await validate(certify(issuer, names), [issuer])).toEqual(TRUSTED);
  });

  it.each([
    ['another host', 'permitted;email:example.org', 'email:victim@other.org'],
    ['a host below', 'permitted;email:example.org', 'email:victim@other.example.org'],
    ['the domain of its hosts', 'permitted;email:.example.org', 'email:victim@example.org'],
    ['another mailbox', 'permitted;email:alice@example.org', 'email:victim@example.org'],
    [
      'two, of which one is not allowed',
      'permitted;email:example.org',
      'email:a@example.org,email:victim@other.org',
    ],
    [
      'another SmtpUTF8Mailbox',
      'permitted;email:example.org',
      `email:a@example.org,${UTF8_MAILBOX}:victim@other.org`,
    ],
    ['what is excluded', 'excluded;email:other.org', 'email:victim@other.org'],
    ['an excluded SmtpUTF8Mailbox', 'excluded;email:other.org', `${UTF8_MAILBOX}:victim@other.org`],
    ['another subject', 'permitted;email:example.org', 'email:alice@example.org', SUBJECT],
    ['an excluded subject', 'excluded;email:other.org', 'email:alice@example.org', SUBJECT],
    ['another subject without any other name', 'permitted;email:example.org', '', SUBJECT],
    ['another subject beside a host name', 'permitted;email:example.org', 'DNS:example.org', SUBJECT],
  ])('may not certify %s', async (_, limits, names, subject?: string) => {
    const issuer = limitedTo(limits);
    expect(await validate(certify(issuer, names, subject), [issuer])).toMatchObject({ trusted: false });
  });

  it('binds the authorities below it, and is told by name', async () => {
    const issuer = limitedTo('permitted;email:example.org');
    const below = issueAuthority('below', { issuer }, 'nameConstraints=permitted;email:other.org');
    expect(await validate(certify(below, 'email:victim@other.org'), [issuer, below])).toEqual({
      trusted: false,
      because: expect.stringMatching(
        /^O=Example, CN=limited\d may not issue certificates for victim@other\.org$/,
      ),
    });
  });
});
