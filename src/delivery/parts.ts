// What a delivery stands on, so that each of its steps can take it.
import type { Config } from '../config/schema.ts';
import type { Directory, KeyKind, RecipientFacts, StoredKey } from '../directory/types.ts';
import type { KeyChoice } from '../keys/choose.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Seal } from '../openpgp/types.ts';
import type { NextHopClient } from '../smtp/client/next-hop.ts';
import type { Claims } from './claims.ts';
import type { DeliveryMemory } from './memory.ts';

/** What the delivery stands on. */
export interface DeliveryParts {
  /** Read for every transaction, so that SIGHUP takes effect with the next one. */
  readonly config: () => Config;
  readonly directory: Directory;
  /** Inspects the keys of a recipient once, and gives the pure choice among them for this moment. */
  readonly chooser: (
    facts: RecipientFacts,
    now: number,
  ) => Promise<(keys: readonly StoredKey[], prefer: KeyKind) => KeyChoice>;
  readonly encrypt: Seal;
  /** Gets ciphertext of `encrypt` that nobody reads any more. */
  readonly giveBack: (ciphertext: Uint8Array) => void;
  readonly memory: DeliveryMemory;
  /** A second attempt waits until the fate of the first one is known. */
  readonly claims: Claims;
  readonly nextHop: () => Pick<NextHopClient, 'send'>;
  /** For ciphertext that does not fit into memory. */
  readonly outgoingDirectory: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}
