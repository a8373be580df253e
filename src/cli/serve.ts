// `sealpost serve`: its options, and how it ends when it cannot live. Its life is in src/serve.
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { exitCodeFor, messageOf } from '../database/exit.ts';
import { serve } from '../serve/life.ts';
import { onlyNames, PARTS } from '../serve/parts.ts';
import { workerPlace } from '../serve/worker.ts';
import { WorkerNotStarted } from '../serve/workers.ts';
import { withCommonOptions } from './command.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly only?: readonly string[];
  readonly workers: number;
  readonly allowNewerDatabase?: boolean;
}

export function registerServe(program: Command): void {
  withCommonOptions(
    program
      .command('serve')
      .description(
        'run the filter, the lookup daemons, the receiver and the metrics server until SIGTERM; SIGHUP re-reads the configuration',
      )
      .option('--only <parts>', `run only some of: ${onlyNames(PARTS).join(', ')}`, parseParts)
      .option(
        '--workers <number>',
        'processes that share the listeners of the filter and the lookup daemons; auto: one per core',
        parseWorkers,
        1,
      )
      .option(
        '--allow-newer-database',
        'start on a database that a newer sealpost has changed: after a step back to an older version',
      ),
    'sealpost serve --workers auto',
  ).action(async (options: Options) => {
    try {
      await serve(options);
    } catch (error) {
      process.stderr.write(`sealpost: ${messageOf(error)}\n`);
      process.exitCode = error instanceof WorkerNotStarted ? error.exitCode : exitCodeFor(error);
    }
    // The channel to the primary would keep a worker alive.
    if (workerPlace() !== null) process.exit();
  });
}

function parseParts(text: string): readonly string[] {
  const known = onlyNames(PARTS);
  const parts = text.split(',').map((part) => part.trim());
  for (const part of parts) {
    if (!known.includes(part)) {
      throw new InvalidArgumentError(
        `found "${part}", expected one or more of ${known.join(', ')}, separated by commas`,
      );
    }
  }
  return parts;
}

const MOST_WORKERS = 64;

function parseWorkers(text: string): number {
  const number = text === 'auto' ? availableParallelism() : Number(text);
  if (!Number.isInteger(number) || number < 1 || number > MOST_WORKERS)
    throw new InvalidArgumentError(`found "${text}", expected a number from 1 to ${MOST_WORKERS}, or auto`);
  return number;
}
