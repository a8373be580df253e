// The confirmation request of the Web Key Service (draft-koch-openpgp-webkey-service-21, section 4.4): a letter that the client answers
// by itself. The nonce is encrypted to the key that was handed over, and all of it is signed with the submission key.

import MimeNode from 'nodemailer/lib/mime-node';
import { createMessage, config as defaults, enums, type PrivateKey, SignaturePacket, sign } from 'openpgp';
import type { Encrypt, RecipientKey } from '../../openpgp/types.ts';
import { BREAKS_FIELD } from './compose.ts';

export interface WksRequest {
  /** The submission address. */
  readonly sender: string;
  /** The user's. */
  readonly address: string;
  readonly fingerprint: string;
  /** What stands in the link of a letter for people. */
  readonly nonce: string;
  readonly keys: readonly RecipientKey[];
  readonly date: Date;
  /** The left side of Message-ID: no other mail's. */
  readonly id: string;
}

/** Which draft's form it is: the same since the second one. */
const DRAFT_VERSION = '3';

const FOR_PEOPLE = [
  'Your mail program has sent your key to your mail server, which asks',
  'here whether that was you. Programs that know the Web Key Service',
  'answer this message by themselves. If yours shows it to you instead,',
  'hand your key over by a letter with the key attached.',
  'If you did not send a key, you need not do anything.',
].join('\r\n');

/**
 * Composes a request with CRLF line ends.
 * @param secret the domain's submission key
 * @throws what `encrypt` throws; Error where an address could not stand in a header field
 */
export async function composeWksRequest(
  { sender, address, fingerprint, nonce, keys, date, id }: WksRequest,
  secret: PrivateKey,
  encrypt: Encrypt,
): Promise<Buffer> {
  for (const each of [sender, address])
    if (BREAKS_FIELD.test(each)) throw new Error('an address with a control character gets no letter');
  const values = { type: 'confirmation-request', sender, address, fingerprint, nonce };
  const lines = Object.entries(values).map(([name, value]) => `${name}: ${value}\n`);
  const plaintext = Buffer.from(lines.join(''), 'utf8');
  const sealed = await encrypt({ plaintext, keys, hideKeyIds: false, format: 'armor' });
  const header = new MimeNode('text/plain', {
    newline: 'win',
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const signed = header.createChild('multipart/mixed');
  signed.createChild('text/plain; charset=us-ascii').setContent(FOR_PEOPLE);
  signed
    .createChild('application/vnd.gnupg.wks')
    .setHeader('Content-Transfer-Encoding', '7bit')
    .setContent(Buffer.from(sealed).toString('latin1').trimEnd());
  const content = (await signed.build()).toString('latin1').trimEnd();
  const { armored, hash } = await signatureOf(`${content}\r\n`, secret);
  const boundary = `sealpost-${id.replace(/[^a-z0-9]/gi, '')}`;
  header.setHeader({
    from: sender,
    to: address,
    subject: 'Confirm your key publication',
    date: date.toUTCString().replace('GMT', '+0000'),
    'message-id': `<${id}@${sender.slice(sender.lastIndexOf('@') + 1)}>`,
    'auto-submitted': 'auto-replied',
    'wks-draft-version': DRAFT_VERSION,
    'wks-phase': 'confirm',
    'content-type': `multipart/signed; protocol="application/pgp-signature"; micalg=pgp-${hash}; boundary="${boundary}"`,
  });
  return Buffer.from(
    [
      header.buildHeaders(),
      '',
      `--${boundary}`,
      content,
      '',
      `--${boundary}`,
      'Content-Type: application/pgp-signature; name="signature.asc"',
      '',
      armored,
      `--${boundary}--`,
      '',
    ].join('\r\n'),
    'latin1',
  );
}

/** RFC 3156, section 5: over the part as it stands there, its last line end left out by who builds the multipart around it. */
async function signatureOf(content: string, secret: PrivateKey) {
  const signature = await sign({
    message: await createMessage({ binary: Buffer.from(content, 'latin1') }),
    signingKeys: secret,
    detached: true,
    format: 'object',
    config: defaults,
  });
  const [packet] = signature.packets;
  const hash = enums.read(
    enums.hash,
    (packet instanceof SignaturePacket && packet.hashAlgorithm) || enums.hash.sha512,
  );
  const armored = signature.armor().replace(/\r?\n/g, '\r\n').trimEnd();
  return { armored, hash };
}
