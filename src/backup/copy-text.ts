// Rows as COPY writes them in its text format (PostgreSQL's manual, COPY, "Text Format"): values with tabs between them, a line
// feed behind each row, \N for NULL.

/** A row by its columns; null is NULL. */
export type Row = ReadonlyMap<string, string | null>;

export interface RowReader {
  /**
   * Takes the next bytes, cut anywhere. Resolves when each whole row in them has been looked at.
   * @throws Error where a row has no end
   */
  push(bytes: Uint8Array): Promise<void>;
  /** @returns the number of rows. @throws Error where the last row has no end */
  end(): number;
}

/** The longest row: a message of the queue in hexadecimal, several times over. Bytes. */
const LONGEST_ROW = 256 * 2 ** 20;

/**
 * @param onRow null: rows are counted only
 * @param complain is told of each row that cannot be read
 */
export function createRowReader(
  columns: readonly string[],
  onRow: ((row: Row) => Promise<void> | void) | null,
  complain: (problem: string) => void,
): RowReader {
  const state = { parts: [] as Buffer[], held: 0, rows: 0 };
  const look = async (line: Buffer): Promise<void> => {
    try {
      await onRow?.(rowOf(columns, line.toString('utf8')));
    } catch (error) {
      complain(`row ${state.rows}: ${error instanceof Error ? error.message : error}`);
    }
  };
  return {
    async push(bytes) {
      let from = 0;
      for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, from)) {
        state.rows += 1;
        if (onRow !== null) {
          await look(Buffer.concat([...state.parts, bytes.subarray(from, at)]));
        }
        state.parts.length = 0;
        state.held = 0;
        from = at + 1;
      }
      if (from === bytes.length) return;
      state.held += bytes.length - from;
      if (onRow === null) return;
      if (state.held > LONGEST_ROW) throw new Error(`a row is longer than ${LONGEST_ROW} bytes`);
      state.parts.push(Buffer.from(bytes.subarray(from)));
    },
    end() {
      if (state.held > 0) throw new Error('the last row has no end');
      return state.rows;
    },
  };
}

/** Takes a row apart. @throws Error where it has another number of values than there are columns */
export function rowOf(columns: readonly string[], line: string): Row {
  const values = line.split('\t');
  if (values.length !== columns.length)
    throw new Error(`a row has ${values.length} values, expected ${columns.length}`);
  return new Map(columns.map((column, index) => [column, unescaped(values[index] ?? '')]));
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function unescaped(text: string): string | null {
  if (text === '\\N') return null;
  return text.includes('\\')
    ? text.replace(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter)
    : text;
}

/** The bytes of a bytea value in hexadecimal form. @throws Error where it is none */
export function bytesOf(value: string | null | undefined): Buffer {
  if (value === null || value === undefined || !value.startsWith('\\x'))
    throw new Error('bytes are expected in hexadecimal form');
  return Buffer.from(value.slice(2), 'hex');
}
