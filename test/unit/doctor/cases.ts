// For each check: what breaks it, and where it is green when it has nothing to look at in the usual machine.
import type { Facts } from '../../../src/doctor/facts.ts';
import type { PostfixService } from '../../../src/postfix/model.ts';
import type { Example } from './world.ts';

/** A machine with something changed; read in the world of `at`. */
export interface Case {
  readonly code: string;
  readonly at?: Example;
  readonly change: (facts: Facts) => Partial<Facts>;
  readonly level: 'ok' | 'warning' | 'error' | 'not_looked';
  readonly found?: RegExp;
}

/** Settings of main.cf in place of what was there. */
const main =
  (settings: Readonly<Record<string, string>>) =>
  ({ postfix }: Facts): Partial<Facts> => ({
    postfix: { ...postfix, main: new Map([...postfix.main, ...Object.entries(settings)]) },
  });

/** Settings of one service of master.cf; undefined takes one out. */
const service =
  (
    name: string,
    settings: Readonly<Record<string, string | undefined>>,
    more: Partial<PostfixService> = {},
  ) =>
  ({ postfix }: Facts): Partial<Facts> => ({
    postfix: {
      ...postfix,
      services: postfix.services.map((each) => {
        if (each.name !== name) return each;
        const overrides = new Map([...each.overrides, ...Object.entries(settings)]);
        for (const [key, value] of overrides) if (value === undefined) overrides.delete(key);
        return { ...each, ...more, overrides: overrides as Map<string, string> };
      }),
    },
  });

const BACK = '127.0.0.1:10026';

/** A listener that gives its mail to amavis first. */
const filteredFirst =
  (listener: string) =>
  (facts: Facts): Partial<Facts> => {
    const { postfix } = { ...facts, ...service(listener, { content_filter: AMAVIS })(facts) };
    const amavis = { name: 'smtp-amavis', type: 'unix', maxproc: '2', command: 'smtp', args: '' };
    return { postfix: { ...postfix, services: [...postfix.services, { ...amavis, overrides: new Map() }] } };
  };

const AMAVIS = 'smtp-amavis:[127.0.0.1]:10030';

/** Changes that are laid over each other. */
const all =
  (...changes: readonly ((facts: Facts) => Partial<Facts>)[]) =>
  (facts: Facts): Partial<Facts> => {
    let changed: Partial<Facts> = {};
    for (const change of changes) changed = Object.assign(changed, change({ ...facts, ...changed }));
    return changed;
  };

const file =
  (what: string, mode: number | null) =>
  ({ files }: Facts): Partial<Facts> => ({
    files: files.map((each) => (each.what === what ? { ...each, mode } : each)),
  });

const key =
  (change: Partial<Facts['keys']['keys'][number]>) =>
  ({ keys }: Facts): Partial<Facts> => ({
    keys: { ...keys, keys: keys.keys.map((each) => ({ ...each, ...change })) },
  });

const directory =
  (change: Partial<Facts['directory']>) =>
  (facts: Facts): Partial<Facts> => ({ directory: { ...facts.directory, ...change } });

const database =
  (change: Partial<Facts['database']>) =>
  (facts: Facts): Partial<Facts> => ({ database: { ...facts.database, ...change } });

const hop =
  (change: Partial<Facts['hops'][number]>) =>
  ({ hops }: Facts): Partial<Facts> => ({ hops: hops.map((each) => ({ ...each, ...change })) });

type FilterConfig = Facts['config']['config']['filter'];
type DatabaseConfig = Facts['config']['config']['database'];

const config =
  (filter: Partial<FilterConfig>, databaseConfig: Partial<DatabaseConfig> = {}) =>
  (facts: Facts): Partial<Facts> => {
    const loaded = facts.config;
    const merged = {
      ...loaded.config,
      filter: { ...loaded.config.filter, ...filter },
      database: { ...loaded.config.database, ...databaseConfig },
    };
    return { config: { ...loaded, config: merged } };
  };

const addresses =
  (change: Partial<Facts['postfix']['addresses']>) =>
  ({ postfix }: Facts): Partial<Facts> => ({
    postfix: { ...postfix, addresses: { ...postfix.addresses, ...change } },
  });

const serve =
  (change: Partial<Facts['serve']>) =>
  (facts: Facts): Partial<Facts> => ({ serve: { ...facts.serve, ...change } });

