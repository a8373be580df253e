// The door by mail as a filter opens it: what reads the letters is loaded with the first one.
import type { KeyDoor } from '../../delivery/key-address.ts';
import { createTurns } from '../../pacing/turns.ts';
import type { FlowContext } from '../types.ts';

/** To read a key costs time: one letter after the other, and no longer than this. Milliseconds. */
const PATIENCE_MS = 30_000;

/** Makes the door over the database of a process that delivers. */
export function mailDoorOf(
  database: FlowContext['database'],
  config: FlowContext['config'],
  now: FlowContext['now'] = () => Date.now(),
): KeyDoor {
  const inTurn = createTurns(1, PATIENCE_MS);
  return (letter) =>
    inTurn(async () => {
      const { inWords, takeLetter } = await import('./take-letter.ts');
      return inWords(await takeLetter({ database, config, now }, letter));
    });
}
