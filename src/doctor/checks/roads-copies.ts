// Readers that Postfix adds by itself: aliases, blind copies, bounces and what the postmaster gets.

import { entrancesOf, filterActions, isGateway, leadsToUs } from '../../postfix/entrances.ts';
import { listOf, settingOf } from '../../postfix/model.ts';
import { check, noneOf, ok, sealedLast, unlessUnread, warning } from '../check.ts';
import type { AliasFacts, PostfixFacts } from '../facts.ts';

/** `user`, `"user"`, `user@domain`: as local(8) resolves it; null for what is no address. */
function addressOf(target: string, origin: string): string | null {
  const bare = target
    .replace(/^\\/, '')
    .replace(/^"(.*)"$/, '$1')
    .trim();
  if (/^[|/:]/.test(bare) || bare === '') return null;
  return (bare.includes('@') ? bare : `${bare}@${origin}`).toLowerCase();
}

/** Keyed addresses that an entry leads to; a name of the machine's own stands for each of our domains. */
function keyedTargets(
  { entries }: AliasFacts,
  postfix: PostfixFacts,
  keyed: readonly string[],
): readonly string[] {
  const known = new Set(keyed);
  const { localNames, origin } = postfix.addresses;
  const byLocalPart = new Map(keyed.map((address) => [address.slice(0, address.lastIndexOf('@')), address]));
  return entries.flatMap(({ from, target }) => {
    const address = addressOf(target, origin ?? '');
    if (address === null) return [];
    const at = address.lastIndexOf('@');
    const isLocal = localNames.includes(address.slice(at + 1)) || address.slice(at + 1) === origin;
    const found = known.has(address) ? address : isLocal ? byLocalPart.get(address.slice(0, at)) : undefined;
    return found === undefined ? [] : [`${from} -> ${found}`];
  });
}

export const COPY_CHECKS = [
  check({
    code: 'aliases_lead_to_keyed',
    why: 'local(8) expands them behind a content_filter: the copy for the reader with a key is not sealed',
    mend: 'let a wiring of final delivery seal (postfix-examples/delivery-lmtp), or use virtual_alias_maps in place of /etc/aliases',
    reads: ['postfix', 'config', 'aliases', 'directory'],
    judge: ({ postfix, config: { config }, aliases, directory: { keyed } }) => {
      const wiring = entrancesOf(postfix, config);
      if (!isGateway(wiring) || (wiring.mailbox && wiring.virtual))
        return sealedLast(wiring, 'what aliases lead to is sealed at its last step');
      const found = noneOf(
        keyedTargets(aliases, postfix, keyed),
        'no alias or .forward leads to a reader with a key',
        (list) => list,
      );
      return unlessUnread(found, aliases.unread);
    },
  }),
  check({
    code: 'aliases_run_commands',
    why: 'local(8) gives |commands and /files the mail as it came, before anything is sealed',
    mend: 'let a mailbox or a list server with an address of its own take that mail',
    reads: ['aliases'],
    judge: ({ aliases: { entries, unread } }) => {
      const open = entries.filter(
        ({ target }) => /^"?[|/]/.test(target) && !/^"?\/dev\/null"?$/.test(target),
      );
      const found = noneOf(
        open.map(({ from, target }) => `${from} -> ${target}`),
        'no alias or .forward names a command or a file',
        (list) => list,
      );
      return unlessUnread(found, unread);
    },
  }),
  check({
    code: 'always_bcc',
    why: 'a blind copy of all mail in a mailbox without a key is a copy of all mail in plaintext',
    mend: 'give its address a key (sealpost key import --for ADDRESS), or take the setting out',
    reads: ['postfix', 'directory'],
    judge: ({ postfix, directory: { keyed } }) => {
      const bcc = settingOf(postfix, 'always_bcc');
      const maps = ['sender_bcc_maps', 'recipient_bcc_maps'].filter(
        (name) => settingOf(postfix, name) !== '',
      );
      const open = [
        ...(bcc === '' || keyed.includes(bcc.toLowerCase()) ? [] : [`always_bcc = ${bcc}, who has no key`]),
        ...maps,
      ];
      return noneOf(open, 'nobody gets blind copies', (list) => list);
    },
  }),
  check({
    code: 'bounces_unsealed',
    why: 'a bounce carries the text that a user sent back into the mailbox; no content_filter sees it',
    mend: 'the services bounce, defer, trace and sealpost-bounces of postfix-examples/after-queue-lmtp',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const wiring = entrancesOf(postfix, config);
      if (!isGateway(wiring) || wiring.virtual)
        return sealedLast(wiring, 'bounces are sealed at their last step');
      const open = postfix.services
        .filter(({ command }) => command === 'bounce')
        .filter((service) => {
          const cleanup = postfix.services.find(
            ({ name }) => name === settingOf(postfix, 'cleanup_service_name', service),
          );
          const checks = filterActions('', settingOf(postfix, 'header_checks', cleanup));
          const isFiltered = listOf(settingOf(postfix, 'internal_mail_filter_classes', service)).includes(
            'bounce',
          );
          return !isFiltered || !checks.some(({ destination }) => leadsToUs(postfix, config, destination));
        });
      return noneOf(
        open.map(({ name }) => name),
        'bounces go through the filter',
        (list) => `not filtered: ${list}`,
      );
    },
  }),
  check({
    code: 'postmaster_copies',
    why: 'copies for the postmaster hold headers or the whole of undeliverable mail, in plaintext where the postmaster has no key',
    mend: 'a key for the postmaster (sealpost key import --for postmaster@DOMAIN), or notify_classes = resource, software',
    reads: ['postfix', 'directory'],
    judge: ({ postfix, directory: { keyed } }) => {
      const classes = listOf(settingOf(postfix, 'notify_classes')).filter((name) =>
        ['2bounce', 'bounce', 'delay', 'policy', 'protocol'].includes(name),
      );
      const origin = postfix.addresses.origin ?? '';
      const open = classes.filter((name) => {
        const to = settingOf(
          postfix,
          `${name === 'policy' || name === 'protocol' ? 'error' : name}_notice_recipient`,
        );
        const address = addressOf(to, origin);
        return address === null || !keyed.includes(address);
      });
      return noneOf(
        open,
        'no copies of mail go to a postmaster without a key',
        (list) => `notify_classes has ${list}`,
      );
    },
  }),
  check({
    code: 'double_bounces',
    why: 'a bounce that cannot be delivered goes to 2bounce_notice_recipient with the whole original, in every wiring',
    mend: 'sealpost alias add postmaster@DOMAIN to somebody with a key, or 2bounce_notice_recipient = an address that has one',
    reads: ['postfix', 'directory'],
    judge: ({ postfix, directory: { keyed } }) => {
      if (!listOf(settingOf(postfix, 'notify_classes')).includes('2bounce'))
        return ok('notify_classes has no 2bounce: nobody gets them');
      const to = addressOf(settingOf(postfix, '2bounce_notice_recipient'), postfix.addresses.origin ?? '');
      return to !== null && keyed.includes(to)
        ? ok(`${to} has a key`)
        : warning(`${to ?? 'nobody'} has no key`);
    },
  }),
];
