// `sealpost key`: public keys, as an administrator imports, shows, exports, disables and removes them.
import { type Command, Option } from 'commander';
import type { Config } from '../config/schema.ts';
import { Refused } from '../host/exit-codes.ts';
import type { X509Trust } from '../keys/judge-x509.ts';
import type { OwnedKey } from '../keys/rows.ts';
import { cliActor } from './arguments.ts';
import { type CommandContext, run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';
import { confirm } from './confirm.ts';
import { registerEnrolment } from './key-enrolment.ts';
import { policyOf, registerKeyEvents, registerKeyList, viewAll } from './key-list.ts';
import { table } from './table.ts';
import { readUpload } from './upload.ts';

interface ImportFlags extends CommonOptions {
  readonly for?: string;
  readonly add?: boolean;
  readonly replace?: boolean;
  readonly yes?: boolean;
  readonly pin?: boolean;
}

export function registerKey(program: Command): void {
  const key = program.command('key').description('public keys: OpenPGP, and X.509 certificates for S/MIME');
  registerImport(key);
  registerEnrolment(key);
  registerKeyList(key);
  registerKeyEvents(key);
  registerShow(key);
  registerExport(key);
  registerStatusVerbs(key);
  registerRemove(key);
}

function registerImport(key: Command): void {
  withCommonOptions(
    key
      .command('import')
      .description(
        'import OpenPGP keys, armored or binary, or X.509 certificates with their chain, PEM, DER or PKCS #7; each is judged on its own',
      )
      .argument('[file]', '- or nothing reads standard input', '-')
      .option(
        '--for <address>',
        'whose key it is: a user, an outside contact, or @domain; default: the users among its user IDs',
      )
      .addOption(
        new Option('--add', 'put it beside the other key of its owner: mail is sealed to both').conflicts(
          'replace',
        ),
      )
      .option('--replace', 'remove the other keys of its owner once this one is in place')
      .option('--yes', 'take it for --for, though it names somebody else')
      .option('--pin', 'X.509: vouch for the certificate yourself, whoever issued it'),
    'sealpost key import alice.asc --for alice@example.org',
  ).action((file: string, options: ImportFlags) =>
    run(options, async (context) => {
      const { importKeys } = await import('../keys/store.ts');
      const { reportImport } = await import('./key-text.ts');
      const trust = await import('../smime/trust.ts');
      const { config } = context.loaded;
      const upload = await readUpload(file);
      const results = await importKeys(await context.database(), upload, {
        policy: policyOf(context),
        delimiters: config.recipient_delimiter,
        source: 'cli',
        actor: cliActor(),
        now: Date.now(),
        for: options.for,
        add: options.add,
        replace: options.replace,
        anyName: options.yes,
        x509: () => x509Trust(config, options.pin === true, trust),
      });
      reportImport(results, context);
    }),
  );
}

function registerShow(key: Command): void {
  withCommonOptions(
    key
      .command('show')
      .description('show keys in full')
      .argument('<fingerprint|address>', 'a full fingerprint, or an owner'),
    'sealpost key show alice@example.org',
  ).action((name: string, options: CommonOptions) =>
    run(options, async (context) => {
      const { describeKey } = await import('./key-text.ts');
      const views = await viewAll(await findKeys(context, name), context);
      context.print(views, views.map(describeKey).join('\n\n'));
    }),
  );
}

function registerExport(key: Command): void {
  withCommonOptions(
    key
      .command('export')
      .description('print keys as they were handed over, armored; X.509 certificates in PEM')
      .argument('<address>', 'an owner, or a full fingerprint')
      .option('--reduced', 'only what mail is sealed with, for programs that cannot read newer subkeys'),
    'sealpost key export alice@example.org > alice.asc',
  ).action((name: string, options: CommonOptions & { readonly reduced?: boolean }) =>
    run(options, async (context) => {
      const { armorCertificates, originalOf, pemCertificates } = await import('../keys/export.ts');
      const found = await findKeys(context, name);
      const views = await viewAll(found, context);
      const rows = [...new Map(found.map(({ row }) => [row.fingerprint, row])).values()];
      const openPgp = rows.filter(({ kind }) => kind === 'openpgp');
      const armored =
        openPgp.length === 0
          ? ''
          : armorCertificates(
              await Promise.all(
                openPgp.map(async (row) => ({
                  certificate: options.reduced === true ? row.certificate : await originalOf(row),
                  version: views.find((view) => view.fingerprint === row.fingerprint)?.version ?? 4,
                })),
              ),
            );
      const pem = pemCertificates(
        rows.filter(({ kind }) => kind === 'x509').map(({ certificate }) => certificate),
      );
      context.print(
        { fingerprints: rows.map(({ fingerprint }) => fingerprint), armored, pem },
        `${armored}${pem}`.trimEnd(),
      );
    }),
  );
}

function registerStatusVerbs(key: Command): void {
  for (const [verb, status, help] of [
    ['disable', 'disabled', 'leave a key out without removing it'],
    ['enable', 'active', 'use a disabled key again'],
  ] as const) {
    withCommonOptions(
      key.command(verb).description(help).argument('<fingerprint>', 'all 40 or 64 digits'),
      `sealpost key ${verb} 0123456789ABCDEF0123456789ABCDEF01234567`,
    ).action((typed: string, options: CommonOptions) =>
      run(options, async (context) => {
        const { readFingerprint } = await import('../keys/rows.ts');
        const { setKeyStatus } = await import('../keys/store.ts');
        const { keyRow } = await import('./key-text.ts');
        const fingerprint = readFingerprint(typed);
        const database = await context.database();
        await findKeys(context, fingerprint);
        const views = await viewAll(await setKeyStatus(database, fingerprint, status, cliActor()), context);
        context.print(views, table(views.map(keyRow)));
      }),
    );
  }
}

function registerRemove(key: Command): void {
  withCommonOptions(
    key
      .command('remove')
      .description('remove a key from all its owners')
      .argument('<fingerprint>', 'all 40 or 64 digits')
      .option('--yes', 'do not ask'),
    'sealpost key remove 0123456789ABCDEF0123456789ABCDEF01234567 --yes',
  ).action((typed: string, options: CommonOptions & { readonly yes?: boolean }) =>
    run(options, async (context) => {
      const { readFingerprint } = await import('../keys/rows.ts');
      const { removeKey } = await import('../keys/store.ts');
      const fingerprint = readFingerprint(typed);
      const database = await context.database();
      await findKeys(context, fingerprint);
      await confirm(`remove the key ${fingerprint}`, options.yes === true);
      const views = await viewAll(await removeKey(database, fingerprint, cliActor()), context);
      context.print(views, views.map((view) => `removed ${view.fingerprint} of ${view.owner}`).join('\n'));
    }),
  );
}

type TrustReading = typeof import('../smime/trust.ts');

/** An administrator's word makes the authorities unnecessary, and what may be wrong with their files. */
function x509Trust(config: Config, pin: boolean, { readTrust, TrustUnavailable }: TrustReading): X509Trust {
  if (pin) return { anchors: [], pin };
  try {
    return { anchors: readTrust(config.smime.trust), pin };
  } catch (error) {
    if (error instanceof TrustUnavailable) throw new Refused(error.message);
    throw error;
  }
}

async function findKeys(context: CommandContext, name: string): Promise<readonly OwnedKey[]> {
  const { readKeyName, requireKeys } = await import('../keys/rows.ts');
  const wanted = readKeyName(name);
  return requireKeys(await context.database(), wanted, context.loaded.config.recipient_delimiter);
}
