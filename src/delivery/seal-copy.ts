// One recipient's copy as the plan says: which builder, with which options. The filters and `encrypt` seal through here.
import { sealMime } from '../message/seal-mime.ts';
import { sealSmime } from '../message/seal-smime.ts';
import type { Seal } from '../openpgp/types.ts';
import type { Decision } from './plan.ts';

export type SealDecision = Extract<Decision, { action: 'seal' }>;

/** What Sealpost-Status says beside the keys. */
export interface SealStatus {
  readonly host: string;
  /** '' where none is known. */
  readonly queueId: string;
  readonly date: Date;
}

/** Seals a message as decided. Rejects with the Error of `seal`: a temporary failure. */
export async function sealCopy(
  message: Buffer,
  decision: SealDecision,
  status: SealStatus,
  seal: Seal,
): Promise<Buffer> {
  const { subject, headerPolicy, hideKeyIds, keys } = decision;
  const options = { subject, headerPolicy, hideKeyIds, keys, status };
  return decision.kind === 'x509'
    ? sealSmime(message, { ...options, cipher: decision.smimeCipher }, seal)
    : sealMime(message, options, seal);
}
