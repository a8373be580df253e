// drizzle-kit's configuration: makes the SQL of migrations/ from the schema (`npm run migrations`).
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: [
    './src/database/schema.ts',
    './src/database/queue-tables.ts',
    './src/database/enrolment-tables.ts',
    './src/database/event-tables.ts',
    './src/database/node-tables.ts',
  ],
  out: './migrations',
});
