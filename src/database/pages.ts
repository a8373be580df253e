// Lists that may be long, read page by page: memory holds one page, whatever the table holds.

/** Which part of a list is asked for. */
export interface Paging<Cursor> {
  /** What stands behind this one; null: from the beginning. */
  readonly after: Cursor | null;
  /** At most so many; null: all of them. */
  readonly limit: number | null;
}

const PAGE = 1000;

/** Every page as `view` gives it back. */
export async function* eachPage<Row, View>(
  pages: AsyncIterable<readonly Row[]>,
  view: (page: readonly Row[]) => readonly View[] | Promise<readonly View[]>,
): AsyncGenerator<readonly View[]> {
  for await (const page of pages) yield await view(page);
}

/**
 * Reads a list to its end, or to the limit.
 * @param read gives at most `count` rows behind `after`, in an order that never changes
 * @param cursorOf names a row for `after`
 */
export async function* pagesOf<Row, Cursor>(
  read: (after: Cursor | null, count: number) => Promise<readonly Row[]>,
  cursorOf: (row: Row) => Cursor,
  { after, limit }: Paging<Cursor>,
): AsyncGenerator<readonly Row[]> {
  let cursor = after;
  for (let left = limit ?? Number.POSITIVE_INFINITY; left > 0; ) {
    const count = Math.min(PAGE, left);
    const rows = await read(cursor, count);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    if (rows.length < count) return;
    cursor = cursorOf(last);
    left -= rows.length;
  }
}
