// [policy]: the lookup daemons.
import * as z from 'zod';
import { lifetime, optionalEndpoint, socketGroup, socketMode, wholeNumber } from './values.ts';

const mapAddress = (map: string) =>
  optionalEndpoint().register(z.globalRegistry, {
    description: `address of the ${map} map; empty: not offered`,
  });

const tcpTables = z.strictObject({
  check_recipient: mapAddress('check_recipient').prefault('127.0.0.1:2244'),
  virtual_alias: mapAddress('virtual_alias').prefault('127.0.0.1:4242'),
  virtual_mailbox: mapAddress('virtual_mailbox').prefault(''),
  virtual_domains: mapAddress('virtual_domains').prefault(''),
  relay_domains: mapAddress('relay_domains').prefault(''),
  transport: mapAddress('transport').prefault(''),
  sender_login: mapAddress('sender_login').prefault(''),
  client_fingerprint: mapAddress('client_fingerprint').prefault('127.0.0.1:2424'),
});

export const policySchema = z.strictObject({
  tcp: tcpTables
    .prefault({})
    .register(z.globalRegistry, { description: 'tcp_table(5) lookups, one address per map' }),
  socketmap: z
    .strictObject({
      listen: optionalEndpoint().prefault('127.0.0.1:2525').register(z.globalRegistry, {
        description: 'one address for every map, the map name is in the request; empty: off',
      }),
      mode: socketMode(),
      group: socketGroup(),
    })
    .prefault({})
    .register(z.globalRegistry, { description: 'socketmap_table(5) lookups' }),
  delegation: z
    .strictObject({
      listen: optionalEndpoint().prefault('127.0.0.1:2526').register(z.globalRegistry, {
        description: 'address for check_policy_service; empty: off',
      }),
      mode: socketMode(),
      group: socketGroup(),
    })
    .prefault({})
    .register(z.globalRegistry, { description: 'Postfix policy delegation (SMTPD_POLICY_README)' }),
  max_connections: wholeNumber(1, 100_000).default(5000).register(z.globalRegistry, {
    description:
      'open connections of all lookup listeners, in each process; further ones get a temporary answer. Fewer where the limit of open files leaves no room for mail',
  }),
  stale_max: lifetime().prefault('1h').register(z.globalRegistry, {
    description: 'while the database is away, cached answers are given for so long',
  }),
  cache_entries: wholeNumber(1, 10_000_000).default(50_000).register(z.globalRegistry, {
    description: 'answers kept in memory, found or not, about 2 KB each',
  }),
  replica_lag: lifetime().prefault('10s').register(z.globalRegistry, {
    description: 'after a change, database.url is asked for so long in place of database.read_url',
  }),
  propagate_extension: z.boolean().default(false).register(z.globalRegistry, {
    description:
      "virtual_alias appends an extension that no entry has, as Postfix's own maps do: id_1+ext@...",
  }),
});
