// What an import is applied with.
import type { Database } from '../database/open.ts';
import type { ImportOptions } from '../keys/import-options.ts';
import type { Source } from './formats/rows.ts';
import type { PlanOptions } from './planning.ts';

export interface ApplyOptions extends PlanOptions {
  /** Disable what is gone at the source. */
  readonly remove: boolean;
  /** Also where it is more than 5 % at once. */
  readonly yes: boolean;
  readonly keys: Pick<ImportOptions, 'policy' | 'actor' | 'now' | 'x509'>;
}

/** What is being done, for a progress line. `total` null: not known. */
export type Progress = (doing: string, done: number, total: number | null) => void;

export interface ApplyContext {
  readonly database: Pick<Database, 'pool'>;
  readonly source: Pick<Source, 'name' | 'addsDomains' | 'addsOwners'>;
  readonly options: ApplyOptions;
  readonly progress: Progress;
}
