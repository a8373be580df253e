// master.cf as text: splits it into entries and lays a fragment over a base, as `postconf -M` would.

/** `service/type` and the entry's lines. */
export interface MasterEntry {
  readonly name: string;
  readonly lines: readonly string[];
}

/** Reads master.cf syntax (master(5)): a line that starts with white space continues the one before. Pure. */
export function parseMasterCf(text: string): MasterEntry[] {
  const entries: { name: string; lines: string[] }[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    if (/^\s/.test(line)) {
      entries.at(-1)?.lines.push(line);
      continue;
    }
    const [service = '', type = ''] = line.split(/\s+/);
    entries.push({ name: `${service}/${type}`, lines: [line] });
  }
  return entries;
}

/** The base's entries with those of `over` added, or in place of the ones of the same service and type. Pure. */
export function mergeMasterCf(base: string, ...over: readonly string[]): string {
  const entries = new Map(parseMasterCf(base).map((entry) => [entry.name, entry.lines]));
  for (const text of over) for (const entry of parseMasterCf(text)) entries.set(entry.name, entry.lines);
  return `${[...entries.values()].flat().join('\n')}\n`;
}

/** main.cf lines (`name = value`, postconf(5)) as pairs, continuation lines joined. Pure. */
export function parseMainCf(text: string): [string, string][] {
  const pairs: [string, string][] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const last = pairs.at(-1);
    if (/^\s/.test(line)) {
      if (last) last[1] = `${last[1]} ${line.trim()}`.trim();
      continue;
    }
    const at = line.indexOf('=');
    pairs.push([line.slice(0, at).trim(), line.slice(at + 1).trim()]);
  }
  return pairs;
}
