// A whole Postfix as postconf(1) tells of it: main.cf, the services of master.cf, and what each of them overrides. Pure.
import { settingsOf } from './settings.ts';

/** A service of master.cf. */
export interface PostfixService {
  /** `smtp`, `127.0.0.1:10026`, `sealpost-delivery`. */
  readonly name: string;
  /** `inet`, `unix`, `unix-dgram`, `fifo`, `pass`. */
  readonly type: string;
  /** `-`: default_process_limit; `0`: no limit. */
  readonly maxproc: string;
  readonly command: string;
  /** What stands behind the command, as it is written. */
  readonly args: string;
  /** Its own settings (`-o`), with `$name` expanded. */
  readonly overrides: ReadonlyMap<string, string>;
}

export interface PostfixModel {
  /** Such as `3.7.11`. */
  readonly version: string;
  /** As Postfix's own -c; null: where Postfix has it. */
  readonly configDir: string | null;
  /** Every setting of main.cf, defaults included, with `$name` expanded. */
  readonly main: ReadonlyMap<string, string>;
  readonly services: readonly PostfixService[];
  /** What postconf(1) itself warns of. */
  readonly warnings: readonly string[];
}

/** What postconf(1) printed. */
export interface PostconfOutput {
  /** `postconf -x` */
  readonly main: string;
  /** `postconf -Mx` */
  readonly master: string;
  /** `postconf -Px` */
  readonly overrides: string;
  /** Its standard error. */
  readonly warnings: string;
}

export function readModel(printed: PostconfOutput, configDir: string | null): PostfixModel {
  const main = settingsOf(printed.main);
  const overrides = new Map<string, Map<string, string>>();
  for (const [key, value] of settingsOf(printed.overrides)) {
    const at = key.lastIndexOf('/');
    const service = key.slice(0, at);
    const own = overrides.get(service) ?? new Map<string, string>();
    own.set(key.slice(at + 1), value);
    overrides.set(service, own);
  }
  const services = printed.master.split('\n').flatMap((line): PostfixService[] => {
    const [name, type, , , , , maxproc, command, ...args] = line.trim().split(/\s+/);
    if (name === undefined || type === undefined || maxproc === undefined || command === undefined) return [];
    const own = overrides.get(`${name}/${type}`) ?? new Map<string, string>();
    return [{ name, type, maxproc, command, args: args.join(' '), overrides: own }];
  });
  const warnings = printed.warnings.split('\n').filter((line) => line.includes('warning:'));
  return { version: main.get('mail_version') ?? '', configDir, main, services, warnings };
}

/** What a setting is for a service: its own, else main.cf's; '' where there is none. */
export function settingOf({ main }: PostfixModel, name: string, service?: PostfixService): string {
  return service?.overrides.get(name) ?? main.get(name) ?? '';
}

/** yes or no, as Postfix reads them. */
export function isYes(value: string): boolean {
  return value.trim().toLowerCase() === 'yes';
}

/** A list of postconf(5): white space and commas part it, except inside braces. */
export function listOf(value: string): readonly string[] {
  const words: string[] = [];
  let word = '';
  let depth = 0;
  for (const character of value) {
    if (character === '{') depth += 1;
    if (character === '}') depth -= 1;
    if (depth === 0 && /[\s,]/.test(character)) {
      if (word !== '') words.push(word);
      word = '';
    } else word += character;
  }
  return word === '' ? words : [...words, word];
}

/** How many processes a service may have; Infinity for 0. */
export function processLimit(postfix: PostfixModel, { maxproc }: PostfixService): number {
  const limit = Number(maxproc === '-' ? settingOf(postfix, 'default_process_limit') : maxproc);
  return limit === 0 ? Number.POSITIVE_INFINITY : limit;
}

/** A time of postconf(5), such as `600s` or `10m`, in milliseconds. @param unit what counts where none is written */
export function timeOf(value: string, unit = 's'): number {
  const [, number = '0', given = unit] = /^(\d+)([smhdw])?$/.exec(value.trim()) ?? [];
  const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
  return Number(number) * (seconds[given] ?? 1) * 1000;
}

/** Whether a version is at least so new; parts are compared as numbers. */
export function isAtLeast(version: string, least: string): boolean {
  const parts = (text: string): readonly number[] =>
    text.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  const [have, want] = [parts(version), parts(least)];
  for (const [index, part] of want.entries()) {
    const own = have[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
}
