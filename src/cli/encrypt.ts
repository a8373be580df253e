// `sealpost encrypt`: the filter's own path for one message and one recipient, to standard output. Nothing is sent.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Refused, Temporary } from '../host/exit-codes.ts';
import { readSender, SENDER_HELP } from './arguments.ts';
import { run, withCommonOptions } from './command.ts';

interface EncryptOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly to: string;
  readonly sender?: string;
}

export function registerEncrypt(program: Command): void {
  withCommonOptions(
    program
      .command('encrypt')
      .description('seal one message as the filter would, and write it to standard output')
      .argument('[file]', 'the message; - or nothing reads standard input', '-')
      .requiredOption('--to <address>', 'the recipient')
      .option('--sender <address>', SENDER_HELP),
    'sealpost encrypt --to alice@example.org mail.eml > sealed.eml',
  ).action((file: string, options: EncryptOptions) =>
    run(options, async ({ loaded, database, json }) => {
      const { deciderOf } = await import('../delivery/decide.ts');
      const { ruledMessage } = await import('../delivery/rules.ts');
      const { sealCopy } = await import('../delivery/seal-copy.ts');
      const { createDirectory } = await import('../directory/lookup.ts');
      const { detectEncrypted } = await import('../message/detect.ts');
      const { stripSealpostFields } = await import('../message/sealpost-fields.ts');
      const { createSealer } = await import('../sealing/pool.ts');
      const { formatReply } = await import('../smtp/replies.ts');
      const { config } = loaded;
      const message = stripSealpostFields(read(file));
      const directory = createDirectory({ database: await database(), config });
      const facts = await directory.recipient(Buffer.from(options.to, 'utf8').toString('latin1'));
      const decision = await deciderOf(() => config).copy(facts, {
        detection: detectEncrypted(message),
        message: ruledMessage(message, readSender(options.sender, message)),
      });
      if (decision.action === 'defer')
        throw new Temporary(`${decision.reason} (${formatReply(decision.reply)})`);
      if (decision.action === 'reject')
        throw new Refused(`${decision.reason} (${formatReply(decision.reply)})`);
      let result = message;
      if (decision.action === 'seal') {
        const sealer = createSealer({ workers: 0 });
        try {
          result = Buffer.concat(
            await sealCopy(
              message,
              decision,
              { host: config.hostname, queueId: '', date: new Date() },
              sealer,
              (sentence) => process.stderr.write(`sealpost: ${sentence}\n`),
            ),
          );
        } finally {
          await sealer.close();
        }
      } else process.stderr.write(`sealpost: not sealed: ${decision.reason}\n`);
      if (!json) {
        process.stdout.write(result);
        return;
      }
      process.stdout.write(
        `${JSON.stringify(
          {
            action: decision.action,
            because: decision.because,
            reason: decision.reason,
            keys: decision.action === 'seal' ? decision.keys.map((key) => key.fingerprint) : [],
            message_base64: result.toString('base64'),
          },
          null,
          2,
        )}\n`,
      );
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
