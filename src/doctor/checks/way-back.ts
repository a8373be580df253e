// The listener by which Postfix takes mail back from sealpost.
import { nextHopsOf } from '../../config/next-hops.ts';
import type { Config } from '../../config/schema.ts';
import { formatNextHop } from '../../config/units.ts';
import { entrancesOf, leadsToUs, listensAt, serviceOf, waysBack } from '../../postfix/entrances.ts';
import { serviceName } from '../../postfix/master-cf.ts';
import {
  listOf,
  type PostfixModel,
  type PostfixService,
  processLimit,
  settingOf,
} from '../../postfix/model.ts';
import { parseTransport } from '../../postfix/transport.ts';
import {
  check,
  type Finding,
  GROWTH,
  isLoopback,
  noneOf,
  nothingToLookAt,
  ok,
  warning,
  wrong,
} from '../check.ts';

/** Judges each listener that takes mail back; a mail store as next hop needs none. */
function each(
  postfix: PostfixModel,
  config: Config,
  good: string,
  badOf: (service: PostfixService) => string | null,
  level: (found: string, mend?: string) => Finding = warning,
): Finding {
  const services = waysBack(postfix, config);
  if (services.length === 0) return nothingToLookAt('the next hop is no listener of this Postfix');
  return noneOf(
    services.flatMap((service) => {
      const bad = badOf(service);
      return bad === null ? [] : [`${service.name}: ${bad}`];
    }),
    good,
    (list) => list,
    level,
  );
}

/** The cleanup(8) that a listener hands its mail to. */
function cleanupOf(postfix: PostfixModel, service: PostfixService): PostfixService | undefined {
  const name = settingOf(postfix, 'cleanup_service_name', service);
  return postfix.services.find((other) => other.name === name && other.command === 'cleanup');
}

function lacks(postfix: PostfixModel, service: PostfixService, option: string): boolean {
  return !listOf(settingOf(postfix, 'receive_override_options', service)).includes(option);
}

/** The agent that a listener's content_filter names, where it delivers. */
function finalAgent(postfix: PostfixModel, service: PostfixService): PostfixService | undefined {
  const agent = serviceOf(postfix, parseTransport(settingOf(postfix, 'content_filter', service)));
  return agent !== undefined && ['virtual', 'local'].includes(agent.command) ? agent : undefined;
}

