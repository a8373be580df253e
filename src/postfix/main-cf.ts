// main.cf as text (postconf(5), "Main.cf format"): read, and changed without touching what else stands there. Pure. A text holds
// bytes as Latin-1, so that what is not changed keeps them.

/** One definition; the last one of a name counts. */
export interface MainSetting {
  readonly name: string;
  /** Continuation lines joined by a blank. */
  readonly value: string;
  /** Numbers of the lines that it is written on, comments in between left out. */
  readonly lines: readonly number[];
}

/** Every definition, in the order of the file. What is neither a definition nor goes on with one is left out. */
export function readMainCf(text: string): readonly MainSetting[] {
  const settings: { name: string; value: string; lines: number[] }[] = [];
  for (const [number, line] of text.split('\n').entries()) {
    if (isIgnored(line)) continue;
    const last = settings.at(-1);
    if (/^\s/.test(line)) {
      if (last === undefined) continue;
      last.value = `${last.value} ${line.trim()}`.trim();
      last.lines.push(number);
      continue;
    }
    const at = line.indexOf('=');
    if (at === -1) continue;
    settings.push({ name: line.slice(0, at).trim(), value: line.slice(at + 1).trim(), lines: [number] });
  }
  return settings;
}

/** An empty line, or a comment: both may stand between a line and the one that continues it. */
export function isIgnored(line: string): boolean {
  return /^\s*(?:#|$)/.test(line);
}

/** The definition of each name that counts: the last one. */
export function definitionsThatCount(text: string): ReadonlyMap<string, MainSetting> {
  return new Map(readMainCf(text).map((setting) => [setting.name, setting]));
}

/** Gives a name that is defined already another value, where its last definition stands. Comments inside it stay. */
export function replaceSetting(text: string, { name, lines: old }: MainSetting, value: string): string {
  const [first = -1, ...more] = old;
  return text
    .split('\n')
    .flatMap((line, number) =>
      number === first ? [`${name} = ${value}`] : more.includes(number) ? [] : [line],
    )
    .join('\n');
}

/** The names that a value refers to: `$name`, `${name}`, `$(name)`, `${name?text}` (postconf(5)). */
export function referencesIn(value: string): readonly string[] {
  return [...value.matchAll(/\$(?:[({]\s*)?(\w[\w-]*)/g)].map(([, name = '']) => name);
}

/**
 * A value with its references replaced by what they stand for.
 * @param defaults what counts for a name that main.cf does not define
 */
export function expandValue(
  value: string,
  settings: ReadonlyMap<string, MainSetting>,
  defaults: ReadonlyMap<string, string>,
  depth = 0,
): string {
  // postconf(5) has no limit; a circle has.
  if (depth > 20) return value;
  return value.replace(/\$(?:\{(\w+)\}|\((\w+)\)|(\w+))/g, (whole, braced, round, plain) => {
    const name = String(braced ?? round ?? plain);
    const found = settings.get(name)?.value ?? defaults.get(name);
    return found === undefined ? whole : expandValue(found, settings, defaults, depth + 1);
  });
}
