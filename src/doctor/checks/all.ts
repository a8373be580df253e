// Every check of `sealpost doctor`, in the order in which they are printed.
import type { Check } from '../check.ts';
import { DATABASE_CHECKS } from './database.ts';
import { DELIVERY_CHECKS } from './delivery.ts';
import { INSTALL_CHECKS } from './install.ts';
import { KEY_CHECKS } from './keys.ts';
import { MACHINE_CHECKS } from './machine.ts';
import { NEXT_HOP_CHECKS } from './next-hop.ts';
import { PORTAL_CHECKS } from './portal.ts';
import { PUBLISHING_CHECKS } from './publishing.ts';
import { ROAD_CHECKS } from './roads.ts';
import { ADDRESS_CHECKS } from './roads-addresses.ts';
import { COPY_CHECKS } from './roads-copies.ts';
import { WAY_BACK_CHECKS } from './way-back.ts';

/** By family: what they look at. */
export const FAMILIES: Readonly<Record<string, readonly Check[]>> = {
  'The program': INSTALL_CHECKS,
  'The database': DATABASE_CHECKS,
  'Users and keys': KEY_CHECKS,
  'The next hop': NEXT_HOP_CHECKS,
  'Postfix, to sealpost': DELIVERY_CHECKS,
  'Postfix, back from sealpost': WAY_BACK_CHECKS,
  Addresses: ADDRESS_CHECKS,
  'Roads past sealpost': ROAD_CHECKS,
  'Readers that Postfix adds': COPY_CHECKS,
  'The portal': PORTAL_CHECKS,
  'Published keys': PUBLISHING_CHECKS,
  'The machine': MACHINE_CHECKS,
};

export const CHECKS: readonly Check[] = Object.values(FAMILIES).flat();
