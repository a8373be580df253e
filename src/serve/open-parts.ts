// The parts that one process runs, from their start to their end.
import type { Config } from '../config/schema.ts';
import type { Logger } from '../observe/log.ts';
import type { FixedPart, FollowingPart, Part } from './parts/part.ts';

export interface OpenParts<P extends Part = Part> {
  /** What the process runs, in the order of the starts. */
  readonly wanted: readonly P[];
  /** What is open of it; a part that has ended stays here. */
  readonly open: ReadonlyMap<P, FixedPart>;
}

export interface OpeningParts<P extends Part = Part> extends OpenParts<P> {
  readonly open: Map<P, FixedPart>;
}

/** Starts one part after the other, except those that are open. @throws what a part throws; those before it stay open */
export async function startParts<P extends Part>(
  parts: OpeningParts<P>,
  start: (part: P) => Promise<FixedPart>,
): Promise<void> {
  for (const part of parts.wanted) if (!parts.open.has(part)) parts.open.set(part, await start(part));
}

const follows = (open: FixedPart): open is FollowingPart => 'reconfigure' in open;

/**
 * Lets the parts take a new configuration, the last one first: what can fail is mostly the filter, whose listeners follow.
 * @param next what a part is to take
 * @param before what it has now, which it takes again when a later part cannot follow
 * @throws what a part throws; all of them are as they were then
 */
export async function reconfigureParts(
  { open }: OpenParts,
  next: (part: Part) => Config,
  before: (part: Part) => Config,
  logger: Logger,
): Promise<void> {
  const taken: [Part, FollowingPart][] = [];
  try {
    for (const [part, running] of [...open].reverse()) {
      if (!follows(running)) continue;
      await running.reconfigure(next(part));
      taken.push([part, running]);
    }
  } catch (error) {
    for (const [part, running] of taken.reverse()) {
      try {
        await running.reconfigure(before(part));
      } catch (failure) {
        logger.error(
          { event: 'part_not_restored', err: failure, part: part.name },
          'a part could not go back to its configuration',
        );
      }
    }
    throw error;
  }
}

/** Ends at once what ends at the same time. Parts that have ended already do nothing. */
export async function closeParts({ open }: OpenParts, when: Part['closes'], graceMs: number): Promise<void> {
  const closing = [...open].filter(([part]) => part.closes === when);
  await Promise.all(closing.map(([, running]) => running.close(graceMs)));
}

/** Ends everything without grace, in order. */
export async function closeAll(parts: OpenParts): Promise<void> {
  for (const when of ['with the mail', 'after the mail', 'last'] as const) await closeParts(parts, when, 0);
}
