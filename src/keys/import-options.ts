// What an import is told, and what it tells of each certificate.
import type { KeySource } from '../directory/types.ts';
import type { X509Trust } from './judge-x509.ts';
import type { KeyPolicy } from './policy.ts';
import type { KeyRefusal } from './refusals.ts';

export interface ImportOptions {
  readonly policy: KeyPolicy;
  /** recipient_delimiter */
  readonly delimiters: string;
  readonly source: KeySource;
  /** Who does it, for the audit: `cli:alice`. */
  readonly actor: string;
  /** Unix milliseconds. */
  readonly now: number;
  /** The address, or domain, that an administrator named. */
  readonly for?: string | undefined;
  /** Remove the owner's other keys of this kind, of this or a weaker source, once the new one is in place. */
  readonly replace?: boolean | undefined;
  /** The owner read letters sealed to the keys that it replaces, or waited: their sources count no more than its own. */
  readonly proven?: boolean | undefined;
  /** Put it beside the owner's other keys of this kind. Without one of both, an owner who has another key keeps it alone. */
  readonly add?: boolean | undefined;
  /** Take it for `for`, though its user IDs name somebody else. */
  readonly anyName?: boolean | undefined;
  /** Who may vouch for X.509 certificates; default: nobody. Read only where there are some. */
  readonly x509?: (() => X509Trust) | undefined;
}

/** What became of one certificate of an upload. */
export interface ImportResult {
  readonly fingerprint: string | null;
  readonly result: 'added' | 'merged' | 'unchanged' | 'refused';
  /** Those who have it now: addresses, or `@domain`. */
  readonly owners: readonly string[];
  /** What was learned of a known certificate. */
  readonly news: readonly string[];
  /** It was added, and has expired: on what day, and what helps. */
  readonly expired?: string;
  /** Why it was refused, also where a known copy was merged all the same. */
  readonly refusal: KeyRefusal | null;
}
