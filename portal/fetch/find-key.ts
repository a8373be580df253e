// Looks for the key of an address where its owner may have published it.
import { MAX_UPLOAD } from '../../src/keys/refusals.ts';
import { type FetchFailure, fetchPublic, INTERNET } from './https.ts';
import { keyPlaces, readAsked } from './key-places.ts';

export type FoundKey =
  | { readonly ok: true; readonly bytes: Buffer; readonly host: string }
  | { readonly ok: false; readonly because: FetchFailure | 'no address' };

/** For all places together. */
const PATIENCE_MS = 5000;

/**
 * Asks the places of an address's key in their order until one has something.
 * @param keyServer a host that speaks VKS, or null
 * @returns the bytes as they came, unjudged; where nobody has it, why the nearest place did not give it. Never rejects.
 */
export async function findKey(
  address: string,
  keyServer: string | null,
  internet = INTERNET,
): Promise<FoundKey> {
  const asked = readAsked(address);
  if (asked === null) return { ok: false, because: 'no address' };
  const until = Date.now() + PATIENCE_MS;
  let worst: FetchFailure = 'absent';
  for (const place of keyPlaces(asked, keyServer)) {
    const milliseconds = until - Date.now();
    if (milliseconds <= 0) return { ok: false, because: 'too slow' };
    const fetched = await fetchPublic(place, { bytes: MAX_UPLOAD, milliseconds }, internet);
    if (fetched.ok) return { ...fetched, host: place.host };
    if (fetched.because !== 'absent' && worst === 'absent') worst = fetched.because;
  }
  return { ok: false, because: worst };
}
