// What `pull` tells while it works: one line that is rewritten on a terminal, else a line now and then. Ids, numbers and sizes;
// nothing of what the messages say.

export interface Progress {
  /** So many more messages are to be fetched. */
  found(messages: number): void;
  delivered(messages: number, bytes: number): void;
  failed(id: string, reason: string): void;
  /** The server is away; the next attempt comes after `ms`. */
  away(reason: string, ms: number): void;
  /** The queue is empty, and new mail is waited for. */
  waiting(): void;
  /** The last word. */
  end(): void;
}

const EVERY_MS = 2000;

/** What has been told, and what there is to tell. */
interface Told {
  /** Messages that are to be fetched in all. */
  wanted: number;
  /** Messages delivered, and their sealed bytes. */
  done: number;
  bytes: number;
  /** When the numbers were last shown, in Unix milliseconds. */
  shown: number;
  /** A line without its end stands on the terminal. */
  open: boolean;
}

/**
 * @param write gets the text, line endings included
 * @param terminal whether a line can be rewritten
 */
export function createProgress(
  write: (text: string) => void,
  terminal: boolean,
  now: () => number = Date.now,
): Progress {
  const told: Told = { wanted: 0, done: 0, bytes: 0, shown: Number.NEGATIVE_INFINITY, open: false };
  const often = terminal ? EVERY_MS / 10 : EVERY_MS;

  function line(text: string): void {
    write(`${told.open ? REWRITE : ''}sealpost: ${text}\n`);
    told.open = false;
  }

  return {
    found(messages) {
      told.wanted += messages;
    },
    delivered(messages, bytes) {
      told.done += messages;
      told.bytes += bytes;
      if (now() - told.shown < often && told.done < told.wanted) return;
      told.shown = now();
      if (!terminal) return line(numbers(told));
      write(`${REWRITE}sealpost: ${numbers(told)}`);
      told.open = true;
    },
    failed: (id, reason) => line(`message ${id} stays on the server: ${reason}`),
    away: (reason, ms) => line(`${reason}; trying again in ${Math.ceil(ms / 1000)} s`),
    waiting: () => line(told.done === 0 ? 'waiting for new mail' : `${numbers(told)}; waiting for new mail`),
    end() {
      if (told.open) write('\n');
      told.open = false;
    },
  };
}

/** To the beginning of the line, and clear it (ECMA-48, EL). */
const REWRITE = '\r\x1b[K';

function numbers({ wanted, done, bytes }: Told): string {
  return `${done} of ${wanted} messages, ${formatBytes(bytes)}`;
}

/** A size for people: `812 B`, `1.2 kB`, `48.3 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.95 && unit < units.length - 1);
  return `${value.toFixed(1)} ${units[unit]}`;
}
