// The roads by which mail could reach a keyed mailbox without sealpost: what this Postfix leaves open.

import {
  entrancesOf,
  filterActions,
  isGateway,
  leadsToUs,
  serviceOf,
  waysBack,
} from '../../postfix/entrances.ts';
import { serviceName } from '../../postfix/master-cf.ts';
import { listOf, type PostfixService, settingOf } from '../../postfix/model.ts';
import { parseTransport } from '../../postfix/transport.ts';
import { check, noneOf, ok, sealedLast, some, unlessUnread, warning, wrong } from '../check.ts';
import { SIGNERS } from './signers.ts';

export const ROAD_CHECKS = [
  check({
    code: 'local_delivery_open',
    why: 'mail for a domain of yours in mydestination goes to local(8): without mailbox_transport it is stored as it comes',
    mend: 'mailbox_transport as in postfix-examples/delivery-lmtp or delivery-local',
    reads: ['postfix', 'config', 'directory'],
    judge: ({ postfix, config: { config }, directory: { domains } }) => {
      const { localNames } = postfix.addresses;
      const local = domains.map(({ name }) => name).filter((name) => localNames.includes(name));
      if (local.length === 0) return ok('no domain of yours stands in mydestination');
      const wiring = entrancesOf(postfix, config);
      if (wiring.contentFilter || wiring.local) return ok(`${some(local)}: local mail comes to sealpost`);
      if (!wiring.mailbox)
        return wrong(
          `${some(local)} in mydestination, and neither mailbox_transport nor content_filter leads to sealpost`,
        );
      // Only local(8) reads mailbox_transport.
      const agent = settingOf(postfix, 'local_transport');
      return agent === '' || serviceOf(postfix, parseTransport(agent))?.command === 'local'
        ? ok(`${some(local)}: local mail comes to sealpost`)
        : wrong(`local_transport = ${agent} does not ask mailbox_transport`, 'postconf -X local_transport');
    },
  }),
  check({
    code: 'virtual_delivery_open',
    why: 'mail for a virtual domain goes where virtual_transport says: to sealpost, or into the mailbox as it comes',
    mend: 'virtual_transport as in postfix-examples/delivery-lmtp or delivery-virtual',
    reads: ['postfix', 'config', 'directory'],
    judge: ({ postfix, config: { config }, directory: { domains } }) => {
      const { localNames } = postfix.addresses;
      const virtual = domains.filter(
        ({ name, class: kind }) => kind === 'virtual' && !localNames.includes(name),
      );
      if (virtual.length === 0) return ok('no domain of yours is virtual');
      const wiring = entrancesOf(postfix, config);
      if (wiring.contentFilter || wiring.virtual)
        return ok(`${some(virtual.map(({ name }) => name))}: virtual mail comes to sealpost`);
      return isGateway(wiring)
        ? warning(
            `only ${wiring.listeners.map(({ name }) => name).join(', ')} lead to sealpost: mail that comes otherwise is not sealed`,
          )
        : wrong(`virtual_transport = ${settingOf(postfix, 'virtual_transport')} does not lead to sealpost`);
    },
  }),
  check({
    code: 'relay_delivery_open',
    why: 'a domain of class relay goes on by relay_transport: without a content_filter as it comes',
    mend: 'content_filter or relay_transport as in postfix-examples/after-queue-lmtp',
    reads: ['postfix', 'config', 'directory'],
    judge: ({ postfix, config: { config }, directory: { domains } }) => {
      const relay = domains.filter(({ class: kind }) => kind === 'relay').map(({ name }) => name);
      if (relay.length === 0) return ok('no domain of yours is relayed');
      const wiring = entrancesOf(postfix, config);
      return isGateway(wiring) || wiring.relay
        ? ok(`${some(relay)}: relayed mail comes to sealpost`)
        : wrong(`${some(relay)}: neither content_filter nor relay_transport leads to sealpost`);
    },
  }),
  check({
    code: 'listeners_without_filter',
    why: 'mail that comes in there goes past the content_filter',
    mend: 'take content_filter= out of that service in master.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const wiring = entrancesOf(postfix, config);
      if (!isGateway(wiring))
        return sealedLast(wiring, 'mail is sealed at its last step, whatever way it came in');
      const back = new Set(waysBack(postfix, config));
      const takes = ({ command }: PostfixService): boolean => ['smtpd', 'pickup', 'qmqpd'].includes(command);
      const open = postfix.services.filter(
        (service) =>
          takes(service) &&
          !back.has(service) &&
          !wiring.listeners.includes(service) &&
          !leadsToUs(postfix, config, settingOf(postfix, 'content_filter', service)),
      );
      const filteredFirst = open.filter((service) => {
        const filter = parseTransport(settingOf(postfix, 'content_filter', service));
        return serviceOf(postfix, filter)?.command === 'smtp';
      });
      const past = open.filter((service) => !filteredFirst.includes(service));
      if (past.length > 0) return wrong(some(past.map(serviceName)));
      return noneOf(
        filteredFirst.map(
          (service) => `${serviceName(service)} to ${settingOf(postfix, 'content_filter', service)}`,
        ),
        'every listener leads to the filter',
        (list) => `another filter comes first (${list}): what it hands back must come to sealpost`,
        (found) => warning(found, 'no content_filter= where it hands back (docs/dkim-and-spam.md)'),
      );
    },
  }),
  check({
    code: 'override_no_filter',
    why: 'receive_override_options = no_address_mappings before the filter hides aliases and always_bcc from it',
    mend: 'take no_address_mappings out of main.cf: it belongs to the listener behind the filter',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const wiring = entrancesOf(postfix, config);
      if (!isGateway(wiring)) return sealedLast(wiring, 'mail is sealed at its last step');
      return listOf(settingOf(postfix, 'receive_override_options')).includes('no_address_mappings')
        ? warning('receive_override_options of main.cf has no_address_mappings')
        : ok('addresses are mapped before the filter');
    },
  }),
  check({
    code: 'filter_actions',
    why: 'FILTER in header_checks or an access table sends mail to an agent that delivers past sealpost',
    mend: 'take the FILTER out, or let it name the transport of sealpost',
    reads: ['postfix', 'config', 'filters'],
    judge: ({ postfix, config: { config }, filters: { texts, unread } }) => {
      const actions = texts.flatMap(({ where, text }) => filterActions(where, text));
      const astray = actions.filter(({ destination }) => !leadsToUs(postfix, config, destination));
      const found = noneOf(
        astray.map(({ where, destination }) => `${where}: FILTER ${destination}`),
        actions.length === 0 ? 'no table says FILTER' : 'each FILTER leads to sealpost',
        (list) => list,
      );
      return unlessUnread(found, unread);
    },
  }),
  check({
    code: 'content_filter_delivers',
    why: 'content_filter=virtual: or local: at a listener puts its mail into mailboxes as it comes',
    mend: 'take that content_filter out of master.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const back = new Set(waysBack(postfix, config));
      const open = postfix.services.filter((service) => {
        const value = service.overrides.get('content_filter') ?? '';
        if (value === '' || back.has(service) || leadsToUs(postfix, config, value)) return false;
        return ['virtual', 'local', 'pipe', 'lmtp'].includes(
          serviceOf(postfix, parseTransport(value))?.command ?? '',
        );
      });
      return noneOf(
        open.map((service) => `${service.name}: content_filter=${service.overrides.get('content_filter')}`),
        'no listener delivers by content_filter',
        (list) => list,
        wrong,
      );
    },
  }),
  check({
    code: 'transport_maps_override',
    why: 'transport_maps win over virtual_transport: that mail goes past sealpost',
    mend: 'take the entry out, or let it name the transport of sealpost',
    reads: ['postfix', 'config', 'transports'],
    judge: ({ postfix, config: { config }, transports: { answers, unread } }) => {
      if (entrancesOf(postfix, config).contentFilter)
        return ok('the content_filter comes before transport_maps');
      const astray = answers.filter(({ value }) => {
        const { service } = parseTransport(value);
        return service !== '' && !leadsToUs(postfix, config, value);
      });
      const found = noneOf(
        astray.map(({ key, value }) => `${key} ${value}`),
        'transport_maps lead none of your addresses past sealpost',
        (list) => list,
        wrong,
      );
      return unlessUnread(found, unread);
    },
  }),
  check({
    code: 'mailbox_transport_maps',
    why: 'they win over mailbox_transport, and mailbox_command_maps and fallback_transport come after it: their mail is not sealed',
    mend: 'postconf -X mailbox_transport_maps',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const { mailbox } = entrancesOf(postfix, config);
      if (!mailbox) return ok('mailbox_transport does not lead to sealpost');
      const maps = settingOf(postfix, 'mailbox_transport_maps');
      return maps === ''
        ? ok('mailbox_transport_maps is empty')
        : warning(`mailbox_transport_maps = ${maps}`);
    },
  }),
  SIGNERS,
];
