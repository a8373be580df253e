// Arbitrary messages: from plausible to hopeless.
import fc from 'fast-check';

const NAMES = [
  'From',
  'To',
  'Subject',
  'Content-Type',
  'content-type',
  'Received',
  'Sealpost-Status',
  'X-A',
  'MIME-Version',
  'List-Id',
  '',
];
const VALUES = [
  'text/plain; charset=utf-8',
  'multipart/mixed; boundary=b',
  'multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"',
  'multipart/signed; boundary=b',
  'application/pkcs7-mime',
  '"open',
  '(open',
  ';',
  '',
  'a\r\n b',
  'a\r\nb',
];
const ENDINGS = ['\r\n', '\n', '\r', '\r\r\n', ''];
const PIECES = [
  '--b',
  '--b--',
  '\r\n',
  '\n',
  '\r',
  ' ',
  '.',
  'text',
  '\0',
  '\xff',
  ': ',
  '-----BEGIN PGP MESSAGE-----',
  '=20',
  '=',
];

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** A message as bytes: random ones, or put together from what messages are made of. */
export function anyMessage(): fc.Arbitrary<Buffer> {
  const field = fc
    .tuple(
      fc.constantFrom(...NAMES),
      fc.constantFrom(':', ' :', ': ', ''),
      fc.constantFrom(...VALUES),
      fc.constantFrom(...ENDINGS),
    )
    .map((parts) => parts.join(''));
  const body = fc
    .array(fc.oneof(fc.constantFrom(...PIECES), field), { maxLength: 12 })
    .map((parts) => parts.join(''));
  const composed = fc
    .tuple(fc.array(field, { maxLength: 8 }), fc.constantFrom(...ENDINGS), body)
    .map(([fields, ending, text]) => bytes(fields.join('') + ending + text));
  return fc.oneof(
    fc.uint8Array({ maxLength: 400 }).map((random) => Buffer.from(random)),
    composed,
    fc.array(fc.constantFrom(...PIECES), { maxLength: 60 }).map((parts) => bytes(parts.join(''))),
  );
}
