// Reads a stream of server-sent events (WHATWG HTML, section 9.2), as far as this client needs it.

export interface ServerEvent {
  /** The last id that the stream has given; '' before the first one. */
  readonly id: string;
  readonly data: string;
}

/** An event that is longer is no event of ours. */
const MAX_EVENT = 64 * 1024;

/** Makes a reader: give it the text as it arrives, get the events that are complete. Comments are heartbeats, and nothing else. */
export function createEventReader(): (text: string) => readonly ServerEvent[] {
  let held = '';
  let id = '';
  let data: string[] = [];

  return (text) => {
    held += text;
    if (held.length > MAX_EVENT) throw new Error('a line of the event stream is too long');
    const events: ServerEvent[] = [];
    for (;;) {
      // A CR at the very end may be the first half of a CRLF.
      const end = /\r\n|\n|\r(?=[\s\S])/.exec(held);
      if (end === null) return events;
      const line = held.slice(0, end.index);
      held = held.slice(end.index + end[0].length);
      if (line === '') {
        if (data.length > 0) events.push({ id, data: data.join('\n') });
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') data.push(value);
      else if (field === 'id' && !value.includes('\0')) id = value;
      if (data.length > 1000) throw new Error('an event of the event stream is too long');
    }
  };
}
