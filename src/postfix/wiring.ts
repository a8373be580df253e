// A wiring: what one folder of postfix-examples/ adds to main.cf and master.cf. The folder's files are the only place where its
// settings stand.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../config/package.ts';
import { Refused } from '../host/exit-codes.ts';
import { isIgnored } from './main-cf.ts';

/** The fragments of a wiring, as they are to be laid over a site's files. */
export interface Wiring {
  readonly name: string;
  readonly main: string;
  /** '' for a wiring without services. */
  readonly master: string;
  /** Its part of sealpost.toml. */
  readonly toml: string;
}

/** The names of all wirings. */
export function wiringNames(): readonly string[] {
  const folder = join(packageRoot(), 'postfix-examples');
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** Reads a wiring of {@link wiringNames}. @throws Refused for another name */
export function readWiring(name: string): Wiring {
  const names = wiringNames();
  if (!names.includes(name))
    throw new Refused(`there is no wiring ${JSON.stringify(name)}: choose one of ${names.join(', ')}`);
  const read = (file: string): string => {
    const path = join(packageRoot(), 'postfix-examples', name, file);
    return existsSync(path) ? readFileSync(path, 'latin1') : '';
  };
  return { name, main: read('main.cf'), master: read('master.cf'), toml: read('sealpost.example.toml') };
}

/** What differs on this machine from what the examples assume. */
export interface Places {
  /** Ports on 127.0.0.1 in place of the examples' own. */
  readonly ports: ReadonlyMap<number, number>;
  /** Where sealpost-pipe is; null: unknown. */
  readonly pipeProgram: string | null;
  /** The numbers of the user sealpost; null: there is none. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
}

/** Puts a machine's own ports, paths and numbers into a wiring. Pure. */
export function placeWiring(wiring: Wiring, { ports, pipeProgram, user }: Places): Wiring {
  const place = (text: string): string => {
    const placed = text
      .replace(/(127\.0\.0\.1\]?:)(\d+)\b/g, (whole, host, port) => {
        const own = ports.get(Number(port));
        return own === undefined ? whole : `${host}${own}`;
      })
      .replace(/argv=\/usr\/bin\/sealpost-pipe\b/, `argv=${pipeProgram ?? '/usr/bin/sealpost-pipe'}`);
    if (user === null) return placed;
    return placed
      .replace(/^(virtual_uid_maps = static:)5000$/m, `$1${user.uid}`)
      .replace(/^(virtual_gid_maps = static:)5000$/m, `$1${user.gid}`);
  };
  return { ...wiring, main: place(wiring.main), master: place(wiring.master) };
}

/** A logical line of a fragment, with the comments above it. */
export interface FragmentItem {
  readonly comments: readonly string[];
  /** The first line and those that continue it. */
  readonly lines: readonly string[];
}

/** Takes a fragment apart. What its first lines say to a person who appends it by hand is left out. Pure. */
export function itemsOf(fragment: string): readonly FragmentItem[] {
  const items: { comments: string[]; lines: string[] }[] = [];
  let comments: string[] = [];
  for (const line of fragment.split('\n')) {
    if (isIgnored(line)) {
      const kept = forAFile(line);
      if (kept !== null) comments.push(kept);
    } else if (/^\s/.test(line)) items.at(-1)?.lines.push(line);
    else {
      items.push({ comments, lines: [line] });
      comments = [];
    }
  }
  return items;
}

/** A comment as it is for somebody who reads main.cf or master.cf; null: it is not. */
function forAFile(line: string): string | null {
  const said = line.replace(/^# Append to \S+ \(README\.md beside this file\)[.:] ?/, '# ').trimEnd();
  if (said === line.trimEnd()) return line.trim() === '' ? null : line;
  return said === '#' ? null : said.replace(/^# (\w)/, (_, first: string) => `# ${first.toUpperCase()}`);
}
