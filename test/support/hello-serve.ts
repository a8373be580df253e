// `sealpost serve` with one more part. Arguments: the configuration file, and how many workers.
import { messageOf } from '../../src/database/exit.ts';
import { serve } from '../../src/serve/life.ts';
import { PARTS } from '../../src/serve/parts.ts';
import { helloPart } from './hello-part.ts';

const [config = '', workers = '1'] = process.argv.slice(2);
try {
  await serve({ config, workers: Number(workers), parts: [...PARTS, helloPart] });
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(1);
}
