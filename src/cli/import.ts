// `sealpost import`: users, keys and aliases that another program has. The first run is a report; --apply writes.
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { EXIT, Refused, Temporary, WrongUsage } from '../host/exit-codes.ts';
import { applyImport, planImport } from '../import/apply.ts';
import type { Progress } from '../import/context.ts';
import { type Source, SourceAway, SourceRefused } from '../import/formats/rows.ts';
import { readSource } from '../import/read.ts';
import { hasRefusals, makeReport, reportJson, reportText } from '../import/report.ts';
import { cliActor } from './arguments.ts';
import { run, withCommonOptions } from './command.ts';
import { printable } from './table.ts';

interface Flags {
  readonly config?: string | readonly string[];
  /** sealpost's own, where it was named before the command. */
  readonly ownConfig?: string;
  readonly json?: boolean;
  readonly apply?: boolean;
  readonly remove?: boolean;
  readonly yes?: boolean;
  readonly expired: 'take' | 'refuse';
  readonly domain?: readonly string[];
}

const EXPIRED = new Option(
  '--expired <what>',
  'keys that have expired: take them, or refuse them and name their users',
)
  .choices(['take', 'refuse'])
  .default('take');

export function registerImport(program: Command): void {
  const command = program
    .command('import')
    .description(
      'move in users, keys and aliases that are there already: a report, and with --apply the change',
    );
  registerMailgate(command, 'gpg-mailgate');
  registerMailgate(command, 'lacre');
  registerZeyple(command);
  registerKeyring(command);
  registerPostfix(command);
  registerPanel(command, 'postfixadmin');
  registerPanel(command, 'mailcow');
  registerLeapMx(command);
  registerCsv(command);
}

/** `--config` names the other program's file, as that program's own option does. */
const OTHERS_CONFIG =
  "the other program's configuration; given twice, the one that ends in .toml is sealpost's own (else $SEALPOST_CONFIG counts)";

function registerMailgate(command: Command, program: 'gpg-mailgate' | 'lacre'): void {
  const name = program === 'lacre' ? 'Lacre' : 'GPG-Mailgate';
  withImportOptions(
    command
      .command(program)
      .description(
        `${name}: keymaps, domain keymaps, pgp_style, the GnuPG home, S/MIME certificates, confirmed keys of its database`,
      )
      .option('--config <file...>', OTHERS_CONFIG)
      .option(
        '--database <dsn>',
        'instead of what [database] says, such as mysql://user:password@127.0.0.1/gpgmw',
      ),
    `sealpost import ${program} --config /etc/${program}.conf`,
    true,
  ).action((flags: Flags & { readonly database?: string }) => {
    const { own, other } = splitConfigs(flags);
    return moveIn(flags, own, async () => {
      const { mailgateSource } = await import('../import/formats/mailgate.ts');
      return mailgateSource({
        program,
        config: resolve(onlyOne(other, '--config FILE')),
        database: flags.database,
      });
    });
  });
}

function registerZeyple(command: Command): void {
  withImportOptions(
    command
      .command('zeyple')
      .description('Zeyple: the GnuPG home that its configuration names, and the recipients in it')
      .option('--config <file...>', OTHERS_CONFIG),
    'sealpost import zeyple --config /etc/zeyple.conf',
    true,
  ).action((flags: Flags) => {
    const { own, other } = splitConfigs(flags);
    return moveIn(flags, own, async () =>
      (await import('../import/formats/zeyple.ts')).zeypleSource(resolve(onlyOne(other, '--config FILE'))),
    );
  });
}

function registerKeyring(command: Command): void {
  withImportOptions(
    command
      .command('keyring')
      .description('keys of any number, each for the users whom it names')
      .argument('<place>', 'a file, a folder of files, or gnupg:HOME'),
    'sealpost import keyring gnupg:/var/lib/keys/.gnupg',
  ).action((place: string, flags: Flags) =>
    moveIn(flags, ownConfig(flags), async () => {
      const home = /^gnupg:(.*)$/.exec(place)?.[1];
      const named = home === undefined ? resolve(place) : `gnupg:${resolve(home)}`;
      return (await import('../import/formats/keyring.ts')).keyringSource(named);
    }),
  );
}

function registerPostfix(command: Command): void {
  withImportOptions(
    command
      .command('postfix')
      .description('virtual_mailbox_maps, virtual_alias_maps, alias_maps and the domains of a Postfix')
      .option('--config-dir <folder>', "where its main.cf is; default: Postfix's own"),
    'sealpost import postfix',
  ).action((flags: Flags & { readonly configDir?: string }) =>
    moveIn(flags, ownConfig(flags), async () =>
      (await import('../import/formats/postfix.ts')).postfixSource(
        flags.configDir === undefined ? null : resolve(flags.configDir),
      ),
    ),
  );
}

function registerPanel(command: Command, program: 'postfixadmin' | 'mailcow'): void {
  withImportOptions(
    command
      .command(program)
      .description(
        `${program === 'mailcow' ? 'mailcow' : 'PostfixAdmin'}: domains, alias domains, mailboxes with quota, aliases`,
      )
      .argument('<dsn>', 'such as mysql://user:password@127.0.0.1/postfix, or @FILE with the DSN in it'),
    `sealpost import ${program} mysql://reader@127.0.0.1/${program === 'mailcow' ? 'mailcow' : 'postfix'}`,
  ).action((dsn: string, flags: Flags) =>
    moveIn(flags, ownConfig(flags), async () =>
      (await import('../import/formats/panels.ts')).panelNamed(program, dsn),
    ),
  );
}

