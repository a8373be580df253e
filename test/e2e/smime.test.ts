// S/MIME from the certificate to the mailbox: the commands as an administrator types them, a real Postfix, and openssl as the
// reader, who gets back the bytes that were sent.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerEncrypt } from '../../src/cli/encrypt.ts';
import { registerExplain } from '../../src/cli/explain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { detectEncrypted } from '../../src/message/detect.ts';
import { splitMessage } from '../../src/message/header.ts';
import { dividerOf } from '../../src/sealing/divided-message.ts';
import { createSealer, type Sealer } from '../../src/sealing/pool.ts';
import { buildFrame } from '../../src/sealing/seal-mime.ts';
import type { SealOptions } from '../../src/sealing/seal-options.ts';
import { sealSmime } from '../../src/sealing/seal-smime.ts';
import { corpus } from '../fixtures/corpus.ts';
import { type Authority, CA_EXTENSIONS, type Issued, openAuthority } from '../support/authority.ts';
import { DOMAIN, type MailSystem, SENDER, startMailSystem } from '../support/mail-system.ts';
import { sendRaw } from '../support/submit.ts';
import { openTrial, type Trial } from '../support/trial.ts';
import { curveKey, type Gpg, openGpg } from '../unit/keys/gpg.ts';
import { cmsOf, openCms, recipientOf } from '../unit/smime/openssl-cms.ts';

let authority: Authority;
let root: Issued;

beforeAll(() => {
  authority = openAuthority();
  root = authority.issue('root', { extensions: CA_EXTENSIONS });
});
afterAll(() => authority.close());

/** Milliseconds, for a machine that does something else as well. */
const PATIENCE = 600_000;

const LETTER =
  'From: Carol <carol@outside.example>\r\nTo: reader@example.org\r\nSubject: Hello\r\n\r\nThe secret text\r\n';

describe('openssl decrypts the whole corpus to the same bytes,', () => {
  let sealer: Sealer;
  beforeAll(() => {
    sealer = createSealer();
  });
  afterAll(() => sealer.close());

  /** The kinds of key take turns, in the second run not the same ones: what stands in a message does not touch its key. */
  it.each([
    ['gcm', ['rsa:2048', 'P-256', 'P-384']],
    ['cbc', ['P-384', 'rsa:2048', 'P-256']],
  ] as const)(
    'sealed with %s',
    async (cipher, keys) => {
      const readers = keys.map((key) => authority.issue(`${cipher}-${key.replace(':', '')}`, { key }));
      const queue = [...corpus().entries()];
      const work = async (): Promise<void> => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          const [index, { name, message }] = next;
          const reader = readers[index % readers.length];
          if (reader === undefined) throw new Error('no certificate');
          const options: SealOptions = {
            subject: 'hide',
            hideKeyIds: false,
            keys: [recipientOf(reader)],
            status: { host: 'mx.example.org', queueId: 'Q', date: new Date() },
          };
          const sealed = Buffer.concat(await sealSmime(message, { ...options, cipher }, sealer.encrypt));
          const inside = await openCms(authority, cmsOf(sealed), reader);
          expect(
            inside.equals(Buffer.concat(buildFrame(dividerOf(message), options, () => []).plaintext)),
            name,
          ).toBe(true);
          const { body } = splitMessage(message);
          expect(inside.subarray(inside.length - body.length).equals(body), `${name}: body`).toBe(true);
          expect(detectEncrypted(sealed), name).toMatchObject({ encrypted: true, how: 'cms' });
        }
      };
      await Promise.all([work(), work(), work(), work()]);
    },
    PATIENCE,
  );
});