export const WAY_BACK_CHECKS = [
  check({
    code: 'reinjection_listener',
    why: 'what sealpost has sealed must come back into Postfix, or go to the mail store: else it waits',
    mend: 'add the listener of postfix-examples to master.cf, or correct filter.next_hop',
    reads: ['postfix', 'config', 'hops'],
    judge: ({ postfix, config: { config }, hops }) => {
      const back = waysBack(postfix, config).map(({ name }) => name);
      const hopsInWords = nextHopsOf(config.filter).map(formatNextHop).join(', ');
      if (back.length > 0) return ok(`${back.join(', ')} takes back what goes to ${hopsInWords}`);
      if (hops.every(({ failure }) => failure === null))
        return ok(`${hopsInWords} is no listener of this Postfix, and answers`);
      return wrong(`${hopsInWords} is no listener of this Postfix, and does not answer`);
    },
  }),
  check({
    code: 'reinjection_loop',
    why: 'a listener whose content_filter leads to sealpost sends sealed mail round and round',
    mend: 'content_filter = at that listener in master.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      each(
        postfix,
        config,
        'what comes back is not filtered again',
        (service) => {
          const value = settingOf(postfix, 'content_filter', service);
          return leadsToUs(postfix, config, value) ? `content_filter = ${value}` : null;
        },
        wrong,
      ),
  }),
  check({
    code: 'reinjection_round_trip',
    why: 'what comes back by the same transport that leads to sealpost goes round until it is refused as a loop',
    mend: 'content_filter = sealpost-virtual: at that listener in master.cf (postfix-examples/delivery-virtual)',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const { virtual, mailbox } = entrancesOf(postfix, config);
      if (!virtual && !mailbox) return nothingToLookAt('no transport of final delivery leads to sealpost');
      return each(
        postfix,
        config,
        'what comes back goes to an agent that delivers',
        (service) =>
          settingOf(postfix, 'content_filter', service) === ''
            ? 'no content_filter that names an agent'
            : null,
        wrong,
      );
    },
  }),
  check({
    code: 'reinjection_no_address_mappings',
    why: 'aliases and always_bcc that are expanded behind the filter add readers to whom nothing was sealed',
    mend: 'receive_override_options with no_address_mappings at that listener in master.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      each(postfix, config, 'no address is mapped behind the filter', (service) =>
        lacks(postfix, service, 'no_address_mappings') ? 'no_address_mappings is missing' : null,
      ),
  }),
  check({
    code: 'reinjection_no_header_checks',
    why: 'a FILTER in header_checks sends sealed mail round to the filter again, fifty times',
    mend: 'receive_override_options with no_header_body_checks at that listener in master.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      each(postfix, config, 'no header is checked behind the filter', (service) =>
        lacks(postfix, service, 'no_header_body_checks') ? 'no_header_body_checks is missing' : null,
      ),
  }),
  check({
    code: 'reinjection_closed',
    why: 'who reaches this listener hands in mail past every restriction, and past sealpost',
    mend: 'let it listen on 127.0.0.1, with smtpd_client_restrictions = permit_mynetworks, reject and mynetworks = 127.0.0.0/8',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      each(
        postfix,
        config,
        'only this machine reaches the listener',
        (service) => {
          const at = listensAt(service);
          const isLocal = at?.kind === 'inet' && isLoopback(at.host);
          const networks = listOf(settingOf(postfix, 'mynetworks', service));
          const restricted = listOf(settingOf(postfix, 'smtpd_client_restrictions', service)).includes(
            'reject',
          );
          const narrow = networks.every((network) => /^(?:127\.|\[::1\])/.test(network));
          return isLocal || (restricted && narrow) ? null : 'other machines reach it';
        },
        wrong,
      ),
  }),
  check({
    code: 'reinjection_restrictions',
    why: 'mail that was accepted once, and is refused by a check behind the filter, is returned to its sender',
    mend: 'smtpd_recipient_restrictions = permit_mynetworks, reject at that listener, and no policy service',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      each(postfix, config, 'nothing is checked twice', (service) => {
        const names = [
          'smtpd_sender_restrictions',
          'smtpd_recipient_restrictions',
          'smtpd_data_restrictions',
          'smtpd_end_of_data_restrictions',
        ];
        const twice = names.filter((name) =>
          /check_policy_service|reject_unverified|reject_rbl|check_\w+_access/.test(
            settingOf(postfix, name, service),
          ),
        );
        return twice.length === 0 ? null : `${twice.join(', ')} checks again`;
      }),
  }),
  check({
    code: 'reinjection_size',
    why: 'sealed mail is larger: refused here, it would be returned though Postfix had accepted it',
    mend: 'message_size_limit of 1.4 times filter.max_message_size at that listener and at its cleanup service',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const largest = Math.min(
        config.filter.max_message_size,
        Number(settingOf(postfix, 'message_size_limit')) || Number.POSITIVE_INFINITY,
      );
      const isSmall = (service: PostfixService | undefined): boolean => {
        const limit = Number(settingOf(postfix, 'message_size_limit', service));
        return limit !== 0 && limit < largest * GROWTH;
      };
      return each(postfix, config, 'the listener takes the largest sealed mail', (service) => {
        if (isSmall(service))
          return `message_size_limit is ${settingOf(postfix, 'message_size_limit', service)}`;
        const cleanup = cleanupOf(postfix, service);
        return isSmall(cleanup)
          ? `message_size_limit of ${cleanup?.name ?? 'cleanup'} is ${settingOf(postfix, 'message_size_limit', cleanup)}`
          : null;
      });
    },
  }),
  check({
    code: 'reinjection_processes',
    why: 'with fewer processes than filter.next_hop_connections sealpost waits for a greeting while mail piles up',
    mend: 'maxproc of that listener in master.cf not below filter.next_hop_connections',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      each(postfix, config, 'the listener has a process for each connection of sealpost', (service) => {
        const most = processLimit(postfix, service);
        const needed = config.filter.next_hop_connections;
        return most >= needed ? null : `${most} processes, filter.next_hop_connections is ${needed}`;
      }),
  }),
  check({
    code: 'reinjection_bare_newline',
    why: 'a bare newline that passes the filter could smuggle a second message in here',
    mend: 'smtpd_forbid_bare_newline = normalize and smtpd_forbid_bare_newline_exclusions = at that listener',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      each(postfix, config, 'bare newlines are no line ends behind the filter', (service) => {
        const value = settingOf(postfix, 'smtpd_forbid_bare_newline', service).toLowerCase();
        if (value === '' || value === 'no')
          return `smtpd_forbid_bare_newline is ${value || 'unknown to this Postfix'}`;
        const exclusions = settingOf(postfix, 'smtpd_forbid_bare_newline_exclusions', service);
        return exclusions === '' ? null : `excluded: ${exclusions}`;
      }),
  }),
  check({
    code: 'reinjection_xforward',
    why: 'without it the log of Postfix names sealpost as the client of all mail behind the filter',
    mend: 'smtpd_authorized_xforward_hosts = 127.0.0.0/8 at that listener',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      each(postfix, config, 'the listener believes the XFORWARD of sealpost', (service) =>
        settingOf(postfix, 'smtpd_authorized_xforward_hosts', service) === ''
          ? 'no host may send XFORWARD'
          : null,
      ),
  }),
  check({
    code: 'mailbox_size_limits',
    why: 'a mailbox file above the limit stops virtual(8) or local(8) for everybody',
    mend: 'virtual_mailbox_limit = 0, mailbox_size_limit = 0 at the agent that delivers sealed mail',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const agents = waysBack(postfix, config).flatMap((service) => finalAgent(postfix, service) ?? []);
      if (agents.length === 0) return nothingToLookAt('no listener of ours leads to virtual(8) or local(8)');
      const limitOf = ({ command }: PostfixService): string =>
        command === 'virtual' ? 'virtual_mailbox_limit' : 'mailbox_size_limit';
      return noneOf(
        agents
          .filter((agent) => Number(settingOf(postfix, limitOf(agent), agent)) !== 0)
          .map(
            (agent) => `${limitOf(agent)} of ${agent.name} is ${settingOf(postfix, limitOf(agent), agent)}`,
          ),
        'the agents that deliver sealed mail have no limit',
        (list) => list,
        wrong,
      );
    },
  }),
  check({
    code: 'smuggling',
    why: 'who can smuggle a second message into a session sends it under any name, past SPF and DMARC',
    mend: 'postconf -e smtpd_forbid_bare_newline=normalize, then postfix reload',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const back = new Set(waysBack(postfix, config));
      const open = postfix.services.filter((service) => {
        if (service.command !== 'smtpd' || back.has(service)) return false;
        const value = settingOf(postfix, 'smtpd_forbid_bare_newline', service).toLowerCase();
        const pipelining = settingOf(postfix, 'smtpd_data_restrictions', service);
        return (value === '' || value === 'no') && !pipelining.includes('reject_unauth_pipelining');
      });
      const found = open.map(serviceName);
      return found.length === 0
        ? ok('bare newlines end no line at the listeners')
        : warning(`smtpd_forbid_bare_newline is off at ${found.join(', ')}`);
    },
  }),
];
