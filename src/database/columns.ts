// The column types that the tables share beside drizzle's own.
import { customType, timestamp } from 'drizzle-orm/pg-core';

/** Bytes. What is read is a Buffer of `pg`; what is written may be a part of a larger buffer. */
export const bytea = customType<{ data: Uint8Array; driverData: Buffer }>({
  dataType: () => 'bytea',
  toDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
});

/** A moment, to the microsecond in the table, and to the millisecond as a Date. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });
