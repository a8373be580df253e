// What a reader's settings and keys ask of a sealed message, in every style.
import type { RecipientKey } from '../openpgp/types.ts';
import type { HeaderPolicy } from './header-policy.ts';

export interface SealOptions {
  /** `hide`: `Subject: [...]` outside, the real one inside. */
  readonly subject: 'keep' | 'hide';
  /** How much of the header stands outside. Default `no_confidentiality`: all of it, but for what `subject` hides. */
  readonly headerPolicy?: HeaderPolicy;
  /** Names of fields that `shy` leaves outside beside those of trace and routing. */
  readonly headerOutside?: readonly string[];
  /** Wildcard key IDs, and no `key=` in Sealpost-Status. */
  readonly hideKeyIds: boolean;
  readonly keys: readonly RecipientKey[];
  readonly status: {
    readonly host: string;
    /** '' where none is known: `id=` is left out then. */
    readonly queueId: string;
    readonly date: Date;
  };
}
