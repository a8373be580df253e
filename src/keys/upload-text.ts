// What a text file may be written in: PowerShell's ">" writes UTF-16, Windows' editor puts a byte order mark in front.

const UTF16 = ['utf-16le', 'utf-16be'] as const;
/** "-----" in each of them, for files without a mark. */
const DASHES = [Buffer.from('-----', 'utf16le'), Buffer.from('-----', 'utf16le').swap16()] as const;

/**
 * The same upload in UTF-8 and without a byte order mark where it is a text; anything else comes back as it is. Doing it twice
 * changes nothing.
 */
export function plainUpload(upload: Uint8Array): Buffer {
  const bytes = Buffer.from(upload.buffer, upload.byteOffset, upload.byteLength);
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return bytes.subarray(3);
  // None of these octets begins a key packet (RFC 9580, section 4.2) or a DER structure.
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return fromUtf16(bytes.subarray(2), 'utf-16le');
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return fromUtf16(bytes.subarray(2), 'utf-16be');
  const first = bytes[0] ?? 0;
  if (first >= 0x80 || first === 0x30) return bytes;
  for (const [index, dashes] of DASHES.entries()) {
    const at = bytes.indexOf(dashes);
    if (at !== -1 && at % 2 === 0) return fromUtf16(bytes, UTF16[index] ?? 'utf-16le');
  }
  return bytes;
}

function fromUtf16(bytes: Buffer, encoding: (typeof UTF16)[number]): Buffer {
  return Buffer.from(new TextDecoder(encoding).decode(bytes), 'utf8');
}
