// Changes in a part's header section: some fields are put in the place of others, and every other one keeps its bytes and its place.
import { fieldsNamed, type HeaderField, type LineEnding } from '../message/header.ts';
import { endedWith } from './header-protection.ts';

/** What stands in the place of the fields of each name (lower case): lines of ASCII, or bytes of fields. */
export type Changes = ReadonlyMap<string, readonly (string | Buffer)[]>;

/**
 * Writes a header section without its empty line. What replaces a field stands where the first one of that name stood, or, where
 * there was none, at the end.
 */
export function rewriteHeader(
  fields: readonly HeaderField[],
  changes: Changes,
  eol: LineEnding,
): readonly Buffer[] {
  const bytes = (text: string | Buffer) =>
    typeof text === 'string' ? Buffer.from(text + eol, 'latin1') : endedWith(text, eol);
  const written = new Set<string>();
  const header = fields.flatMap(({ name, raw }) => {
    const change = changes.get(name);
    if (change === undefined) return [endedWith(raw, eol)];
    if (written.has(name)) return [];
    written.add(name);
    return change.map(bytes);
  });
  const added = [...changes].filter(([name]) => !written.has(name)).flatMap(([, change]) => change);
  return [...header, ...added.map(bytes)];
}

/** The fields of a name as `X-Original-...`: what they said is true no more, and nothing else says it. */
export function asOriginal(fields: readonly HeaderField[], name: string): readonly Buffer[] {
  return fieldsNamed({ fields }, name).map(({ raw }) =>
    Buffer.concat([Buffer.from('X-Original-', 'latin1'), raw]),
  );
}
