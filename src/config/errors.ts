// What is wrong with a configuration, as people and machines read it, and how a value is shown without its password.

/** One finding: where, what was found, what would be right. */
export interface ConfigProblem {
  /** The file, or 'environment'. */
  readonly file: string;
  /** Such as `filter.listen[0].protocol`; empty for the file as a whole. */
  readonly key: string;
  /** One phrase; passwords are masked. */
  readonly found: string;
  /** One phrase: what is allowed. */
  readonly expected: string;
}

/** The configuration cannot be used. The message names every problem; no secret is part of it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(formatProblems(problems));
    this.problems = problems;
  }
}

/** One line: `FILE: KEY: found X; expected Y`. */
export function formatProblem(problem: ConfigProblem): string {
  const place = problem.key === '' ? problem.file : `${problem.file}: ${problem.key}`;
  return `${place}: found ${problem.found}; expected ${problem.expected}`;
}

function formatProblems(problems: readonly ConfigProblem[]): string {
  const lines = problems.map(formatProblem);
  const [only] = lines;
  if (only !== undefined && lines.length === 1) return only;
  return [`${lines.length} errors in the configuration:`, ...lines.map((line) => `  ${line}`)].join('\n');
}

const LONGEST_SHOWN = 80;
const HIDDEN = '(a text that is not shown, since it may hold a password)';

/** A value of the file as an error shows it: quoted, shortened, on one line, and without any password. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (typeof value === 'string') return showText(value);
  if (value instanceof Date) return 'a date';
  return Array.isArray(value) ? (value.length === 0 ? 'an empty list' : 'a list') : 'a table';
}

function showText(text: string): string {
  const safe = maskPassword(text);
  if (safe === undefined) return HIDDEN;
  return JSON.stringify(safe.length > LONGEST_SHOWN ? `${safe.slice(0, LONGEST_SHOWN)}...` : safe);
}

/**
 * The text with the password of a URL replaced, or undefined where a password may stand anywhere in it: what cannot be
 * taken apart with certainty is not shown at all.
 */
export function maskPassword(text: string): string | undefined {
  const mayHoldSecret = /passw|secret|pgpass/i.test(text) || /:.*@/s.test(text);
  if (!mayHoldSecret) return text;
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.hash !== '' || url.search !== '' || url.pathname.includes('@')) return undefined;
  if (url.password === '') return text;
  url.password = '***';
  return url.href;
}
