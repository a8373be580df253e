// Puts messages together for the tests of "already encrypted?", part by part.

const HEAD = 'From: alice@example.org\r\nTo: bob@example.net\r\nSubject: x\r\nMIME-Version: 1.0\r\n';

export function mail(fields: string, body: string | Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`${HEAD}${fields}\r\n\r\n`, 'latin1'),
    typeof body === 'string' ? Buffer.from(body, 'latin1') : body,
  ]);
}

export function part(fields: string, body: string): string {
  return `${fields}\r\n\r\n${body}`;
}

export function multipart(boundary: string, ...parts: readonly string[]): string {
  return `${parts.map((each) => `--${boundary}\r\n${each}\r\n`).join('')}--${boundary}--\r\n`;
}

export const CONTROL = part('Content-Type: application/pgp-encrypted', 'Version: 1\r\n');
export const PGP_MIME = 'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b';
export const MIXED = 'Content-Type: multipart/mixed; boundary=m';
export const NOT_ARMORED = 'that is not one armored encrypted message';

export function octets(body: string): string {
  return part('Content-Type: application/octet-stream; name=encrypted.asc', body);
}

export function base64(data: Buffer): string {
  return data.toString('base64').replace(/.{76}/g, '$&\r\n');
}

export function qp(text: string): string {
  return text.replace(/=/g, '=3D').replace(/(.{70})(?=.)/g, '$1=\r\n');
}

/** S/MIME in base64. */
export function smime(
  der: Buffer,
  type = 'application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m',
): Buffer {
  return mail(`Content-Type: ${type}\r\nContent-Transfer-Encoding: base64`, `${base64(der)}\r\n`);
}
