// Letters to the key address, as mail programs write them.
import { createMessage, encrypt, type PrivateKey, type PublicKey, readSignature, verify } from 'openpgp';

export interface KeyLetterOf {
  readonly from: string;
  readonly to?: string;
  /** Further fields, each on its own line. */
  readonly fields?: readonly string[];
  readonly body: readonly string[];
}

/** A letter with CRLF line ends. */
export function letter({ from, to = 'keys@example.org', fields = [], body }: KeyLetterOf): Buffer {
  const header = [`From: ${from}`, `To: ${to}`, 'Subject: my key', 'MIME-Version: 1.0', ...fields];
  return Buffer.from([...header, '', ...body, ''].join('\r\n'), 'latin1');
}

/** The public half, as text with CRLF line ends. */
export function armored(secret: PrivateKey): string {
  return secret.toPublic().armor().replace(/\r?\n/g, '\r\n').trimEnd();
}

/** With a file. @param bytes default: the armored key */
export function withFile(
  from: string,
  file: Buffer | string,
  type = 'application/pgp-keys; name="key.asc"',
  fields: readonly string[] = [],
): Buffer {
  return letter({
    from,
    fields: [...fields, 'Content-Type: multipart/mixed; boundary="b1"'],
    body: [
      '--b1',
      'Content-Type: text/plain; charset=utf-8',
      '',
      'Here is my key.',
      '--b1',
      `Content-Type: ${type}`,
      'Content-Disposition: attachment; filename="key.asc"',
      'Content-Transfer-Encoding: base64',
      '',
      ...(Buffer.from(file)
        .toString('base64')
        .match(/.{1,76}/g) ?? []),
      '--b1--',
    ],
  });
}

/** With an Autocrypt field, and nothing else. */
export function withAutocrypt(from: string, secret: PrivateKey, address = from): Buffer {
  const data = Buffer.from(secret.toPublic().write()).toString('base64');
  return letter({
    from,
    fields: [
      `Autocrypt: addr=${address}; prefer-encrypt=mutual;`,
      ` keydata=${(data.match(/.{1,70}/g) ?? []).join('\r\n ')}`,
    ],
    body: ['A letter as any other.'],
  });
}

/** A letter encrypted to the submission key, as a client of the Web Key Service sends it. @param inside a MIME entity */
export async function wksLetter(from: string, inside: string, certificate: PublicKey): Promise<Buffer> {
  const sealed = await encrypt({
    message: await createMessage({ binary: Buffer.from(inside, 'latin1') }),
    encryptionKeys: certificate,
  });
  return letter({
    from,
    fields: [
      'Wks-Draft-Version: 3',
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="e1"',
    ],
    body: [
      '--e1',
      'Content-Type: application/pgp-encrypted',
      '',
      'Version: 1',
      '--e1',
      'Content-Type: application/octet-stream',
      '',
      sealed.replace(/\r?\n/g, '\r\n').trimEnd(),
      '--e1--',
    ],
  });
}

/** The first armored block of that label. */
export function blockIn(text: string, label: string): string {
  const block = new RegExp(`-----BEGIN ${label}-----[\\s\\S]*?-----END ${label}-----`).exec(text)?.[0];
  if (block === undefined) throw new Error(`no ${label} in: ${text}`);
  return block;
}

/** Whether the signature of a multipart/signed (RFC 3156, section 5) is right. */
export async function signatureCounts(message: string, certificate: PublicKey): Promise<boolean> {
  const boundary = /boundary="?([^";\s]+)/.exec(message)?.[1] ?? '';
  const [, signed = ''] = message.split(`--${boundary}\r\n`);
  const { signatures } = await verify({
    message: await createMessage({ binary: Buffer.from(signed.replace(/\r\n$/, ''), 'latin1') }),
    signature: await readSignature({ armoredSignature: blockIn(message, 'PGP SIGNATURE') }),
    verificationKeys: certificate,
  });
  return (await signatures[0]?.verified.catch(() => false)) === true;
}
