// Columns of text for people. Pure.

/** Control characters, line and paragraph separators, and what turns the direction of writing (Unicode Standard Annex 9). */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** One line of text for a terminal: what a stranger wrote into a certificate can neither move the cursor nor begin a line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '?');
}

/** Lines with columns of equal width; '' where there are no rows. Cells are made {@link printable}. */
export function table(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `name=value` for each override, as `set` takes them. */
export function settingsInWords(settings: Readonly<Record<string, unknown>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value === true ? 'on' : value === false ? 'off' : String(value)}`)
    .join(' ');
}
