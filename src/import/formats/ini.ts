// Configuration files as Python's RawConfigParser reads them (docs.python.org, configparser): names of options in lower case,
// `=` or `:` between name and value, comments with # or ;, indented lines continue a value. Pure.

/** A value with its line, counted from 1. */
export interface IniValue {
  readonly value: string;
  readonly line: number;
}

export type Ini = ReadonlyMap<string, ReadonlyMap<string, IniValue>>;

/** @returns a sentence where it is no such file */
export function parseIni(text: string): Ini | string {
  const sections = new Map<string, Map<string, IniValue>>();
  let section: Map<string, IniValue> | null = null;
  let last: string | null = null;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    if (/^\s*(?:[#;]|$)/.test(raw)) continue;
    const name = /^\[([^\]]+)\]/.exec(raw)?.[1];
    if (name !== undefined) {
      section = sections.get(name) ?? new Map();
      sections.set(name, section);
      last = null;
      continue;
    }
    if (section === null) return `line ${line} stands in no section`;
    const before = last === null ? undefined : section.get(last);
    if (/^\s/.test(raw) && last !== null && before !== undefined) {
      section.set(last, { ...before, value: `${before.value}\n${withoutComment(raw.trim())}` });
      continue;
    }
    const [, option, value = ''] = /^([^:=]+?)\s*[:=]\s*(.*)$/.exec(raw.trim()) ?? [];
    if (option === undefined) return `line ${line}: expected NAME = VALUE`;
    last = option.toLowerCase();
    section.set(last, { value: withoutComment(value), line });
  }
  return sections;
}

/** Python 2 ends a value at a semicolon that follows white space. */
function withoutComment(value: string): string {
  return value.replace(/\s;.*$/, '').trim();
}

export function iniValue(ini: Ini, section: string, option: string): string | undefined {
  return ini.get(section)?.get(option)?.value;
}
