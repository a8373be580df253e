// What kind of CMS a body is: its content type OID decides, whatever smime-type claims (RFC 5652, RFC 5083).

export type CmsKind = 'enveloped-data' | 'authEnveloped-data';

const SEQUENCE = 0x30;
const CONTEXT_0 = 0xa0;
const INDEFINITE = 0x80;

const CONTENT_TYPES: readonly { readonly kind: CmsKind; readonly oid: Buffer }[] = [
  // 1.2.840.113549.1.7.3
  { kind: 'enveloped-data', oid: Buffer.from('06092a864886f70d010703', 'hex') },
  // 1.2.840.113549.1.9.16.1.23
  { kind: 'authEnveloped-data', oid: Buffer.from('060b2a864886f70d0109100117', 'hex') },
];

/**
 * Reads the beginning of a ContentInfo in DER or BER: the content type, and that its value begins as one of that type does.
 * @param der transfer encoding undone
 * @returns null for signed, compressed and any other data, and where something stands behind the structure
 */
export function encryptedCmsKind(der: Buffer): CmsKind | null {
  const outer = readTag(der, 0, SEQUENCE);
  if (outer === null) return null;
  const found = CONTENT_TYPES.find(({ oid }) =>
    der.subarray(outer.start, outer.start + oid.length).equals(oid),
  );
  if (found === undefined) return null;
  const explicit = readTag(der, outer.start + found.oid.length, CONTEXT_0);
  const content = explicit === null ? null : readTag(der, explicit.start, SEQUENCE);
  // EnvelopedData and AuthEnvelopedData begin with their version, a small INTEGER.
  if (content === null || der[content.start] !== 0x02 || der[content.start + 1] !== 0x01) return null;
  const whole =
    outer.length === null
      ? der.subarray(-4).equals(Buffer.alloc(4))
      : outer.start + outer.length === der.length;
  return whole ? found.kind : null;
}

/** Reads a tag and its length; `length` null: indefinite. */
function readTag(
  der: Buffer,
  at: number,
  tag: number,
): { readonly start: number; readonly length: number | null } | null {
  const first = der[at + 1];
  if (der[at] !== tag || first === undefined) return null;
  if (first < 0x80) return { start: at + 2, length: first };
  if (first === INDEFINITE) return { start: at + 2, length: null };
  const size = first & 0x7f;
  if (size > 4 || at + 2 + size > der.length) return null;
  return { start: at + 2 + size, length: der.readUIntBE(at + 2, size) };
}