function registerLeapMx(command: Command): void {
  withImportOptions(
    command
      .command('leap-mx')
      .description('leap_mx: the identities of its CouchDB, with their keys')
      .argument('<file>', 'what _all_docs?include_docs=true of the database identities gives'),
    'sealpost import leap-mx identities.json',
  ).action((file: string, flags: Flags) =>
    moveIn(flags, ownConfig(flags), async () =>
      (await import('../import/formats/leap-mx.ts')).leapMxSource(resolve(file)),
    ),
  );
}

/** The options of every format, and its example. */
function withImportOptions(command: Command, example: string, hasConfig = false): Command {
  const complete = (each: Command): Command =>
    hasConfig
      ? each
          .option('--json', 'print JSON for machines')
          .addHelpText('after', `\nExample:\n  $ ${example}\n  $ ${example} --apply`)
      : withCommonOptions(each, `${example} --apply`);
  return complete(
    command
      .option('--apply', 'write it; without, nothing is written')
      .option(
        '--remove',
        'disable users and keys that this source made and has no longer, and remove such aliases',
      )
      .option('--yes', 'also where more than 5 % of them are gone at once')
      .addOption(EXPIRED)
      .option(
        '--domain <name...>',
        'a domain that is ours: added where it is missing; addresses of other domains that have a key become contacts',
      ),
  );
}

/** Which of the files is sealpost's own. */
function splitConfigs({ config, ownConfig }: Flags): {
  readonly own: string | undefined;
  readonly other: readonly string[];
} {
  const all = typeof config === 'string' ? [config] : (config ?? []);
  return {
    own: all.filter((file) => file.endsWith('.toml')).at(-1) ?? ownConfig,
    other: all.filter((file) => !file.endsWith('.toml')),
  };
}

function ownConfig({ config }: Flags): string | undefined {
  return typeof config === 'string' ? config : undefined;
}

function registerCsv(command: Command): void {
  withImportOptions(
    command
      .command('csv')
      .description('a CSV file with the columns address, name, quota, status, key_file, settings')
      .argument('<file>', 'with a header line; key files are relative to its folder'),
    'sealpost import csv users.csv',
  ).action((file: string, flags: Flags) =>
    moveIn(flags, ownConfig(flags), async () =>
      (await import('../import/formats/csv.ts')).csvSource(resolve(file)),
    ),
  );
}

/**
 * Runs an import.
 * @param config sealpost's own configuration file, where one was named
 * @param open makes the source; what it throws ends the command
 */
async function moveIn(flags: Flags, config: string | undefined, open: () => Promise<Source>): Promise<void> {
  await run({ ...(config === undefined ? {} : { config }), json: flags.json === true }, async (context) => {
    const { config: loaded } = context.loaded;
    const { progress, end } = progressLine(process.stderr.isTTY === true);
    try {
      const source = await open();
      const keys = {
        policy: { allowSha1: loaded.keys.allow_sha1 },
        actor: cliActor(),
        now: Date.now(),
        // Whoever moves in vouches for the certificates that mail was sealed to.
        x509: () => ({ anchors: [], pin: true }),
      };
      const rows = await readSource(source, keys, progress);
      const options = {
        delimiters: loaded.recipient_delimiter,
        expired: flags.expired,
        domains: flags.domain ?? [],
        remove: flags.remove === true,
        yes: flags.yes === true,
        keys,
      };
      const applied = flags.apply === true;
      const parts = { database: await context.database(), source, options, progress };
      const { tally } = applied ? await applyImport(rows, parts) : await planImport(rows, parts);
      end();
      const report = makeReport(source.name, applied, tally);
      if (context.json) for (const piece of reportJson(report)) process.stdout.write(piece);
      else context.print(report, reportText(report).split('\n').map(printable).join('\n'));
      if (hasRefusals(report)) process.exitCode = EXIT.refused;
    } catch (error) {
      end();
      throw asExit(error);
    }
  });
}

function asExit(error: unknown): unknown {
  if (error instanceof SourceRefused) return new Refused(error.message);
  if (error instanceof SourceAway) return new Temporary(error.message);
  return error;
}

/** How often the line of progress is drawn. Milliseconds. */
const DRAWN_EVERY = 200;

function progressLine(isTerminal: boolean): { readonly progress: Progress; end(): void } {
  if (!isTerminal) return { progress: () => undefined, end: () => undefined };
  const state = { drawn: 0, shown: false };
  return {
    progress(doing, done, total) {
      const now = Date.now();
      if (now - state.drawn < DRAWN_EVERY) return;
      state.drawn = now;
      state.shown = true;
      process.stderr.write(`\r${doing}: ${done}${total === null ? '' : ` of ${total}`}\u001b[K`);
    },
    end() {
      if (state.shown) process.stderr.write('\r\u001b[K');
      state.shown = false;
    },
  };
}

/** @throws WrongUsage */
function onlyOne<T>(all: readonly T[], what: string): T {
  const [one] = all;
  if (one === undefined || all.length > 1) throw new WrongUsage(`expected one ${what}, found ${all.length}`);
  return one;
}
