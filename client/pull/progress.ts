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

/**
 * @param write gets the text, line endings included
 * @param terminal whether a line can be rewritten
 */
export function createProgress(
  write: (text: string) => void,
  terminal: boolean,
  now: () => number = Date.now,
): Progress {
  let wanted = 0;
  let done = 0;
  let size = 0;
  let shown = Number.NEGATIVE_INFINITY;
  let open = false;

  function line(text: string): void {
    write(`${open ? '\r\x1b[K' : ''}sealpost: ${text}\n`);
    open = false;
  }

  function state(): string {
    return `${done} of ${wanted} messages, ${formatBytes(size)}`;
  }

  return {
    found(messages) {
      wanted += messages;
    },
    delivered(messages, bytes) {
      done += messages;
      size += bytes;
      if (now() - shown < (terminal ? EVERY_MS / 10 : EVERY_MS) && done < wanted) return;
      shown = now();
      if (!terminal) return line(state());
      write(`\r\x1b[Ksealpost: ${state()}`);
      open = true;
    },
    failed: (id, reason) => line(`message ${id} stays on the server: ${reason}`),
    away: (reason, ms) => line(`${reason}; trying again in ${Math.ceil(ms / 1000)} s`),
    waiting: () => line(done === 0 ? 'waiting for new mail' : `${state()}; waiting for new mail`),
    end() {
      if (open) write('\n');
      open = false;
    },
  };
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
