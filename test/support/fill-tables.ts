// A row in each table that has none, of the first user and the first domain: for tests that look at every table.
import pg from 'pg';

interface Column {
  readonly name: string;
  readonly type: string;
  /** It takes no NULL, and has no value by itself. */
  readonly wanted: boolean;
}

/** By PostgreSQL's name of the type. */
const VALUES: Readonly<Record<string, string>> = {
  text: "'x'",
  bytea: "'x'",
  int4: '1',
  int8: '1',
  bool: 'false',
  timestamptz: 'now()',
  date: 'current_date',
  jsonb: "'{}'",
  _text: "'{}'",
};

/** What refers to another row, or what a CHECK of the table wants. */
const OF_COLUMNS: Readonly<Record<string, string>> = {
  user_id: '(SELECT min(id) FROM users)',
  domain_id: '(SELECT min(id) FROM domains)',
  alias_id: '(SELECT min(id) FROM addresses)',
};
const WANTED_BESIDES: Readonly<Record<string, readonly string[]>> = {
  imported: ['user_id'],
  rules: ['user_id', 'larger_than'],
};

/** @throws what PostgreSQL says of a table that wants more than is known here */
export async function fillTables(pool: Pick<pg.Pool, 'query'>, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    const name = pg.escapeIdentifier(table);
    const { rowCount } = await pool.query(`SELECT FROM ${name} LIMIT 1`);
    if (rowCount !== 0) continue;
    const { rows } = await pool.query<Column>(
      `SELECT column_name AS name, udt_name AS type,
              is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO' AS wanted
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1`,
      [table],
    );
    const columns = rows.filter((each) => each.wanted || WANTED_BESIDES[table]?.includes(each.name) === true);
    const values = columns.map((each) => OF_COLUMNS[each.name] ?? VALUES[each.type] ?? 'NULL');
    await pool.query(
      `INSERT INTO ${name} (${columns.map((each) => pg.escapeIdentifier(each.name)).join(', ')}) VALUES (${values.join(', ')})`,
    );
  }
}
