// What a delivery needs of the world around it, so that each of its steps can take it.
import type { Config } from '../config/schema.ts';
import type { NextHop } from '../config/units.ts';
import type { Directory } from '../directory/types.ts';
import type { AddressForm, MessageEvent } from '../observe/events.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Seal } from '../openpgp/types.ts';
import type { Sealer } from '../sealing/pool.ts';
import type { NextHopClient } from '../smtp/client/next-hop.ts';
import type { Acceptances } from './acceptances.ts';
import type { Claims } from './claims.ts';
import type { Decider } from './decide.ts';
import type { KeyDoor } from './key-address.ts';

export interface DeliveryContext {
  /** Read for every transaction, so that SIGHUP takes effect with the next one. */
  readonly config: () => Config;
  readonly directory: Directory;
  readonly decider: Pick<Decider, 'copy'>;
  readonly encrypt: Seal;
  /** Whether a message is encrypted already. */
  readonly detect: Sealer['detect'];
  readonly sealInline: Sealer['sealInline'];
  /** Reads letters to the key address; null: none are read here, and the decider knows of none. */
  readonly keyDoor: KeyDoor | null;
  /** Gets ciphertext of `encrypt` that nobody reads any more. */
  readonly giveBack: (ciphertext: Uint8Array) => void;
  readonly memory: Acceptances;
  /** A second attempt waits until the fate of the first one is known. */
  readonly claims: Claims;
  /** @param own the next hop of the transaction's listener; undefined: `filter.next_hop` */
  readonly nextHop: (own: NextHop | undefined) => Pick<NextHopClient, 'send'>;
  /** For ciphertext that does not fit into memory. */
  readonly outgoingDirectory: string;
  /** Takes what became of each recipient, for the log and the table of events. Never throws. */
  readonly tell: (event: MessageEvent) => void;
  /** How the log shows a recipient; '' where it shows none. */
  readonly shown: AddressForm;
  readonly logger: Logger;
  readonly metrics: Metrics;
}