describe('with the commands, an administrator', () => {
  let trial: Trial;
  let gpg: Gpg;
  const json = (...words: readonly string[]) => trial.json(...words);
  const file = (name: string, content: Uint8Array | string) => trial.file(name, content);
  const fingerprintOf = (issued: Issued) => recipientOf(issued).fingerprint;

  beforeAll(async () => {
    trial = await openTrial(
      [registerDomain, registerUser, registerAlias, registerKey, registerExplain, registerEncrypt],
      `[smime]\ntrust = ${JSON.stringify(root.certificateFile)}\n`,
    );
    gpg = openGpg();
    await json('domain', 'add', 'example.org');
  });
  afterAll(async () => {
    await trial?.close();
    gpg?.close();
  });

  async function userWithCertificate(name: string, options: { readonly key?: string } = {}): Promise<Issued> {
    await json('user', 'add', `${name}@example.org`);
    const issued = authority.issue(name, { ...options, issuer: root });
    await json('key', 'import', file(`${name}.pem`, issued.pem));
    return issued;
  }

  async function userWithBoth(name: string): Promise<Issued> {
    const issued = await userWithCertificate(name);
    const fingerprint = gpg.make(curveKey({ address: `${name}@example.org` }));
    await json('key', 'import', file(`${name}.pgp`, gpg.exportKey(fingerprint)));
    return issued;
  }

  async function decision(address: string): Promise<unknown> {
    const explained = (await json('explain', address)) as { readonly decision: { readonly reason: string } };
    return explained.decision;
  }

  async function sealed(address: string): Promise<Buffer> {
    const done = (await json('encrypt', '--to', address, file('letter.eml', LETTER))) as {
      readonly message_base64: string;
    };
    return Buffer.from(done.message_base64, 'base64');
  }

  it('imports an expired one for its user, says so loudly, and on_expired_key decides', async () => {
    await json('user', 'add', 'lena@example.org');
    const lapsed = authority.issue('lena', { days: -1, key: 'rsa:2048' });
    const fingerprint = fingerprintOf(lapsed);
    const upload = file('lena.pem', lapsed.pem);
    for (const owner of ['friend@lena.example', '@example.org']) {
      expect(await trial.sealpost('key', 'import', upload, '--pin', '--for', owner, '--yes')).toMatchObject({
        code: 1,
        err: expect.stringContaining(`certificate ${fingerprint} expired on`),
      });
    }
    expect(await trial.sealpost('key', 'import', upload, '--pin')).toMatchObject({
      code: 0,
      out: `added EXPIRED ${fingerprint} for lena@example.org\n`,
      err: expect.stringMatching(/warning: certificate .* expired on .*on_expired_key decides/),
    });
    expect(await json('key', 'list', 'lena@example.org')).toMatchObject([{ kind: 'x509', state: 'expired' }]);
    expect(await decision('lena@example.org')).toMatchObject({ action: 'seal', keys: [fingerprint] });
    const inside = await openCms(authority, cmsOf(await sealed('lena@example.org')), lapsed);
    expect(inside.toString()).toContain('The secret text');
    await json('user', 'set', 'lena@example.org', 'on_expired_key=defer');
    expect(await decision('lena@example.org')).toMatchObject({ action: 'defer', because: 'key expired' });
  });

  it('imports a certificate for the user whom it names, and sees it in every list', async () => {
    await json('user', 'add', 'alice@example.org');
    const middle = authority.issue('middle', { issuer: root, extensions: CA_EXTENSIONS });
    const alice = authority.issue('alice', { issuer: middle, key: 'rsa:2048' });
    const fingerprint = fingerprintOf(alice);
    const upload = file('alice.pem', alice.pem + middle.pem);
    expect(await json('key', 'import', upload)).toEqual([
      { fingerprint, result: 'added', owners: ['alice@example.org'], news: [], refusal: null },
    ]);
    expect(await json('key', 'import', upload)).toMatchObject([{ fingerprint, result: 'unchanged' }]);
    expect(await json('key', 'list', 'alice@example.org')).toMatchObject([
      {
        kind: 'x509',
        fingerprint,
        owner: 'alice@example.org',
        state: 'usable',
        algorithm: 'RSA 2048',
        x509: { issuer: 'O=Example, CN=middle', addresses: ['alice@example.org'], pinned: false },
      },
    ]);
    const shown = (await trial.sealpost('key', 'show', fingerprint)).out;
    expect(shown).toContain('kind         X.509 (S/MIME)');
    expect(shown).toContain('trust        by its chain, at import');
    const { out } = await trial.sealpost('key', 'export', 'alice@example.org');
    expect(authority.run(['x509', '-outform', 'DER'], out).equals(alice.der)).toBe(true);
    expect((await trial.sealpost('user', 'show', 'alice@example.org')).out).toContain(fingerprint);
  });

  it('disables, enables and removes it, and finds each step in the audit', async () => {
    const issued = await userWithCertificate('dora');
    const fingerprint = fingerprintOf(issued);
    await json('key', 'disable', fingerprint);
    expect(await decision('dora@example.org')).toMatchObject({ action: 'defer', because: 'key unusable' });
    expect(
      await trial.sealpost('key', 'import', file('dora.pem', issued.pem), '--for', 'friend@dora.example'),
    ).toMatchObject({ code: 1, err: expect.stringContaining(`key ${fingerprint} is disabled`) });
    await json('key', 'enable', fingerprint);
    expect(await decision('dora@example.org')).toMatchObject({
      action: 'seal',
      reason: '1 X.509 certificate of the recipient',
    });
    await json('key', 'remove', fingerprint, '--yes');
    expect(await decision('dora@example.org')).toMatchObject({ action: 'pass', because: 'no key' });
    const { rows } = await trial.database.pool.query(
      'SELECT event, status FROM key_events WHERE fingerprint = $1 ORDER BY id',
      [fingerprint],
    );
    expect(rows).toEqual([
      { event: 'added', status: 'active' },
      { event: 'changed', status: 'disabled' },
      { event: 'changed', status: 'active' },
      { event: 'removed', status: 'active' },
    ]);
  });

  it('reads why one is refused, with exit code 1, and nothing of it is stored', async () => {
    await json('user', 'add', 'eve@example.org');
    const stranger = authority.issue('eve');
    const small = authority.issue('small', { issuer: root, key: 'rsa:1024' });
    const privateKey = authority.run(['pkey', '-in', stranger.keyFile]).toString();
    const other = authority.issue('nobody', { issuer: root });
    for (const [upload, says] of [
      [stranger.pem, 'is self-signed: nobody vouches for it'],
      [small.pem, 'uses RSA with 1024 bits'],
      [stranger.pem + privateKey, 'this holds a private key: it was not stored'],
      [other.pem, 'names only nobody@example.org, and expected is the address of a user'],
      [root.pem, "is an authority's (CA)"],
    ] as const) {
      const { code, out, err } = await trial.sealpost('key', 'import', file('refused.pem', upload));
      expect(code, says).toBe(1);
      expect(err).toContain(says);
      expect(out + err).not.toContain(privateKey.split('\n')[1]);
    }
    expect(await json('key', 'list', 'eve@example.org')).toEqual([]);
  });

  it('vouches for one with --pin, and says with --for whose it is', async () => {
    const own = authority.issue('frank');
    await json('user', 'add', 'frank@example.org');
    await json('key', 'import', '--pin', file('frank.pem', own.pem));
    expect(await json('key', 'list', 'frank@example.org')).toMatchObject([
      { state: 'usable', x509: { pinned: true } },
    ]);
    const roleless = authority.issue('roleless', { issuer: root, extensions: ['keyUsage=keyAgreement'] });
    const upload = file('roleless.der', roleless.der);
    expect((await trial.sealpost('key', 'import', upload)).code).toBe(1);
    expect(await json('key', 'import', upload, '--for', 'partner@outside.example', '--yes')).toMatchObject([
      { result: 'added', owners: ['partner@outside.example'] },
    ]);
    expect(await decision('partner@outside.example')).toMatchObject({ action: 'seal' });
  });

  it('imports both kinds from one file, and lets the user choose between them', async () => {
    await json('user', 'add', 'grace@example.org');
    const grace = authority.issue('grace', { issuer: root });
    const key = gpg.make(curveKey({ address: 'grace@example.org' }));
    const mixed = `${grace.pem}${gpg.run(['--armor', '--export', key])}`;
    expect(await json('key', 'import', file('grace.asc', mixed))).toMatchObject([
      { result: 'added', fingerprint: fingerprintOf(grace) },
      { result: 'added', fingerprint: key },
    ]);
    expect(await decision('grace@example.org')).toMatchObject({ keys: [key] });
    await json('domain', 'set', 'example.org', 'prefer=smime');
    expect(await decision('grace@example.org')).toMatchObject({ keys: [fingerprintOf(grace)] });
    await json('user', 'set', 'grace@example.org', 'prefer=openpgp');
    expect(await decision('grace@example.org')).toMatchObject({ keys: [key] });
    await json('key', 'disable', key);
    expect(await decision('grace@example.org')).toMatchObject({
      keys: [fingerprintOf(grace)],
      left_out: [{ fingerprint: key, because: 'disabled' }],
    });
    await json('domain', 'set', 'example.org', 'prefer=');
  });

  it('seals a letter that openssl opens, with the cipher of an old client where the user has one', async () => {
    const henry = await userWithCertificate('henry', { key: 'rsa:2048' });
    await json('user', 'set', 'henry@example.org', 'smime_cipher=gcm');
    const modern = await sealed('henry@example.org');
    expect(modern.toString('latin1')).toContain('smime-type=authEnveloped-data');
    // The default is what every program opens.
    await json('user', 'set', 'henry@example.org', 'smime_cipher=');
    const old = await sealed('henry@example.org');
    expect(old.toString('latin1')).toContain('smime-type=enveloped-data');
    for (const message of [modern, old]) {
      const inside = await openCms(authority, message, henry, 'SMIME');
      expect(inside.toString('latin1').endsWith('\r\n\r\nThe secret text\r\n')).toBe(true);
    }
    const explained = await json('explain', 'henry@example.org', '--message', file('modern.eml', modern));
    expect(explained).toMatchObject({
      message: { readable: true, recipients: [{ serial_number: expect.stringMatching(/^[0-9A-F]+$/) }] },
    });
    const again = await json('encrypt', '--to', 'henry@example.org', file('sealed.eml', modern));
    expect(again).toMatchObject({ action: 'pass', because: 'already encrypted' });
  });

  it('gets one OpenPGP copy for an alias whose readers all have such a key, and never one S/MIME copy for several', async () => {
    await userWithBoth('ida');
    await userWithBoth('jack');
    await userWithCertificate('kate');
    for (const name of ['ida', 'jack']) await json('user', 'set', `${name}@example.org`, 'prefer=smime');
    await json('alias', 'add', 'both@example.org', 'ida@example.org', 'jack@example.org');
    await json('alias', 'add', 'mixed@example.org', 'ida@example.org', 'kate@example.org');
    await json('alias', 'add', 'single@example.org', 'kate@example.org');
    expect(await decision('both@example.org')).toMatchObject({
      action: 'seal',
      reason: '2 keys of 2 readers of the alias',
    });
    expect(await decision('mixed@example.org')).toMatchObject({
      action: 'defer',
      because: 'alias readers differ',
      reason: expect.stringContaining('S/MIME would tell each of them who the others are'),
    });
    expect(await decision('single@example.org')).toMatchObject({
      action: 'seal',
      reason: '1 X.509 certificate of the recipient',
    });
  });
});

