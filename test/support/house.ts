// The rules of the house: rooms stand on floors, and an import points down or along its floor, never up. Reads the import
// statements of TypeScript files; what it does with them is pure, so that its own test can turn an arrow up.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

/** From the ground up. A room is a folder with everything below it, unless a longer name stands here too. */
export const FLOORS: readonly (readonly string[])[] = [
  ['src/pacing', 'src/observe', 'src/config', 'src/address', 'src/openpgp', 'src/queue-api'],
  ['src/host', 'src/message'],
  ['src/smtp', 'src/smime', 'src/database', 'src/http', 'client'],
  ['src/directory', 'src/sealing', 'src/postfix'],
  ['src/keys'],
  ['src/delivery', 'src/enrolment', 'src/publishing'],
  ['filters', 'policy', 'receiver', 'src/notices', 'portal'],
  ['src/serve', 'src/doctor', 'src/import', 'src/backup'],
  ['src/cli'],
];

/** Rooms that must not know of each other, though their floors would let them. */
const STRANGERS: readonly (readonly [string, string])[] = [
  ['policy', 'filters'],
  ['filters', 'policy'],
  ['client', 'src/database'],
];

/** Each file, and the files that it imports; paths from the root of the repository. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** Reads what every TypeScript file below `folders` imports by a relative path. */
export function readImports(root: string, folders: readonly string[]): Imports {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name)),
  );
  const found = /(?:from|import|import\()\s*'(\.[^']+\.ts)'/g;
  return new Map(
    files.map((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const targets = [...text.matchAll(found)].map(([, to = '']) => normalize(join(dirname(file), to)));
      return [file, targets.map((target) => relative('.', target))];
    }),
  );
}

/** Every way in which the imports break the rules, in words; empty when they keep them. */
export function brokenRules(imports: Imports): string[] {
  const broken: string[] = [];
  for (const [file, targets] of imports) {
    if (floorOf(file) === 0) broken.push(`${file} is on no floor`);
    for (const target of targets) {
      if (floorOf(target) > floorOf(file)) broken.push(`${file} imports up: ${target}`);
    }
  }
  const reached = reachedFrom(imports);
  for (const [room, stranger] of STRANGERS)
    for (const [file] of imports)
      if (isIn(file, room))
        for (const target of reached(file))
          if (isIn(target, stranger)) broken.push(`${file} reaches ${target}, and ${room} must not know it`);
  for (const circle of circles(imports)) broken.push(`a circle of files: ${circle.join(', ')}`);
  for (const knot of circles(foldersOf(imports))) broken.push(`a knot of folders: ${knot.join(', ')}`);
  return broken;
}

function isIn(file: string, room: string): boolean {
  return file.startsWith(`${room}/`);
}

/** 1 for the ground floor; 0 for a file that has no room. */
function floorOf(file: string): number {
  return FLOORS.findIndex((rooms) => rooms.some((room) => isIn(file, room))) + 1;
}

function foldersOf(imports: Imports): Imports {
  const folders = new Map<string, string[]>();
  for (const [file, targets] of imports) {
    const folder = dirname(file);
    const others = targets.map((target) => dirname(target)).filter((other) => other !== folder);
    folders.set(folder, [...new Set([...(folders.get(folder) ?? []), ...others])]);
  }
  return folders;
}

/** What a file reaches by any number of imports. */
function reachedFrom(imports: Imports): (file: string) => ReadonlySet<string> {
  return (file) => {
    const reached = new Set<string>();
    const waiting = [...(imports.get(file) ?? [])];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (reached.has(next)) continue;
      reached.add(next);
      waiting.push(...(imports.get(next) ?? []));
    }
    return reached;
  };
}

/** The groups of more than one that reach each other. */
function circles(imports: Imports): string[][] {
  const reachedBy = new Map([...imports.keys()].map((file) => [file, reachedFrom(imports)(file)]));
  const groups = new Set<string>();
  for (const [file, reached] of reachedBy) {
    if (!reached.has(file)) continue;
    groups.add(
      [...reached]
        .filter((other) => reachedBy.get(other)?.has(file))
        .sort()
        .join('\n'),
    );
  }
  return [...groups].map((group) => group.split('\n'));
}
