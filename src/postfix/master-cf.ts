// master.cf as text (master(5)): read, compared, and changed without touching what else stands there. Pure; bytes as Latin-1.
import { isIgnored } from './main-cf.ts';

/** One service. */
export interface MasterService {
  /** Such as `smtp` or `127.0.0.1:10026`. */
  readonly name: string;
  /** inet, unix, unix-dgram, fifo, pass. */
  readonly type: string;
  /** private, unpriv, chroot, wakeup, maxproc. */
  readonly fields: readonly string[];
  readonly command: string;
  /** `-o name=value` of the command: the last one of a name counts. */
  readonly options: ReadonlyMap<string, string>;
  /** Every other argument, in order. */
  readonly others: readonly string[];
  /** Numbers of its lines, comments in between left out. */
  readonly lines: readonly number[];
}

/** Every service, in the order of the file. */
export function readMasterCf(text: string): readonly MasterService[] {
  const entries: { text: string; lines: number[] }[] = [];
  for (const [number, line] of text.split('\n').entries()) {
    if (isIgnored(line)) continue;
    const last = entries.at(-1);
    if (!/^\s/.test(line)) entries.push({ text: line, lines: [number] });
    else if (last !== undefined) {
      last.text += ` ${line}`;
      last.lines.push(number);
    }
  }
  return entries.map((entry) => readService(entry.text, entry.lines));
}

function readService(text: string, lines: readonly number[]): MasterService {
  const [name = '', type = '', ...rest] = tokensOf(text);
  const args = rest.slice(6);
  const options = new Map<string, string>();
  const others: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (!arg.startsWith('-o')) {
      others.push(arg);
      continue;
    }
    const [option, value] = readOption(arg === '-o' ? (args[++at] ?? '') : arg.slice(2));
    options.set(option, value);
  }
  return { name, type, fields: rest.slice(0, 5), command: rest[5] ?? '', options, others, lines };
}

/** Splits at blanks; an argument in braces is one (master(5), since Postfix 3.0). */
function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  let rest = text.trim();
  while (rest !== '') {
    const end = rest.startsWith('{') ? closingBrace(rest) : rest.search(/\s/);
    const length = end === -1 ? rest.length : end;
    tokens.push(rest.slice(0, length));
    rest = rest.slice(length).trimStart();
  }
  return tokens;
}

/** Where the text behind the braces that it begins with goes on; -1 where they do not end. */
function closingBrace(text: string): number {
  let depth = 0;
  for (const [at, character] of [...text].entries()) {
    if (character === '{') depth++;
    if (character === '}' && --depth === 0) return at + 1;
  }
  return -1;
}

/** `name=value` or `{ name = value }`. */
function readOption(text: string): readonly [string, string] {
  const inner = text.startsWith('{') ? text.replace(/^\{\s*/, '').replace(/\s*\}$/, '') : text;
  const at = inner.indexOf('=');
  return at === -1 ? [inner, ''] : [inner.slice(0, at).trim(), inner.slice(at + 1).trim()];
}

/** As postconf(1) names it: `smtp/inet`. */
export function serviceName({ name, type }: Pick<MasterService, 'name' | 'type'>): string {
  return `${name}/${type}`;
}

/** Whether two entries mean the same; the order of their options does not count. */
export function isSameService(one: MasterService, other: MasterService): boolean {
  return formatService(one) === formatService(other);
}

/** On one line, as `postconf -M` takes it, options by name. */
export function formatService(service: MasterService): string {
  const { name, type, fields, command, options, others } = service;
  const sorted = [...options].sort(([a], [b]) => (a < b ? -1 : 1));
  return [name, type, ...fields, command, ...sorted.map(formatOption), ...others].join(' ');
}

/** `-o name=value`, in braces where the value needs them. */
export function formatOption([name, value]: readonly [string, string]): string {
  return /\s|^\{/.test(value) ? `-o { ${name} = ${value} }` : `-o ${name}=${value}`;
}

/** Adds options to a service that is there, behind its last line. */
export function addOptions(
  text: string,
  { lines: own }: MasterService,
  options: readonly (readonly [string, string])[],
): string {
  const lines = text.split('\n');
  lines.splice((own.at(-1) ?? 0) + 1, 0, ...options.map((option) => `  ${formatOption(option)}`));
  return lines.join('\n');
}

/** Where a service of the type inet listens: `10025`, `127.0.0.1:10025`, `[::1]:10025`, `smtp`. @returns port as written */
export function listensAt(name: string): { readonly host: string; readonly port: string } {
  const at = name.lastIndexOf(':');
  return at === -1
    ? { host: '', port: name }
    : { host: name.slice(0, at).replace(/^\[|\]$/g, ''), port: name.slice(at + 1) };
}
