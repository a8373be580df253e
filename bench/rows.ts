// What a part of the benchmark gives back: rows of figures, findings that may have a target, and charts. Data only; the
// report and the plots are made from it elsewhere.

/** Says on standard error what is being done now; shown with the time used so far and the time that is left. */
export type Progress = (text: string) => void;

export interface PartOptions {
  /** Few messages, for a look: the whole benchmark in a minute or two. */
  readonly quick: boolean;
  readonly progress: Progress;
  /** For every `sealpost serve` that is started: `--workers`, `2`. */
  readonly serveArguments: readonly string[];
}

/** The heads of a table's columns, in the order in which they are printed. A column without any figure is left out. */
export const COLUMNS = [
  'messages/s',
  'lookups/s',
  'MB/s',
  'ms',
  'p50 ms',
  'p99 ms',
  'CPU ms/message',
  'peak MB',
  'event loop p99 ms',
  'longest block ms',
  'growth',
] as const;

export type Column = (typeof COLUMNS)[number];

/** One line of a part's table. */
export interface Row {
  /** What was measured, as an administrator would say it: `LMTP into the queue, 8 sessions, 4 KB`. */
  readonly work: string;
  /** Only what arrived whole and was proven to decrypt: a part throws rather than to give a figure that was not. */
  readonly figures: Readonly<Partial<Record<Column, number>>>;
  /** Puts the row on a growth curve, which becomes a plot: the curve's name, and how many there were of what grows. */
  readonly growth?: { readonly curve: string; readonly of: number };
}

/** A ratio, or a figure that a target is set for. */
export interface Finding {
  readonly what: string;
  readonly measured: number;
  /** Of `measured`; a ratio has none. */
  readonly unit?: 'ms' | 's' | 'MB' | 'messages/s';
  readonly target?: Target;
}

export interface Target {
  readonly is: 'at least' | 'at most' | 'below' | 'above';
  readonly value: number;
}

/** Points that become one plot. */
export interface Chart {
  /** Of its files, without ending: `growth-keys`. */
  readonly name: string;
  readonly title: string;
  /** `curve`: x is a number, on a logarithmic axis. */
  readonly kind: 'bars' | 'curve';
  readonly xTitle: string;
  readonly yTitle: string;
  readonly points: readonly { readonly series: string; readonly x: string | number; readonly y: number }[];
}

/** What one part has measured. */
export interface PartResult {
  readonly rows: readonly Row[];
  readonly findings?: readonly Finding[];
  readonly charts?: readonly Chart[];
  /** What a reader must know to judge the figures; Markdown, one paragraph each. */
  readonly notes?: readonly string[];
}

export interface Part {
  /** For `--only`. */
  readonly name: string;
  /** The heading of its section in the report. */
  readonly title: string;
  /** How long it takes on two quiet cores: in full, and with `--quick` (0: then it is left out). */
  readonly seconds: number;
  readonly quickSeconds: number;
  /** File name of a report of this part alone, which is written beside the other one whenever the part runs in full. Default: none. */
  readonly ownReport?: string;
  /** @throws Error when a message did not arrive, arrived twice, or does not decrypt to what was sent */
  run(options: PartOptions): Promise<PartResult>;
}