const DOMAIN = { name: 'example.org', class: 'virtual', local: false, otherNames: [] } as const;
const ELSEWHERE = { kind: 'inet', host: '127.0.0.1', port: 10_024 } as const;
const away = { name: 'x', address: '127.0.0.1:1', failure: 'ECONNREFUSED' };
const red = (code: string, change: Case['change'], found?: RegExp, at?: Example): Case => ({
  code,
  change,
  level: 'warning',
  ...(found === undefined ? {} : { found }),
  ...(at === undefined ? {} : { at }),
});
const error = (code: string, change: Case['change'], found?: RegExp, at?: Example): Case => ({
  ...red(code, change, found, at),
  level: 'error',
});
const GATEWAY = 'after-queue-lmtp';

/** The one domain's facts. */
const publishing =
  (change: Partial<Facts['publishing']['domains'][number]>, served = true) =>
  ({ publishing: { domains } }: Facts): Partial<Facts> => ({
    publishing: { served, domains: domains.map((each) => ({ ...each, ...change })) },
  });
const portal =
  (change: Partial<Facts['portal']>) =>
  ({ portal: usual }: Facts): Partial<Facts> => ({ portal: { ...usual, ...change } });
const PORTAL_URL = 'https://keys.example.org';

export const RED: readonly Case[] = [
  error(
    'config_valid',
    () => ({ configuration: { name: '', failure: 'filter.next_hop: found 3' } }),
    /next_hop/,
  ),
  red(
    'config_warnings',
    ({ config: loaded }) => ({ config: { ...loaded, warnings: ['filter.listen is odd'] } }),
    /odd/,
  ),
  error(
    'node_version',
    ({ machine }) => ({ machine: { ...machine, node: '18.19.0' } }),
    /18\.19\.0, expected 20\.19/,
  ),
  error(
    'serve_running',
    () => ({ serveAnswer: { name: '127.0.0.1:9321', failure: 'nothing answers' } }),
    /nothing answers/,
  ),
  error('serve_ready', serve({ ready: false, reasons: ['the next hop refuses'] }), /next hop refuses/),
  red('serve_version', serve({ version: '0.9.0' }), /0\.9\.0/),
  error('serve_config', serve({ config: '/home/x/sealpost.toml' }), /\/home\/x/),
  red('open_files', serve({ openFiles: 256 }), /256/),
  error('listeners_answer', () => ({ listeners: [away] }), /ECONNREFUSED/),
  error('lookups_answer', () => ({ lookups: [away] }), /ECONNREFUSED/),
  red(
    'listeners_closed',
    config({
      listen: [
        { protocol: 'lmtp', before_queue: false, address: { kind: 'inet', host: '192.0.2.1', port: 10_024 } },
      ],
    }),
    /192\.0\.2\.1/,
  ),
  error(
    'database_reachable',
    () => ({ databaseAnswer: { name: '', failure: 'the database at x cannot be reached' } }),
    /cannot be reached/,
  ),
  error('database_version', database({ version: 130_005 }), /13\.5/),
  error('database_primary', database({ inRecovery: true }), /standby/),
  error('database_read_only', database({ readOnly: true }), /reads only/),
  error(
    'database_writes',
    ({ tables }) => ({ tables: { ...tables, writeRefused: 'permission denied for table deliveries' } }),
    /permission denied/,
  ),
  error(
    'database_migrated',
    ({ tables }) => ({ tables: { ...tables, pending: ['0012_directory_version'] } }),
    /0012/,
  ),
  error(
    'database_restored',
    ({ tables }) => ({ tables: { ...tables, restoredFrom: '2026-11-29T03:00:00Z' } }),
    /2026-11-29T03:00:00Z/,
  ),
  red('database_newer', ({ tables }) => ({ tables: { ...tables, unknown: ['made 2027-01-01'] } }), /2027/),
  error('database_durable', database({ fsync: false }), /fsync off/),
  error('database_durable', database({ synchronousCommit: 'off' }), /^synchronous_commit off/),
  red('database_connections', database({ maxConnections: 10 }), /max_connections is 10/),
  red('database_connections', database({ connections: 98 }), /98 of 100/),
  red('database_notifications', () => ({ notification: null }), /did not come back/),
  red('database_clock', database({ ahead: -61_000 }), /61 s behind/),
  red(
    'database_replica',
    all(config({}, { read_url: 'postgres://replica/x' }), () => ({
      replica: { standby: true, behind: 300 },
    })),
    /300 s/,
  ),
  red(
    'database_replica',
    all(config({}, { read_url: 'postgres://replica/x' }), () => ({ replica: { standby: false, behind: 0 } })),
    /no standby/,
  ),
  red('domains_added', directory({ domains: [], users: 0 }), /no domain/),
  red('users_added', directory({ keyed: [] }), /passes as it comes/),
  red('keys_missing_refused', directory({ lacking: ['bob@example.org'] }), /bob@example\.org/),
  red('keys_expired', key({ state: 'expired', expires: '2026-01-01T00:00:00Z' }), /alice/),
  red('keys_expiring', key({ expires: '2026-12-10T00:00:00Z' }), /2026-12-10/),
  red('keys_unusable', key({ state: 'revoked', because: 'revoked' }), /revoked/),
  red('keys_unusable', key({ state: 'unusable', because: 'no encryption subkey' }), /no encryption subkey/),
  red('keys_disabled_only', key({ state: 'disabled' }), /alice/),
  red('keys_unused_subkeys', key({ unused: 1 }), /alice/),
  red(
    'addresses_folded',
    ({ tables }) => ({
      tables: { ...tables, foldingTogether: [{ address: 'weiß@example.org', foldsTo: 'weiss@example.org' }] },
    }),
    /weiss/,
  ),
  red('postmaster_resolves', directory({ duties: new Map() }), /postmaster@example\.org/),
  red(
    'abuse_resolves',
    directory({ duties: new Map([['postmaster@example.org', true]]) }),
    /abuse@example\.org/,
  ),
  red(
    'sieve_hidden_subject',
    () => ({
      sieve: {
        scripts: [{ path: '/s', text: 'if header :contains ["from", "Subject"] "x" { stop; }' }],
        unread: [],
      },
    }),
    /\/s/,
  ),
  error('next_hop_answers', hop({ failure: 'Connection refused' }), /refused/),
  error(
    'next_hop_is_another',
    config({ next_hop: { protocol: 'smtp', endpoint: ELSEWHERE } }),
    /our own listener/,
  ),
  red('next_hop_size', hop({ size: 10_240_000 }), /less than 70000000/),
  red('next_hop_eight_bit', hop({ eightBit: false }), /8BITMIME/),
  red('next_hop_xforward', hop({ xforward: false }), /XFORWARD/),
  error('reinjection_probe', ({ probe }) => ({ probe: { ...probe, seen: 3 } }), /3 times/),
  error(
    'portal_answers',
    portal({ page: { name: 'portal', address: '127.0.0.1:9323', failure: 'ECONNREFUSED' } }),
    /ECONNREFUSED/,
  ),
  red(
    'portal_reached',
    portal({ outside: { name: PORTAL_URL, failure: 'it answers 404, and not with a page of the portal' } }),
    /404/,
  ),
  error('portal_tls', portal({ outside: { name: 'http://keys.example.org', failure: null } }), /no https/),
  red('portal_imap', portal({ imap: { name: 'imaps://x', failure: 'it closes the connection' } }), /closes/),
  error(
    'portal_trusted_socket',
    ({ portal: usual }) => ({
      portal: {
        ...usual,
        trustedSocket: usual.trustedSocket === null ? null : { ...usual.trustedSocket, mode: 0o666 },
      },
    }),
    /open to everybody/,
  ),
  error('publishing_served', publishing({}, false), /nobody finds a key/),
  error(
    'wks_key',
    publishing({ keyFile: 'example.org has no submission key on this machine' }),
    /no submission/,
  ),
  red('publishing_policy', publishing({ policy: 'https://x/policy: found 404, expected 200' }), /404/),
  red(
    'publishing_submission',
    publishing({ submission: 'https://x: found "a", expected "keys@example.org"' }),
    /expected "keys@/,
  ),
  red(
    'publishing_key',
    publishing({ key: { address: 'alice@example.org', failure: 'https://x: ENOTFOUND' } }),
    /ENOTFOUND/,
  ),
  error(
    'reinjection_probe',
    ({ probe }) => ({ probe: { ...probe, accepted: false, reply: '451 4.4.1 no' } }),
    /451/,
  ),
  red('reinjection_probe', ({ probe }) => ({ probe: { ...probe, seen: 0 } }), /no event/),
  error(
    'postfix_found',
    () => ({ postfixAnswer: { name: '', failure: 'open main.cf: No such file' } }),
    /No such file/,
  ),
  red('postfix_version', ({ postfix }) => ({ postfix: { ...postfix, version: '3.4.13' } }), /3\.4\.13/),
  red(
    'postfix_warnings',
    ({ postfix }) => ({
      postfix: { ...postfix, warnings: ['postconf: warning: unused parameter: virtual_transprot=x'] },
    }),
    /^unused parameter/,
  ),
  error('filter_wired', main({ virtual_transport: 'virtual' }), /neither content_filter nor/),
  error(
    'filter_service_defined',
    main({ virtual_transport: 'sealpost-deliver:inet:127.0.0.1:10024' }),
    /sealpost-deliver/,
  ),
  error(
    'filter_port_ours',
    main({ virtual_transport: 'sealpost-delivery:inet:127.0.0.1:10042' }),
    /10042; sealpost listens at 127\.0\.0\.1:10024/,
  ),
  red(
    'filter_xforward',
    service('sealpost-delivery', { lmtp_send_xforward_command: undefined }),
    /sealpost-delivery/,
  ),
  red('filter_bytes_untouched', service('sealpost-delivery', { lmtp_line_length_limit: '998' }), /splits/),
  error(
    'filter_no_fallback',
    service('sealpost-delivery', { lmtp_fallback_relay: 'relay.example' }),
    /relay\.example/,
  ),
  red('filter_patience', service('sealpost-delivery', { lmtp_data_done_timeout: '300s' }), /300 s/),
  red('filter_processes', service('sealpost-delivery', {}, { maxproc: '600' }), /600/),
  red('pipe_patience', main({ sealpost_time_limit: '600s' }), /600 s/, 'pipe'),
  red('message_size', main({ message_size_limit: '90000000' }), /90000000/),
  red('message_size', main({ message_size_limit: '0' }), /unlimited/),
  red('duplicate_memory', main({ maximal_queue_lifetime: '10d' }), /10 days/),
  red('process_limit', service('sealpost-delivery', {}, { maxproc: '200' }), /200/),
  error('content_filter_foreign', main({ content_filter: 'virtual:' }), /past sealpost/),
  red('content_filter_foreign', main({ content_filter: 'smtp-amavis:[127.0.0.1]:10024' }), /another filter/),
  error(
    'reinjection_listener',
    all(
      config({ next_hop: { protocol: 'smtp', endpoint: { kind: 'inet', host: '127.0.0.1', port: 10_099 } } }),
      hop({ failure: 'no' }),
    ),
    /10099/,
  ),
  error(
    'reinjection_loop',
    service(BACK, { content_filter: 'sealpost-filter:[127.0.0.1]:10024' }),
    /content_filter/,
    GATEWAY,
  ),
  error('reinjection_round_trip', service(BACK, { content_filter: '' }), /no content_filter/),
  red(
    'reinjection_no_address_mappings',
    service(BACK, { receive_override_options: 'no_header_body_checks' }),
    /no_address_mappings/,
  ),
  red(
    'reinjection_no_header_checks',
    service(BACK, { receive_override_options: 'no_address_mappings' }),
    /no_header_body_checks/,
  ),
  error(
    'reinjection_closed',
    service(BACK, { mynetworks: '0.0.0.0/0' }, { name: '10026' }),
    /other machines/,
  ),
  red(
    'reinjection_restrictions',
    service(BACK, { smtpd_recipient_restrictions: 'check_policy_service inet:127.0.0.1:2526' }),
    /recipient_restrictions/,
  ),
  red('reinjection_size', service(BACK, { message_size_limit: '10240000' }), /10240000/),
  red('reinjection_size', service('sealpost-cleanup', { message_size_limit: undefined }), /sealpost-cleanup/),
  red('reinjection_processes', service(BACK, {}, { maxproc: '10' }), /10 processes/),
  red('reinjection_bare_newline', service(BACK, { smtpd_forbid_bare_newline: 'no' }), /is no/),
  red(
    'reinjection_bare_newline',
    service(BACK, { smtpd_forbid_bare_newline_exclusions: '127.0.0.0/8' }),
    /excluded/,
  ),
  red('reinjection_xforward', service(BACK, { smtpd_authorized_xforward_hosts: '' }), /no host/),
  error(
    'mailbox_size_limits',
    service('sealpost-virtual', { virtual_mailbox_limit: '51200000' }),
    /51200000/,
  ),
  red('smuggling', main({ smtpd_forbid_bare_newline: 'no' }), /smtp\/inet/),
  error(
    'operators_configured',
    addresses({ operators: { percent_hack: true, bangpath: false, dequote: true } }),
    /allow_percent_hack is yes/,
  ),
  red(
    'operators_configured',
    addresses({ operators: { percent_hack: false, bangpath: false, dequote: false } }),
    /resolve_dequoted_address is no/,
  ),
  red(
    'operators_open',
    addresses({ operators: { percent_hack: true, bangpath: true, dequote: true } }),
    /swap_bangpath/,
  ),
  red(
    'machine_names',
    addresses({ localNames: ['example.org', 'mx.example.org', 'localhost'] }),
    /mx\.example\.org/,
  ),
  red('mydestination_tables', addresses({ unread: ['hash:/etc/postfix/local'] }), /hash:/),
  red('mydestination_lookups', addresses({ localNames: ['example.org'] }), /example\.org/),
  red(
    'address_probes',
    main({
      address_verify_virtual_transport: 'sealpost-delivery:inet:127.0.0.1:10024',
      smtpd_recipient_restrictions: 'reject_unverified_recipient',
    }),
    /which is sealpost/,
  ),
  red('local_recipients', main({ local_recipient_maps: '' }), /empty/, 'delivery-local'),
  error('local_delivery_open', addresses({ localNames: ['example.org'] }), /neither mailbox_transport/),
  error(
    'local_delivery_open',
    all(addresses({ localNames: ['example.org'] }), main({ local_transport: 'lmtp:unix:private/dovecot' })),
    /local_transport = lmtp:unix:private\/dovecot/,
    'delivery-local',
  ),
  error('virtual_delivery_open', main({ virtual_transport: 'virtual' }), /does not lead to sealpost/),
  red(
    'virtual_delivery_open',
    all(
      main({ virtual_transport: 'virtual' }),
      service('smtp', { content_filter: 'sealpost-delivery:inet:127.0.0.1:10024' }),
    ),
    /otherwise is not sealed/,
  ),
  error('relay_delivery_open', directory({ domains: [{ ...DOMAIN, class: 'relay' }] }), /relay_transport/),
  error('listeners_without_filter', service('pickup', { content_filter: '' }), /pickup/, GATEWAY),
  red('override_no_filter', main({ receive_override_options: 'no_address_mappings' }), /main\.cf/, GATEWAY),
  red(
    'filter_actions',
    () => ({
      filters: {
        texts: [{ where: 'header_checks', text: '# FILTER a:\n/^X-Spam/ FILTER virtual:\n' }],
        unread: [],
      },
    }),
    /^header_checks: FILTER virtual:$/,
  ),
  error('content_filter_delivers', service('smtp', { content_filter: 'virtual:' }), /virtual:/),
  error(
    'transport_maps_override',
    () => ({ transports: { answers: [{ key: 'alice@example.org', value: 'virtual:' }], unread: [] } }),
    /alice@example\.org virtual:/,
  ),
  red(
    'mailbox_transport_maps',
    main({ mailbox_transport_maps: 'hash:/etc/postfix/m' }),
    /hash:/,
    'delivery-local',
  ),
  red('signers', main({ smtpd_milters: 'inet:127.0.0.1:8891' }), /8891/, GATEWAY),
  red('signers', service('smtp', { smtpd_milters: 'inet:127.0.0.1:8893' }), /8893/, GATEWAY),
  red('signers', main({ non_smtpd_milters: 'inet:127.0.0.1:8894' }), /8894/, 'pipe'),
  red(
    'signers',
    all(
      main({ smtpd_milters: 'inet:127.0.0.1:8891' }),
      service(BACK, { smtpd_milters: 'inet:127.0.0.1:8891' }),
    ),
    /8891 before the filter, and again behind it/,
    GATEWAY,
  ),
  red(
    'signers',
    all(
      main({ smtpd_milter_maps: 'cidr:/etc/postfix/milters' }),
      service(BACK, { smtpd_milter_maps: undefined }),
    ),
    /again behind it/,
    GATEWAY,
  ),
  red('signers', service(BACK, { smtpd_milters: 'inet:127.0.0.1:8891' }), /8891 behind the seal/),
  red(
    'signers',
    all(
      main({ smtpd_milter_maps: 'cidr:/etc/postfix/milters' }),
      service(BACK, { smtpd_milter_maps: undefined }),
    ),
    /cidr:.* behind the seal/,
  ),
  red('listeners_without_filter', filteredFirst('smtp'), /smtp.* to smtp-amavis:.*must come/, GATEWAY),
  error(
    'listeners_without_filter',
    all(filteredFirst('smtp'), service('pickup', { content_filter: '' })),
    /^pickup/,
    GATEWAY,
  ),
  error('listeners_without_filter', service('smtp', { content_filter: 'lmtp:unix:x' }), /^smtp/, GATEWAY),
  red(
    'aliases_lead_to_keyed',
    () => ({ aliases: { entries: [{ from: 'sales', target: 'alice' }], unread: [] } }),
    /sales -> alice@example\.org/,
    GATEWAY,
  ),
  red(
    'aliases_run_commands',
    () => ({ aliases: { entries: [{ from: 'list', target: '"|/usr/bin/list x"' }], unread: [] } }),
    /\|\/usr\/bin\/list/,
  ),
  red(
    'aliases_run_commands',
    () => ({ aliases: { entries: [{ from: 'old', target: '/var/mail/old' }], unread: [] } }),
    /\/var\/mail\/old/,
  ),
  red('always_bcc', main({ always_bcc: 'archive@example.org' }), /archive/),
  red('always_bcc', main({ recipient_bcc_maps: 'hash:/etc/postfix/bcc' }), /recipient_bcc_maps/),
  red('bounces_unsealed', service('bounce', { internal_mail_filter_classes: '' }), /bounce/, GATEWAY),
  red(
    'bounces_unsealed',
    service('sealpost-bounces', { header_checks: '' }),
    /bounce, defer, trace/,
    GATEWAY,
  ),
  red(
    'postmaster_copies',
    all(main({ notify_classes: 'bounce, software' }), directory({ keyed: ['alice@example.org'] })),
    /bounce/,
  ),
  red(
    'double_bounces',
    all(main({ notify_classes: '2bounce' }), directory({ keyed: ['alice@example.org'] })),
    /postmaster@example\.org has no key/,
  ),
  error('state_dir_permissions', file('state_dir', 0o40777), /0777/),
  error('state_dir_permissions', file('state_dir', null), /not there/),
  error('config_permissions', file('config', 0o100664), /0664/),
  red('log_key_permissions', file('log.key', 0o100644), /0644/),
  red('socket_permissions', file('socket', 0o140666), /0666/),
  error('spool_permissions', file('spool', 0o40755), /0755/),
  error('embedded_owner', ({ machine }) => ({ machine: { ...machine, embeddedOwner: 'nobody' } }), /nobody/),
  error(
    'disk_space',
    ({ disks }) => ({ disks: disks.map((disk) => ({ ...disk, free: 1e8 })) }),
    /0\.1 of 100\.0 GB/,
  ),
  red('disk_space', ({ disks }) => ({ disks: disks.map((disk) => ({ ...disk, free: 1.5e9 })) }), /1\.5 of/),
  red(
    'disk_inodes',
    ({ disks }) => ({ disks: disks.map((disk) => ({ ...disk, freeInodes: 10 })) }),
    /10 free inodes/,
  ),
  red(
    'backup_age',
    ({ machine }) => ({ machine: { ...machine, lastBackup: machine.now - 9 * 86_400_000 } }),
    /9 days/,
  ),
];

