// Keys from a file, a folder of files, or a GnuPG home, bound to the users whom they name.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_UPLOAD } from '../../keys/refusals.ts';
import { dearmored } from './armor.ts';
import { readBytes, readUpload } from './files.ts';
import { exportHome } from './gnupg.ts';
import { linesOf } from './lines.ts';
import { certificatesIn, type KeyringCertificate } from './packets.ts';
import { type KeyOwners, type Source, SourceRefused, type SourceRow } from './rows.ts';

const KNOWN: KeyOwners = { kind: 'known' };

/**
 * A keyring as a source.
 * @param place an absolute path of a file or folder, or `gnupg:` and that of a home
 */
export function keyringSource(place: string): Source {
  return {
    name: `keyring ${place}`,
    addsDomains: false,
    addsOwners: false,
    rows: () => (place.startsWith('gnupg:') ? readHome(place.slice('gnupg:'.length)) : readPlace(place)),
  };
}

async function* readHome(home: string): AsyncGenerator<SourceRow> {
  yield* keyRows(exportHome(home), `gnupg:${home}`);
}

async function* keyRows(
  certificates: AsyncIterable<KeyringCertificate>,
  place: string,
): AsyncGenerator<SourceRow> {
  let number = 0;
  for await (const { bytes, fingerprint } of certificates) {
    number += 1;
    const where = fingerprint === null ? `${place}, key ${number}` : place;
    yield { kind: 'key', where, upload: bytes, owners: KNOWN, sealedBefore: false };
  }
}

async function* readPlace(path: string): AsyncGenerator<SourceRow> {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new SourceRefused(`${path} is not there`);
  if (!found.isDirectory()) {
    yield* readFile(path);
    return;
  }
  for (const name of (await readdir(path)).sort()) {
    const file = join(path, name);
    const each = await stat(file).catch(() => null);
    if (name.startsWith('.') || each?.isFile() !== true) continue;
    try {
      yield* readFile(file);
    } catch (error) {
      if (!(error instanceof SourceRefused)) throw error;
      yield { kind: 'refused', of: 'key', name, where: file, because: error.message };
    }
  }
}

async function* readFile(path: string): AsyncGenerator<SourceRow> {
  const upload = await readUpload(path);
  if (typeof upload === 'string') throw new SourceRefused(upload);
  if (upload.subarray(8, 12).toString('latin1') === 'KBXf')
    throw new SourceRefused(`${path} is a keybox: give gnupg: and the folder that it lies in`);
  if (upload.length > MAX_UPLOAD) {
    const isBinary = ((upload[0] ?? 0) & 0x80) !== 0;
    const bytes = isBinary ? readBytes(path) : dearmored(linesOf(readBytes(path)));
    yield* keyRows(certificatesIn(bytes), path);
    return;
  }
  yield { kind: 'key', where: path, upload, owners: KNOWN, sealedBefore: false };
}
