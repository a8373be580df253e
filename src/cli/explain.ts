// `sealpost explain`: who an address is, which settings and keys count, and what would happen to a message, with reasons. It
// prints what the decision carries, and derives nothing of its own.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Refused } from '../host/exit-codes.ts';
import type { Detection } from '../message/detection.ts';
import { readSender, SENDER_HELP } from './arguments.ts';
import { run, withCommonOptions } from './command.ts';

interface ExplainOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly message?: string;
  readonly sender?: string;
}

/** What stands for "no message": anything that is not encrypted. */
const ANY_MESSAGE: Detection = { encrypted: false, because: 'no message was given' };

export function registerExplain(program: Command): void {
  withCommonOptions(
    program
      .command('explain')
      .description('show user, settings, keys and decision for an address, with the reason for each')
      .argument('<address>', 'a recipient address, as Postfix would send it')
      .option('--message <file>', 'also look at this message: is it encrypted already, and to which keys')
      .option('--sender <address>', SENDER_HELP),
    'sealpost explain alice@example.org --message mail.eml',
  ).action((address: string, options: ExplainOptions) =>
    run(options, async ({ loaded, database, print }) => {
      const { deciderOf } = await import('../delivery/decide.ts');
      const { ruledMessage } = await import('../delivery/rules.ts');
      const { createDirectory } = await import('../directory/lookup.ts');
      const { explainMessage } = await import('../message/explain.ts');
      const { stripSealpostFields } = await import('../message/sealpost-fields.ts');
      const { formatExplanation } = await import('./explain-text.ts');
      const { explanationOf } = await import('./explain-view.ts');
      const { config } = loaded;
      const directory = createDirectory({ database: await database(), config });
      const facts = await directory.recipient(Buffer.from(address, 'utf8').toString('latin1'));
      if (facts.address === null) {
        throw new Refused(`found ${JSON.stringify(address)}, expected an address such as alice@example.org`);
      }
      const message = options.message === undefined ? null : stripSealpostFields(read(options.message));
      const view = message === null ? null : explainMessage(message);
      const ruled = message === null ? null : ruledMessage(message, readSender(options.sender, message));
      const decision = await deciderOf(() => config, undefined, true).copy(facts, {
        detection: view?.detection ?? ANY_MESSAGE,
        message: ruled,
      });
      const explanation = explanationOf(
        decision,
        ruled,
        message === null || view === null ? null : { bytes: message, view },
      );
      print(explanation, formatExplanation(explanation));
    }),
  );
}

function read(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new Refused(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
