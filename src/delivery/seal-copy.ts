// One recipient's copy as the plan says: which builder, with which options. The filters and `encrypt` seal through here.

import type { Seal } from '../openpgp/types.ts';
import { type Divide, dividerOf } from '../sealing/divided-message.ts';
import type { Sealer } from '../sealing/pool.ts';
import { sealMime } from '../sealing/seal-mime.ts';
import { sealSmime } from '../sealing/seal-smime.ts';
import type { Verdict } from './decision.ts';

export type SealDecision = Extract<Verdict, { action: 'seal' }>;

/** What Sealpost-Status says beside the keys. */
export interface SealStatus {
  readonly host: string;
  /** '' where none is known. */
  readonly queueId: string;
  readonly date: Date;
}

/**
 * Seals a message as decided. Rejects with the Error of `sealer`: a temporary failure.
 * @returns the sealed message in parts
 * @param note gets a sentence where the message could not be sealed in the style that was wished
 * @param divide of this message, shared by its copies
 */
export async function sealCopy(
  message: Buffer,
  decision: SealDecision,
  status: SealStatus,
  sealer: { readonly encrypt: Seal; readonly sealInline: Sealer['sealInline'] },
  note: (sentence: string) => void = () => undefined,
  divide: Divide = dividerOf(message),
): Promise<readonly Buffer[]> {
  const { subject, headerPolicy, headerOutside, hideKeyIds, keys } = decision;
  const options = { subject, headerPolicy, headerOutside, hideKeyIds, keys, status };
  if (decision.kind === 'x509')
    return sealSmime(message, { ...options, cipher: decision.smimeCipher }, sealer.encrypt, divide);
  if (decision.style === 'inline') {
    const sealed = await sealer.sealInline(message, options);
    if (sealed !== null) return [sealed];
    note(
      'sealed as PGP/MIME: the message has too many parts for the inline style, or would become much larger by it',
    );
  }
  return sealMime(message, options, sealer.encrypt, divide);
}