const green = (code: string, change: Case['change'], at?: Example): Case => ({
  code,
  change,
  level: 'ok',
  ...(at === undefined ? {} : { at }),
});
const blind = (code: string, change: Case['change'], found: RegExp, at?: Example): Case => ({
  ...green(code, change, at),
  level: 'not_looked',
  found,
});

/** Green where the usual machine has nothing to look at; and what could not be looked at, which is never green. */
export const OTHERS: readonly Case[] = [
  green('portal_tls', portal({ outside: { name: 'http://127.0.0.1:9323', failure: null } })),
  green('publishing_key', publishing({ key: null })),
  blind('portal_imap', portal({ imap: null }), /empty/),
  blind('portal_trusted_socket', portal({ trustedSocket: null }), /no unix socket/),
  green('database_replica', config({}, { read_url: 'postgres://replica/x' })),
  green('pipe_patience', () => ({}), 'pipe'),
  green('embedded_owner', () => ({})),
  green('aliases_run_commands', () => ({
    aliases: { entries: [{ from: 'x', target: '/dev/null' }], unread: [] },
  })),
  green('always_bcc', main({ always_bcc: 'alice@example.org' })),
  green('double_bounces', main({ notify_classes: '2bounce' })),
  green(
    'postmaster_resolves',
    all(directory({ duties: new Map() }), () => ({
      duties: { known: new Set(['postmaster@example.org']), unread: [] },
    })),
  ),
  green(
    'signers',
    all(
      main({ smtpd_milters: 'inet:127.0.0.1:8891' }),
      service(BACK, { smtpd_milters: 'inet:127.0.0.1:8892' }),
    ),
    GATEWAY,
  ),
  green('signers', main({ smtpd_milters: 'inet:127.0.0.1:8891', smtpd_milter_maps: 'cidr:/x' })),
  green(
    'signers',
    main({ smtpd_milters: 'inet:127.0.0.1:8891', receive_override_options: 'no_milters' }),
    GATEWAY,
  ),
  green('local_delivery_open', addresses({ localNames: ['example.org'] }), 'delivery-local'),
  green('relay_delivery_open', directory({ domains: [{ ...DOMAIN, class: 'relay' }] }), GATEWAY),
  green(
    'filter_actions',
    () => ({
      filters: {
        texts: [{ where: 'header_checks', text: '/^Auto/ FILTER sealpost-filter:[127.0.0.1]:10024' }],
        unread: [],
      },
    }),
    GATEWAY,
  ),
  green(
    'transport_maps_override',
    () => ({ transports: { answers: [{ key: 'alice@example.org', value: 'virtual:' }], unread: [] } }),
    GATEWAY,
  ),
  green(
    'smuggling',
    main({ smtpd_forbid_bare_newline: 'no', smtpd_data_restrictions: 'reject_unauth_pipelining' }),
  ),
  green(
    'sieve_hidden_subject',
    all(directory({ hidesSubject: false }), () => ({ sieve: { scripts: [], unread: [] } })),
  ),
  blind('sieve_hidden_subject', () => ({ sieve: { scripts: [], unread: [] } }), /no Sieve script/),
  blind(
    'sieve_hidden_subject',
    () => ({ sieve: { scripts: [], unread: ['/home/b/.dovecot.sieve'] } }),
    /home.b/,
  ),
  blind(
    'postmaster_resolves',
    all(directory({ duties: new Map() }), () => ({ duties: { known: new Set(), unread: ['mysql:/x.cf'] } })),
    /mysql:/,
  ),
  blind('keys_expired', ({ keys }) => ({ keys: { ...keys, stored: 5000 } }), /only 1 of 5000/),
  blind(
    'aliases_run_commands',
    () => ({ aliases: { entries: [], unread: ['ldap:/etc/aliases.cf'] } }),
    /ldap:/,
  ),
  blind(
    'aliases_lead_to_keyed',
    () => ({ aliases: { entries: [], unread: ['ldap:/etc/aliases.cf'] } }),
    /ldap:/,
    GATEWAY,
  ),
  blind(
    'transport_maps_override',
    () => ({ transports: { answers: [], unread: ['hash:/etc/postfix/t'] } }),
    /hash:/,
  ),
  blind('filter_actions', () => ({ filters: { texts: [], unread: ['pcre:/x'] } }), /pcre:/),
  blind('next_hop_size', hop({ failure: 'Connection refused' }), /does not answer/),
  blind('backup_age', ({ machine }) => ({ machine: { ...machine, lastBackup: null } }), /none is known/),
  blind('open_files', serve({ openFiles: null }), /cannot be read/),
  blind('socket_permissions', file('socket', null), /serve does not run/),
  blind('listeners_without_filter', main({ virtual_transport: 'virtual' }), /no mail comes to sealpost/),
];
