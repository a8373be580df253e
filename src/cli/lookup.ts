// `sealpost lookup`: what the lookup daemons answer, from the same functions, without a daemon.
import type { Command } from 'commander';
import { isMapName, MAPS } from '../../policy/facts.ts';
import { parseSize } from '../config/units.ts';
import { EXIT, Temporary, WrongUsage } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';

interface LookupOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly size?: string;
}

export function registerLookup(program: Command): void {
  withCommonOptions(
    program
      .command('lookup')
      .description('ask what the lookup daemons answer: exit 0 and the value, 1 not found, 75 temporary')
      .argument('<map>', MAPS.join(', '))
      .argument('<key>', 'as Postfix would send it: an address, a domain, a fingerprint')
      .option('--size <size>', 'of a message: check_recipient then answers as to a policy request'),
    'sealpost lookup virtual_alias alice@example.org',
  ).action((map: string, key: string, options: LookupOptions) =>
    run(options, async ({ loaded, database, print }) => {
      const { createLookupDatabase } = await import('../../policy/database.ts');
      const { createLookups } = await import('../../policy/lookups.ts');
      const { createLogger } = await import('../observe/log.ts');
      if (!isMapName(map)) {
        throw new WrongUsage(`found the map ${JSON.stringify(map)}, expected one of ${MAPS.join(', ')}`);
      }
      const logger = createLogger({ level: loaded.config.observe.log_level === 'debug' ? 'debug' : 'error' });
      const { pool } = await database();
      const lookups = createLookups({
        config: loaded.config,
        database: createLookupDatabase({ primary: pool, replica: null, replicaLag: 0, logger }),
        logger,
      });
      // Keys are bytes on the wire.
      const bytes = Buffer.from(key, 'utf8').toString('latin1');
      const answer = await lookups.answer(map, bytes, { protocol: 'command', size: readSize(options.size) });
      if (answer.kind === 'temporary')
        throw new Temporary(`${map} ${key}: try again later: ${answer.reason}`);
      if (answer.kind === 'not found') {
        process.exitCode = EXIT.refused;
        if (options.json !== true)
          process.stderr.write(`sealpost: ${map} ${key}: not found: ${answer.reason}\n`);
      }
      const value = answer.kind === 'found' ? answer.value : null;
      print({ map, key, result: answer.kind, value, reason: answer.reason }, value ?? '');
    }),
  );
}

function readSize(text: string | undefined): number | null {
  if (text === undefined) return null;
  const parsed = parseSize(text);
  if (!parsed.ok) throw new WrongUsage(`--size: found ${JSON.stringify(text)}, expected ${parsed.expected}`);
  return parsed.value;
}
