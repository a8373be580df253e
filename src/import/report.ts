// The report of an import, for people and for machines. Pure.
import { countOf, type Kind, type Outcome, type Tally, type Told } from './outcome.ts';

/** Of what is fine, so many are listed for people; what is not fine is listed whole. */
const LISTED = 20;

const KINDS: readonly Kind[] = ['domain', 'user', 'alias', 'key', 'setting'];
const PLURAL: Readonly<Record<Kind, string>> = {
  domain: 'domains',
  user: 'users',
  alias: 'aliases',
  key: 'keys',
  setting: 'settings',
};

const TITLES: readonly (readonly [Outcome, string, string])[] = [
  ['refused', 'refused', 'refused'],
  ['gone', 'gone at the source', 'gone at the source'],
  ['disabled', 'disabled', 'to be disabled'],
  ['removed', 'removed', 'to be removed'],
  ['changed', 'changed', 'to be changed'],
  ['added', 'added', 'to be added'],
  ['left', 'left to the other program', 'left to the other program'],
];

const WHOLE: ReadonlySet<Outcome> = new Set(['refused', 'gone', 'disabled', 'removed']);

export interface Report {
  readonly source: string;
  readonly applied: boolean;
  readonly counts: Tally['counts'];
  /** Every row but those that are the same. */
  readonly rows: readonly Told[];
  /** Fingerprints, each with its owners, of keys that were taken and have expired. */
  readonly expired: readonly {
    readonly fingerprint: string;
    readonly owners: readonly string[];
    readonly because: string;
  }[];
  /** Addresses with more than one key. */
  readonly several: readonly { readonly address: string; readonly fingerprints: readonly string[] }[];
}

export function makeReport(source: string, applied: boolean, { told, counts }: Tally): Report {
  const taken = told.filter(
    ({ kind, outcome }) => kind === 'key' && outcome !== 'refused' && outcome !== 'gone',
  );
  const byOwner = new Map<string, Set<string>>();
  for (const { name, owners = [] } of taken)
    for (const owner of owners) byOwner.set(owner, (byOwner.get(owner) ?? new Set()).add(name));
  return {
    source,
    applied,
    counts,
    rows: told,
    expired: taken.flatMap(({ name, owners = [], expired }) =>
      expired === undefined ? [] : [{ fingerprint: name, owners, because: expired }],
    ),
    several: [...byOwner].flatMap(([address, fingerprints]) =>
      fingerprints.size > 1 ? [{ address, fingerprints: [...fingerprints] }] : [],
    ),
  };
}

/** Whether somebody should look at it: something was refused. */
export function hasRefusals(report: Pick<Report, 'counts'>): boolean {
  return countOf(report, 'refused') > 0;
}

/** How many rows one piece of the text has. */
const ROWS_AT_ONCE = 1000;

/** The report as machines read it, a row on each line: in pieces, since a hundred thousand rows are a large text. */
export function* reportJson({ rows, expired, several, ...head }: Report): Generator<string> {
  for (const [name, value] of Object.entries(head))
    yield `${name === 'source' ? '{' : ','}\n  ${JSON.stringify(name)}: ${JSON.stringify(value)}`;
  yield ',\n  "rows": [';
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    const piece = rows.slice(at, at + ROWS_AT_ONCE).map((row) => `\n    ${JSON.stringify(row)}`);
    yield `${at === 0 ? '' : ','}${piece.join(',')}`;
  }
  yield `\n  ],\n  "expired": ${JSON.stringify(expired)},\n  "several": ${JSON.stringify(several)}\n}\n`;
}

/** The report as a person reads it. */
export function reportText(report: Report): string {
  const { rows, counts, applied, expired, several } = report;
  const lines = KINDS.flatMap((kind) => {
    const words = Object.entries(counts[kind]).map(([outcome, count]) => `${count} ${outcome}`);
    return words.length === 0 ? [] : [`${`${PLURAL[kind]}:`.padEnd(10)} ${words.join(', ')}`];
  });
  if (lines.length === 0) lines.push('the source is empty');
  for (const [outcome, done, planned] of TITLES) {
    const all = rows.filter((row) => row.outcome === outcome);
    if (all.length === 0) continue;
    lines.push('', `${applied ? done : planned}:`);
    const listed = WHOLE.has(outcome) ? all : all.slice(0, LISTED);
    lines.push(...listed.map((row) => `  ${rowText(row)}`));
    if (listed.length < all.length)
      lines.push(`  ... and ${all.length - listed.length} more (--json lists all)`);
  }
  if (expired.length > 0) {
    lines.push('', 'keys that have expired (sealed to as on_expired_key says):');
    lines.push(
      ...expired.map(
        ({ fingerprint, owners, because }) => `  ${fingerprint} of ${owners.join(', ')}: ${because}`,
      ),
    );
  }
  if (several.length > 0) {
    lines.push('', 'addresses with several keys (sealed to all of them):');
    lines.push(...several.map(({ address, fingerprints }) => `  ${address}: ${fingerprints.join(', ')}`));
  }
  if (!applied) lines.push('', 'nothing was written; --apply writes it');
  return lines.join('\n');
}

function rowText({ kind, name, where, because, owners = [] }: Told): string {
  const of = owners.length === 0 ? '' : ` of ${owners.join(', ')}`;
  const place = where === null ? '' : ` (${where})`;
  return `${kind} ${name}${of}${place}${because === null ? '' : `: ${because}`}`;
}
