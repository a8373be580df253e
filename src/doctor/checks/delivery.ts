// How this Postfix hands mail to sealpost.
import type { Config } from '../../config/schema.ts';
import { formatEndpoint } from '../../config/units.ts';
import {
  deliveryServices,
  entrancesOf,
  hopEndpoint,
  isWired,
  leadsToUs,
  ownEndpoints,
  reaches,
  serviceOf,
} from '../../postfix/entrances.ts';
import { serviceName } from '../../postfix/master-cf.ts';
import {
  isAtLeast,
  isYes,
  type PostfixModel,
  type PostfixService,
  processLimit,
  settingOf,
  timeOf,
} from '../../postfix/model.ts';
import { parseTransport } from '../../postfix/transport.ts';
import { check, type Finding, noneOf, nothingToLookAt, ok, warning, wrong } from '../check.ts';

const LEAST_POSTFIX = '3.5';

/** Settings that a wiring may let lead to sealpost. */
const TRANSPORTS = ['content_filter', 'virtual_transport', 'mailbox_transport', 'relay_transport'] as const;

/** The setting of a client under its own prefix: smtp_ of smtp(8) is lmtp_ of lmtp(8). */
const clientSetting = (postfix: PostfixModel, service: PostfixService, name: string): string =>
  settingOf(postfix, `${service.command}_${name}`, service);

/** Judges each smtp(8) and lmtp(8) service that carries mail to sealpost. */
function clients(
  postfix: PostfixModel,
  config: Config,
  good: string,
  badOf: (service: PostfixService) => string | null,
  level: (found: string, mend?: string) => Finding = warning,
): Finding {
  const services = deliveryServices(postfix, config);
  if (services.length === 0) return nothingToLookAt('no service of this Postfix leads to sealpost');
  const speaking = services.filter(({ command }) => command !== 'pipe');
  if (speaking.length === 0) return ok('mail comes by pipe(8)');
  return noneOf(
    speaking.flatMap((service) => badOf(service) ?? []),
    good,
    (list) => list,
    level,
  );
}

