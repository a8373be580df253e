// The one error that the embedded server and the database above it share.

/** The database cannot be asked now. Temporary: 4xx, or exit 75. Never to be read as "not found". */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
}
