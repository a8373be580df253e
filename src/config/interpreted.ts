// zod compiles the parser of each object when it is first used, unless it is told before the schema is made. That costs more than
// the one parsing that a command does. Imported by every file that makes a part of the schema.
import * as z from 'zod';

z.config({ jitless: true });
