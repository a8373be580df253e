// What openssl makes of a CMS structure that we wrote.
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { splitMessage } from '../../../src/message/header.ts';
import { decodeBase64 } from '../../../src/message/transfer-encoding.ts';
import type { RecipientKey } from '../../../src/openpgp/types.ts';
import type { Authority, Issued } from '../../support/authority.ts';
import { need } from '../../support/needs.ts';

need('openssl');

const run = promisify(execFile);

/** The certificate as the engine takes it. */
export function recipientOf({ der }: Issued): RecipientKey {
  return {
    fingerprint: createHash('sha256').update(der).digest('hex').toUpperCase(),
    certificate: der,
    at: 0,
  };
}

/** The structure in a sealed message. */
export function cmsOf(sealed: Buffer): Buffer {
  const der = decodeBase64(splitMessage(sealed).body);
  if (der === null) throw new Error('the body is no base64');
  return der;
}

/** What openssl decrypts from a structure, or, with SMIME, from a whole message. Rejects where it refuses. */
export async function openCms(
  { folder }: Authority,
  data: Buffer,
  { certificateFile, keyFile }: Issued,
  form: 'DER' | 'SMIME' = 'DER',
): Promise<Buffer> {
  const input = join(folder, `${randomUUID()}.in`);
  const output = `${input}.out`;
  await writeFile(input, data);
  try {
    await run('openssl', [
      ...['cms', '-decrypt', '-binary', '-inform', form, '-in', input, '-out', output],
      ...['-recip', certificateFile, '-inkey', keyFile],
    ]);
    return await readFile(output);
  } finally {
    await Promise.all([input, output].map((file) => rm(file, { force: true })));
  }
}

/** The structure in openssl's words. */
export async function describeCms({ folder }: Authority, der: Buffer): Promise<string> {
  const file = join(folder, `${randomUUID()}.der`);
  await writeFile(file, der);
  const { stdout } = await run('openssl', [
    'cms',
    '-cmsout',
    '-print',
    '-noout',
    '-inform',
    'DER',
    '-in',
    file,
  ]);
  return stdout;
}