export const DELIVERY_CHECKS = [
  check({
    code: 'postfix_found',
    why: 'every check of the wiring asks the real Postfix',
    mend: 'sealpost doctor --config-dir DIR, as Postfix’s own -c',
    reads: ['postfixAnswer'],
    judge: ({ postfixAnswer: { name, failure } }) => (failure === null ? ok(name) : wrong(failure)),
  }),
  check({
    code: 'postfix_version',
    why: 'older ones are not tried with the wirings of postfix-examples',
    mend: 'upgrade Postfix',
    reads: ['postfix'],
    judge: ({ postfix: { version } }) =>
      isAtLeast(version, LEAST_POSTFIX)
        ? ok(version)
        : warning(`${version}, expected ${LEAST_POSTFIX} or newer`),
  }),
  check({
    code: 'postfix_warnings',
    why: 'a misspelt setting is none: what it should close stays open',
    mend: 'postfix check; postconf -n',
    reads: ['postfix'],
    judge: ({ postfix: { warnings } }) =>
      noneOf(
        warnings.map((line) => line.replace(/^postconf: warning: /, '')),
        'postconf warns of nothing',
        (list) => list,
      ),
  }),
  check({
    code: 'filter_wired',
    why: 'as long as no setting of Postfix leads to sealpost, all mail is delivered as it comes',
    mend: 'sealpost postfix apply delivery-lmtp (see postfix-examples)',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const wiring = entrancesOf(postfix, config);
      if (!isWired(wiring))
        return wrong('neither content_filter nor a transport of this Postfix leads to sealpost');
      const by = [
        ...(wiring.contentFilter ? ['content_filter'] : []),
        ...wiring.listeners.map(serviceName),
        ...(wiring.virtual ? ['virtual_transport'] : []),
        ...(wiring.mailbox ? ['mailbox_transport'] : []),
        ...(wiring.relay ? ['relay_transport'] : []),
        ...(wiring.local ? ['local_transport'] : []),
      ];
      return ok(`mail comes by ${by.join(', ')}`);
    },
  }),
  check({
    code: 'filter_service_defined',
    why: 'a transport whose service is missing in master.cf defers all mail',
    mend: 'sealpost postfix apply WIRING, or add the entry of postfix-examples to master.cf',
    reads: ['postfix'],
    judge: ({ postfix }) => {
      const missing = TRANSPORTS.filter((name) => {
        const value = settingOf(postfix, name);
        return value !== '' && serviceOf(postfix, parseTransport(value)) === undefined;
      });
      return noneOf(
        missing.map((name) => `${name} = ${settingOf(postfix, name)}`),
        'each transport has its service in master.cf',
        (list) => `no such service: ${list}`,
        wrong,
      );
    },
  }),
  check({
    code: 'filter_port_ours',
    why: 'mail for a port at which sealpost does not listen waits, or goes to somebody else',
    mend: 'let [[filter.listen]] of sealpost.toml and the transport in main.cf name the same address',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const astray = TRANSPORTS.filter((name) => {
        const transport = parseTransport(settingOf(postfix, name));
        const at = hopEndpoint(postfix, transport.nextHop);
        return (
          /^sealpost/.test(transport.service) &&
          at !== null &&
          !ownEndpoints(config).some((own) => reaches(at, own))
        );
      });
      const listening = ownEndpoints(config).map(formatEndpoint).join(', ');
      return noneOf(
        astray.map((name) => `${name} = ${settingOf(postfix, name)}`),
        'the transports name listeners of sealpost',
        (list) => `${list}; sealpost listens at ${listening}`,
        wrong,
      );
    },
  }),
  check({
    code: 'filter_xforward',
    why: 'without XFORWARD no line of the log has Postfix’s queue ID, and duplicates are told apart by content only',
    mend: 'lmtp_send_xforward_command = yes (smtp_ for smtp) at the service in master.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      clients(postfix, config, 'Postfix tells sealpost its queue ID', (service) =>
        isYes(clientSetting(postfix, service, 'send_xforward_command')) ? null : serviceName(service),
      ),
  }),
  check({
    code: 'filter_bytes_untouched',
    why: 'a client that splits lines or re-encodes breaks signatures before sealpost sees them',
    mend: 'lmtp_line_length_limit = 0 and disable_mime_output_conversion = yes at the service in master.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      clients(postfix, config, 'Postfix hands mail on as it is', (service) => {
        const splits = clientSetting(postfix, service, 'line_length_limit') !== '0';
        const converts = !isYes(settingOf(postfix, 'disable_mime_output_conversion', service));
        return splits || converts
          ? `${serviceName(service)} ${splits ? 'splits long lines' : 're-encodes 8-bit mail'}`
          : null;
      }),
  }),
  check({
    code: 'filter_no_fallback',
    why: 'a fallback relay takes the mail in plaintext whenever sealpost does not answer',
    mend: 'lmtp_fallback_relay = (smtp_ for smtp) at the service in master.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      clients(
        postfix,
        config,
        'no fallback relay stands beside sealpost',
        (service) => {
          const relay = clientSetting(postfix, service, 'fallback_relay');
          return relay === '' ? null : `${serviceName(service)} falls back to ${relay}`;
        },
        wrong,
      ),
  }),
  check({
    code: 'filter_patience',
    why: 'a client that gives up before sealpost answers sends the same message again',
    mend: 'lmtp_data_done_timeout = 600s at the service, or a shorter filter.transaction_deadline',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      clients(postfix, config, 'Postfix waits longer than sealpost takes', (service) => {
        const patience = timeOf(clientSetting(postfix, service, 'data_done_timeout'));
        return patience > config.filter.transaction_deadline
          ? null
          : `${serviceName(service)} waits ${patience / 1000} s`;
      }),
  }),
  check({
    code: 'filter_processes',
    why: 'connections beyond filter.max_connections are turned away, and their mail waits',
    mend: 'lower maxproc of the service in master.cf, or raise filter.max_connections',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) =>
      clients(postfix, config, 'sealpost takes as many connections as Postfix opens', (service) => {
        const most = processLimit(postfix, service);
        return most <= config.filter.max_connections
          ? null
          : `${serviceName(service)} may open ${most} connections, sealpost takes ${config.filter.max_connections}`;
      }),
  }),
  check({
    code: 'pipe_patience',
    why: 'pipe(8) bounces the mail when its time limit passes before sealpost-pipe gives up by itself',
    mend: 'NAME_time_limit = 1000s in main.cf, NAME the service of sealpost-pipe',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const pipes = deliveryServices(postfix, config).filter(({ command }) => command === 'pipe');
      if (pipes.length === 0) return nothingToLookAt('no mail comes by pipe(8)');
      const limitOf = ({ name }: PostfixService): number =>
        timeOf(settingOf(postfix, `${name}_time_limit`) || settingOf(postfix, 'command_time_limit'));
      return noneOf(
        pipes
          .filter((service) => limitOf(service) <= config.pipe.deadline)
          .map((service) => `${service.name}_time_limit is ${limitOf(service) / 1000} s`),
        'pipe(8) waits longer than sealpost-pipe',
        (list) => `${list}, pipe.deadline ${config.pipe.deadline / 1000} s`,
      );
    },
  }),
  check({
    code: 'message_size',
    why: 'what Postfix accepts and sealpost refuses is returned to its sender',
    mend: 'filter.max_message_size in sealpost.toml not below message_size_limit of main.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const limit = Number(settingOf(postfix, 'message_size_limit'));
      const most = config.filter.max_message_size;
      return limit !== 0 && limit <= most
        ? ok(`message_size_limit is ${limit}, filter.max_message_size ${most}`)
        : warning(
            `message_size_limit is ${limit === 0 ? 'unlimited' : limit}, filter.max_message_size ${most}`,
          );
    },
  }),
  check({
    code: 'duplicate_memory',
    why: 'a retry after the memory has forgotten the message delivers it again',
    mend: 'filter.duplicate_lifetime in sealpost.toml above maximal_queue_lifetime of main.cf',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const queued = timeOf(settingOf(postfix, 'maximal_queue_lifetime'), 'd');
      return config.filter.duplicate_lifetime > queued
        ? ok('acceptances are remembered longer than mail is queued')
        : warning(
            `mail is queued for ${queued / 86_400_000} days, acceptances remembered for ${config.filter.duplicate_lifetime / 86_400_000}`,
          );
    },
  }),
  check({
    code: 'process_limit',
    why: 'when default_process_limit is used up by the clients of the filter, none is left for what comes in',
    mend: 'raise default_process_limit in main.cf, or lower maxproc of the services',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const most = Number(settingOf(postfix, 'default_process_limit'));
      const over = deliveryServices(postfix, config).filter(
        (service) => processLimit(postfix, service) > most,
      );
      return noneOf(
        over.map((service) => `${serviceName(service)} may have ${processLimit(postfix, service)} processes`),
        `default_process_limit is ${most}`,
        (list) => `${list}, default_process_limit is ${most}`,
      );
    },
  }),
  check({
    code: 'content_filter_foreign',
    why: 'mail that goes to virtual(8), local(8) or another filter by content_filter never comes to sealpost',
    mend: 'content_filter = in main.cf, or let that filter hand its mail on to sealpost (docs/dkim-and-spam.md)',
    reads: ['postfix', 'config'],
    judge: ({ postfix, config: { config } }) => {
      const value = settingOf(postfix, 'content_filter');
      if (value === '' || leadsToUs(postfix, config, value))
        return ok(value === '' ? 'content_filter is empty' : value);
      const service = serviceOf(postfix, parseTransport(value));
      return service !== undefined && ['virtual', 'local', 'pipe'].includes(service.command)
        ? wrong(`content_filter = ${value} delivers past sealpost`)
        : warning(`content_filter = ${value} is another filter: what it hands back must come to sealpost`);
    },
  }),
];
