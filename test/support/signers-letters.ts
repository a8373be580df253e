// Letters beside programs that sign and check: what has to hold of one that comes to a mailbox here, and of one that leaves.
import { expect } from 'vitest';
import { ALICE, DOMAIN } from './mail-system.ts';
import {
  type Bench,
  FRIEND,
  field,
  messageOf,
  OUTSIDE,
  type Site,
  signedOutside,
  verifies,
} from './signers-stand.ts';
import { looksSealed } from './unseal.ts';

/** Who writes from OUTSIDE. */
export const CAROL = `carol@${OUTSIDE}`;
/** Who writes from here. */
export const BEA = `bea@${DOMAIN}`;

/** A letter that OUTSIDE signed comes to alice, sealed. @returns as it lies in her mailbox */
export async function signedLetterArrives(
  site: Site,
  bench: Bench,
  letter: { readonly name: string; readonly text?: string },
): Promise<Buffer> {
  const sent = await signedOutside(bench, messageOf({ from: CAROL, to: ALICE, ...letter }));
  expect(await site.fromElsewhere(ALICE, sent)).toMatch(/^250 /);
  const arrived = await site.arrives(ALICE, letter.name);
  expect(looksSealed(arrived)).toBe(true);
  // Nobody has signed it a second time, and the one signature fits what is inside alone.
  expect(field(arrived, 'DKIM-Signature')).toHaveLength(1);
  expect(await verifies(bench, arrived)).toBe(false);
  expect(await verifies(bench, await site.opened(ALICE, sent, arrived))).toBe(true);
  return arrived;
}

/** What one of us sends leaves with one signature of ours, which holds for it as it is: sealed to FRIEND, as it was to others. */
export async function letterLeavesSigned(
  site: Site,
  bench: Bench,
  recipient: string,
  name: string,
): Promise<Buffer> {
  const left = await site.arrives(recipient, name);
  expect(looksSealed(left)).toBe(recipient === FRIEND);
  expect(field(left, 'DKIM-Signature')).toEqual([expect.stringContaining(`d=${DOMAIN}`)]);
  expect(await verifies(bench, left)).toBe(true);
  return left;
}
