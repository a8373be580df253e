import { createArmorWriter } from '../../src/openpgp/armor.ts';
import type { ArmorHeader } from '../../src/openpgp/types.ts';

/** Armors a message that is there as a whole. */
export function armorMessage(packets: Uint8Array, headers: readonly ArmorHeader[] = []): Buffer {
  const writer = createArmorWriter(packets.length, headers);
  writer.write(packets);
  return writer.finish();
}
