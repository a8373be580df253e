// The line in which the files of a spool stand: ready, in hand, or waiting for their time. No I/O.

export interface Line {
  /** To be tried, oldest first. */
  readonly ready: Set<string>;
  /** Tried in vain before, or left for later. */
  readonly waiting: Map<string, WaitingFile>;
  /** A batch works on them, or they are being given up. */
  readonly inHand: Set<string>;
  /** Those among the ready and those in hand that need not wait for their time. */
  readonly forced: Set<string>;
}

export interface WaitingFile {
  readonly dueAt: number;
  /** The file may be filed when one of these changes. */
  readonly userIds: readonly number[];
  /** null: not known. */
  readonly arrived: Date | null;
}

export function createLine(): Line {
  return { ready: new Set(), waiting: new Map(), inHand: new Set(), forced: new Set() };
}

/** How many files are known and not yet filed. */
export function lengthOf({ ready, waiting, inHand }: Line): number {
  return ready.size + waiting.size + inHand.size;
}

/** Puts the names that are new into the line, and forgets the waiting ones that are gone. @param names what the folder has */
export function matchFolder({ ready, waiting, inHand }: Line, names: readonly string[]): void {
  const here = new Set(names);
  for (const name of waiting.keys()) if (!here.has(name)) waiting.delete(name);
  for (const name of names) {
    if (!inHand.has(name) && !waiting.has(name)) ready.add(name);
  }
}

/** Takes the first ones of the line in hand. @param most how many at most */
export function takeInHand({ ready, inHand }: Line, most: number): readonly string[] {
  const names: string[] = [];
  for (const name of ready) {
    names.push(name);
    if (names.length === most) break;
  }
  for (const name of names) {
    ready.delete(name);
    inHand.add(name);
  }
  return names;
}

/** The work on these names has ended. @param kept those that stay in hand all the same */
export function letGo(
  { inHand, forced }: Line,
  names: readonly string[],
  kept: readonly { readonly name: string }[],
): void {
  for (const name of names) {
    inHand.delete(name);
    forced.delete(name);
  }
  for (const { name } of kept) inHand.add(name);
}

/** Those whose time has come are ready. */
export function callDue({ ready, waiting }: Line, now: number): void {
  for (const [name, { dueAt }] of waiting) {
    if (dueAt > now) continue;
    waiting.delete(name);
    ready.add(name);
  }
}

/** Those that wait for a user are ready, whatever their time; null: all that wait. */
export function callFor({ ready, waiting, forced }: Line, userId: number | null): void {
  for (const [name, { userIds }] of waiting) {
    if (userId !== null && !userIds.includes(userId)) continue;
    waiting.delete(name);
    forced.add(name);
    ready.add(name);
  }
}
