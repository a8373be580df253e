// `sealpost domain`: the domains of ours, their settings and their class.
import type { Command } from 'commander';
import type { DomainView } from '../directory/domains.ts';
import { WrongUsage } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';
import { confirm } from './confirm.ts';
import { settingsInWords, table } from './table.ts';

export function registerDomain(program: Command): void {
  const domain = program.command('domain').description('domains whose mail arrives here');

  withCommonOptions(
    domain.command('add').description('add a domain').argument('<name>', 'Unicode or A-label'),
    'sealpost domain add example.org',
  ).action((name: string, options: CommonOptions) =>
    run(options, async ({ database, print }) => {
      const { addDomain } = await import('../directory/domains.ts');
      const added = await addDomain(await database(), name);
      print(added, `added ${added.name}`);
    }),
  );

  withCommonOptions(domain.command('list').description('list the domains'), 'sealpost domain list').action(
    (options: CommonOptions) =>
      run(options, async ({ database, print }) => {
        const { listDomains } = await import('../directory/domains.ts');
        const domains = await listDomains(await database());
        print(domains, table(domains.map(row)));
      }),
  );

  withCommonOptions(
    domain
      .command('show')
      .description('show one domain with its settings')
      .argument('<name>', 'a domain that was added, or one of its other names'),
    'sealpost domain show example.org',
  ).action((name: string, options: CommonOptions) =>
    run(options, async ({ database, print }) => {
      const { showDomain } = await import('../directory/domains.ts');
      const shown = await showDomain(await database(), name);
      print(shown, table([row(shown)]));
    }),
  );

  withCommonOptions(
    domain
      .command('set')
      .description('set what differs from the global settings; an empty value removes it')
      .argument('<name>', 'a domain that was added')
      .argument(
        '<key=value...>',
        'encrypt, style, subject, header_policy, on_missing_key, on_expired_key, on_unusable_key, hide_key_ids, prefer, smime_cipher, transport, class=virtual|relay (which domain map lists it), fold_local_part=on|off (on: Alice and alice are one mailbox), local=on|off (Postfix delivers for it by itself: it stands in mydestination), other_names=NAME,[LITERAL],... (further names for the same mailboxes, such as localhost), wks=on|off (mail programs hand keys over by the Web Key Service), publish=ask|on|off (whether everybody can look up the keys of users who chose nothing themselves; ask: when they have said yes), unknown_text, disabled_text, over_quota_text, unknown_action, disabled_action, over_quota_action=reject|defer|accept',
      ),
    'sealpost domain set example.org style=inline on_missing_key=reject transport=',
  ).action((name: string, words: string[], options: CommonOptions) =>
    run(options, async (context) => {
      const { setDomain } = await import('../directory/domains.ts');
      const { readAssignments } = await import('./assignments.ts');
      if (words.length === 0) throw new WrongUsage('nothing to set; expected key=value');
      const assignments = readAssignments(words, 'domain');
      // Before anything says that the domain has it: nobody could read what is sealed to a key that could not be written. Its
      // libraries take a while to load.
      const wks =
        assignments.wks === undefined
          ? null
          : await (await import('./domain-wks.ts')).prepareWks(context, name, assignments.wks);
      const changed = await setDomain(await context.database(), name, assignments);
      context.print(
        wks === null ? changed : { ...changed, submission: wks.view },
        [table([row(changed)]), ...(wks?.words ?? [])].join('\n'),
      );
    }),
  );

  withCommonOptions(
    domain
      .command('remove')
      .description('remove a domain without users and aliases, and its keys')
      .argument('<name>', 'a domain that was added')
      .option('--yes', 'do not ask'),
    'sealpost domain remove example.org --yes',
  ).action((name: string, options: CommonOptions & { readonly yes?: boolean }) =>
    run(options, async ({ database, print }) => {
      const { removeDomain } = await import('../directory/domains.ts');
      await confirm(`remove the domain ${name} and its keys`, options.yes === true);
      const removed = await removeDomain(await database(), name);
      print(removed, `removed ${removed.name}`);
    }),
  );
}

function row(domain: DomainView): readonly string[] {
  return [
    domain.name,
    domain.class,
    domain.users === 1 ? '1 user' : `${domain.users} users`,
    [
      settingsInWords(domain.settings),
      ...(domain.transport === null ? [] : [`transport=${domain.transport}`]),
      ...(domain.fold_local_part ? [] : ['fold_local_part=off']),
      ...(domain.local ? ['local=on'] : []),
      ...(domain.wks ? ['wks=on'] : []),
      ...(domain.publish === 'ask' ? [] : [`publish=${domain.publish}`]),
      ...(domain.other_names.length === 0 ? [] : [`other_names=${domain.other_names.join(',')}`]),
      ...refusalsInWords(domain),
    ]
      .filter((word) => word !== '')
      .join(' '),
  ];
}

function refusalsInWords({ refusals }: DomainView): readonly string[] {
  const words: string[] = [];
  for (const [reason, parts] of Object.entries(refusals)) {
    for (const [part, value = ''] of Object.entries(parts ?? {})) {
      words.push(`${reason}_${part}=${value.includes(' ') ? JSON.stringify(value) : value}`);
    }
  }
  return words;
}
