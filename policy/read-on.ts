// Which maps read an address on as the filter does, and when what was made of it counts. Pure.
//
// check_recipient alone: its answers refuse, or leave the address to Postfix. What the other maps find makes Postfix accept an
// address (a recipient is known, a domain is ours, a login owns a sender) that it may refuse by itself: they answer for the
// address as it is written, which is what Postfix has made of it where it asks after resolving.
import type { AddressParts } from '../src/address/normalise.ts';
import { isPlain } from '../src/address/readings.ts';
import type { RecipientFacts } from '../src/directory/types.ts';

/** Whether an address may be read on to another one. */
export type MayBeReadOn =
  | 'no'
  | 'yes'
  /** Where its domain is another name of a domain of ours, of which the address itself does not tell. */
  | 'by another name';

/**
 * @param parts as written
 * @param ours whether the domain as written is ours
 * @param machineNames the machine's own names, normalised
 */
export function mayBeReadOn(
  parts: AddressParts,
  ours: boolean,
  machineNames: ReadonlySet<string>,
): MayBeReadOn {
  if (!isPlain(parts)) return 'yes';
  if (ours) return 'no';
  return machineNames.has(parts.domain) ? 'yes' : 'by another name';
}

/**
 * Whether the answer rests on what was made of the address. Not where nobody is there and the domain as written is not ours:
 * Postfix may have a Unix account of that name. Nor where it leads outside: that is Postfix's to take or refuse.
 * @param ours whether the domain as written is ours
 */
export function countsReadOn(readOn: Pick<RecipientFacts, 'resolution' | 'domain'>, ours: boolean): boolean {
  switch (readOn.resolution.kind) {
    case 'user':
    case 'alias':
    case 'loop':
      return readOn.domain !== null;
    case 'unclear':
      return true;
    case 'contact':
      return false;
    case 'nobody':
      return ours && readOn.domain !== null;
  }
}
