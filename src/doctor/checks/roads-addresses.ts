// How this Postfix reads addresses, and whether sealpost reads them so.

import { entrancesOf, leadsToUs } from '../../postfix/entrances.ts';
import { listOf, settingOf } from '../../postfix/model.ts';
import { planOtherNames } from '../../postfix/other-names.ts';
import { OPERATOR_NAMES, OPERATORS } from '../../postfix/settings.ts';
import { check, noneOf, ok, some, warning, wrong } from '../check.ts';

export const ADDRESS_CHECKS = [
  check({
    code: 'operators_configured',
    why: 'sealpost reads user%domain@ours and the like as Postfix does only where [postfix] says the same as main.cf',
    mend: 'sealpost config set postfix.NAME VALUE, or sealpost init --postfix-config DIR',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const { operators } = postfix.addresses;
      const differing = OPERATOR_NAMES.filter((name) => operators[name] !== config.postfix[name]);
      const ignored = differing.filter((name) => operators[name]);
      const inWords = differing.map(
        (name) =>
          `${OPERATORS[name]} is ${operators[name] ? 'yes' : 'no'}, [postfix] ${name} is ${config.postfix[name]}`,
      );
      // What sealpost reads on and Postfix does not costs nothing but a wrong reader; the other way round mail passes unsealed.
      return noneOf(
        inWords,
        '[postfix] says what main.cf says',
        (list) => list,
        ignored.length > 0 ? wrong : warning,
      );
    },
  }),
  check({
    code: 'operators_open',
    why: 'behind a content_filter, Postfix delivers user%domain@ours to user@domain: what that means is said twice, and must agree',
    mend: 'postconf -e allow_percent_hack=no swap_bangpath=no (README of the wiring)',
    reads: ['postfix', 'config'],
    judge: ({ postfix }) => {
      const open = (['percent_hack', 'bangpath'] as const).filter(
        (name) => postfix.addresses.operators[name],
      );
      return noneOf(
        open.map((name) => `${OPERATORS[name]} = yes`),
        'no percent hack and no bang paths',
        (list) => list,
      );
    },
  }),
  check({
    code: 'machine_names',
    why: 'mail for news@localhost is delivered as news@your.domain: sealpost must know that both are one',
    mend: 'sealpost domain set DOMAIN other_names=NAME,... local=on, or sealpost init',
    reads: ['postfix', 'directory'],
    judge: ({ postfix, directory: { domains } }) => {
      const settings = postfix.addresses;
      const known = domains.map(({ name, local, otherNames }) => ({ name, local, other_names: otherNames }));
      const plan = planOtherNames(settings, known);
      if (plan.kind === 'nothing') return ok(plan.because);
      return warning(
        `${plan.domain} is also reached as ${some(plan.added) || 'itself, by mydestination'}`,
        `sealpost domain set ${plan.domain} other_names=${plan.names.join(',')} local=on`,
      );
    },
  }),
  check({
    code: 'mydestination_tables',
    why: 'names in a table or pattern of mydestination are not read: what they stand for is unknown here',
    mend: 'sealpost domain set DOMAIN other_names=NAME,... with the names in that table',
    reads: ['postfix'],
    judge: ({ postfix }) =>
      noneOf(postfix.addresses.unread, 'mydestination holds names only', (list) => `not read: ${list}`),
  }),
  check({
    code: 'mydestination_lookups',
    why: 'a domain that stands in mydestination and in virtual_mailbox_domains is delivered by local(8), past virtual_transport',
    mend: 'take the domain out of mydestination, or out of virtual_mailbox_domains',
    reads: ['postfix', 'directory'],
    judge: ({ postfix, directory: { domains } }) => {
      const { localNames } = postfix.addresses;
      const asked = /tcp:|socketmap:|pgsql:/.test(settingOf(postfix, 'virtual_mailbox_domains'));
      const listed = listOf(settingOf(postfix, 'virtual_mailbox_domains'));
      const both = domains.filter(
        ({ name, local, class: kind }) =>
          localNames.includes(name) && ((asked && kind === 'virtual' && !local) || listed.includes(name)),
      );
      return noneOf(
        both.map(({ name }) => name),
        'no domain is local and virtual at once',
        (list) => list,
      );
    },
  }),
  check({
    code: 'address_probes',
    why: 'sealpost says yes to every recipient: a probe by way of it accepts everybody',
    mend: 'address_verify_virtual_transport = sealpost-virtual (postfix-examples/delivery-virtual)',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const value = settingOf(postfix, 'address_verify_virtual_transport');
      const texts = [...postfix.main, ...postfix.services.flatMap(({ overrides }) => [...overrides])].map(
        ([, text]) => text,
      );
      const isUsed = texts.some((text) => /\breject_unverified_recipient\b/.test(text));
      if (!isUsed) return ok('no recipient is probed');
      return leadsToUs(postfix, config, value)
        ? warning(`reject_unverified_recipient asks ${value}, which is sealpost`)
        : ok(`probes go to ${value}`);
    },
  }),
  check({
    code: 'local_recipients',
    why: 'with mailbox_transport local(8) never says that a user is unknown: without a list everybody is accepted, and bounced later',
    mend: 'postconf -X local_recipient_maps',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      if (!entrancesOf(postfix, config).mailbox) return ok('mailbox_transport does not lead to sealpost');
      const { localNames } = postfix.addresses;
      const maps = settingOf(postfix, 'local_recipient_maps');
      return maps !== '' || localNames.length === 0
        ? ok(`local_recipient_maps = ${maps}`)
        : warning('local_recipient_maps is empty');
    },
  }),
];
