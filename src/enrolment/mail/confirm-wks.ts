// The client's answer to a confirmation request: the nonce is the token that stood in it, sealed to the new key, and counts as the
// pressed button does. Who handed a key over in this way has asked for it to be published: where that person has not chosen yet, and their domain lets them.
import { choosePublishing, readChoice } from '../../publishing/choice.ts';
import { confirmKey } from '../flow.ts';
import { findToken } from '../tokens.ts';
import type { FlowContext, RefusalCode } from '../types.ts';
import type { WksResponse } from './wks-letter.ts';

/**
 * Uses the nonce up. A wrong one is counted for nobody: there are 2^256 of them, and no stranger's letters shall use up the tries of
 * those who have asked.
 * @throws what the database throws
 */
export async function confirmWks(
  context: FlowContext,
  { address, nonce }: WksResponse,
): Promise<RefusalCode | 'confirmed' | 'waiting'> {
  const found = await findToken(context.database.orm, nonce, context.now());
  if ('ok' in found) return found.because;
  if (found.action !== 'confirm' || found.address.toLowerCase() !== address.toLowerCase())
    return 'token unknown';
  const outcome = await confirmKey(context, nonce, { client: `wks ${found.user_id}` });
  if (!outcome.ok) return outcome.because;
  const choice = await readChoice(context.database, outcome.userId);
  if (choice?.own === null) await choosePublishing(context.database, outcome.userId, 'on');
  return outcome.result === 'active' ? 'confirmed' : 'waiting';
}
