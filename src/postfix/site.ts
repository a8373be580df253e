// A site's Postfix as it is before a wiring is laid over it, and what of it stands in the way.
import type { NextHop } from '../config/units.ts';

/** What there is. */
export interface Site {
  readonly main: string;
  readonly master: string;
  /** Postfix's own values (`postconf -d`) for the names that the wiring sets. */
  readonly defaults: ReadonlyMap<string, string>;
  readonly queueDirectory: string;
  /** Where sealpost hands mail on: what leads there now may lead to sealpost. null: unknown. */
  readonly nextHop: NextHop | null;
}

/** Something of the site's own that stays as it is. */
export interface Conflict {
  /** The setting, service or port. */
  readonly where: string;
  readonly found: string;
  /** What to do, in a sentence or two. */
  readonly remedy: string;
}