describe('through a real Postfix', () => {
  let system: MailSystem;
  const SAM = `sam@${DOMAIN}`;
  beforeAll(async () => {
    system = await startMailSystem({
      example: 'after-queue-lmtp',
      deliversItself: false,
    });
  }, PATIENCE);
  afterAll(() => system?.close());

  it('mail to an S/MIME user arrives sealed, and openssl opens it to the bytes that were sent', async () => {
    const sam = authority.issue('sam', { extensions: [`subjectAltName=email:${SAM}`] });
    for (const [args, stdin] of [
      [['user', 'add', SAM], ''],
      [['key', 'import', '--pin', '-'], sam.pem],
    ] as const) {
      const done = await system.sealpost.cli(args, { stdin });
      expect(done.code, done.stderr).toBe(0);
    }
    const body = 'Gr\xfc\xdfe\r\n.\r\n..dots\r\nthe secret of sam\r\n';
    const message = Buffer.from(
      `From: ${SENDER}\r\nTo: ${SAM}\r\nSubject: For Sam\r\nMessage-ID: <sam@outside.test>\r\n` +
        `MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${body}`,
      'latin1',
    );
    await sendRaw({
      to: { port: system.postfix.submitPort },
      sender: SENDER,
      recipients: [SAM],
      mailParameters: 'BODY=8BITMIME',
      message,
    });
    await system.mailboxes.waitForDeliveries(1, 60_000);
    const [delivery, ...more] = system.mailboxes.deliveries();
    expect(more).toEqual([]);
    expect(delivery?.recipient).toBe(SAM);
    const sealed = Buffer.from(delivery?.message ?? '');
    expect(sealed.includes('the secret of sam')).toBe(false);
    expect(sealed.toString('latin1')).toContain(
      `Sealpost-Status: sealed; key=${recipientOf(sam).fingerprint}`,
    );
    const inside = await openCms(authority, sealed, sam, 'SMIME');
    const text = inside.toString('latin1');
    expect(text.endsWith(`\r\n\r\n${body}`)).toBe(true);
    expect(text).toContain(
      'Content-Type: text/plain; charset=iso-8859-1; hp="cipher";\r\n protected-headers="v1"\r\n',
    );
    expect(system.sealpost.log()).not.toContain('secret of sam');
  });
});
