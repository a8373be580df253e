// An upload of either kind, or of both: armored OpenPGP keys and X.509 certificates may stand in one file.
import { isX509Upload } from '../smime/upload.ts';
import { type Judged, judgeUpload } from './import.ts';
import type { ImportOptions } from './import-options.ts';
import { type JudgedX509, judgeX509 } from './judge-x509.ts';
import { MAX_UPLOAD } from './refusals.ts';
import { plainUpload } from './upload-text.ts';

export type JudgeOptions = Pick<ImportOptions, 'policy' | 'now' | 'x509'>;

export interface JudgedBoth {
  readonly x509: readonly JudgedX509[];
  readonly openpgp: readonly Judged[];
}

/**
 * Reads and judges an upload.
 * @returns one judgement for each certificate or refused piece, at least one of both kinds together
 * @throws what `x509` throws, where the upload is X.509 and there is no telling whom to trust
 */
export async function judgeBoth(
  handedOver: Uint8Array,
  { policy, now, x509 }: JudgeOptions,
): Promise<JudgedBoth> {
  const upload = handedOver.byteLength > MAX_UPLOAD ? handedOver : plainUpload(handedOver);
  if (!isX509Upload(upload)) return { x509: [], openpgp: await judgeUpload(upload, policy, now) };
  const judged = await judgeX509(upload, x509?.() ?? { anchors: [], pin: false }, now);
  return { x509: judged, openpgp: holdsOpenPgp(upload) ? await judgeUpload(upload, policy, now) : [] };
}

/** Beside certificates of the other kind: whether there is an armored OpenPGP block as well. */
function holdsOpenPgp(upload: Uint8Array): boolean {
  return Buffer.from(upload.buffer, upload.byteOffset, upload.byteLength).includes('-----BEGIN PGP ');
}
