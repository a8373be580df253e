// [receiver]: spools and LMTP into the queue, and the HTTP interface that empties it.
import * as z from 'zod';
import { parseEndpoint } from './units.ts';
import {
  hostNames,
  lifetime,
  listOf,
  network,
  optionalEndpoint,
  optionalLifetime,
  parseFilePath,
  socketGroup,
  socketMode,
  timer,
  wholeNumber,
} from './values.ts';

export const receiverSchema = z.strictObject({
  spool: listOf('a Maildir', parseFilePath).prefault([]).register(z.globalRegistry, {
    description: 'a Maildir that Postfix delivers to, or a list of them',
    example: '/var/spool/sealpost/in',
  }),
  listen: listOf('an address such as "127.0.0.1:10034"', parseEndpoint)
    .prefault([])
    .register(z.globalRegistry, {
      description: 'LMTP into the queue; an address or a list of them',
      example: '127.0.0.1:10034',
    }),
  sweep_interval: timer()
    .prefault('60s')
    .register(z.globalRegistry, { description: 'how often the spool is read without being told' }),
  mode: socketMode(),
  group: socketGroup(),
  max_age: lifetime()
    .prefault('5d')
    .register(z.globalRegistry, { description: 'what could not be filed for so long is bounced' }),
  minimal_backoff: timer().prefault('30s').register(z.globalRegistry, {
    description: 'a spool file that could not be filed waits so long, and twice as long after each attempt',
  }),
  maximal_backoff: timer()
    .prefault('1h')
    .register(z.globalRegistry, { description: 'and never longer than this' }),
  health_age: lifetime().prefault('1h').register(z.globalRegistry, {
    description: '/readyz turns red when the oldest spool file has waited longer',
  }),
  retention: optionalLifetime().prefault('').register(z.globalRegistry, {
    description: 'messages that nobody fetched for so long leave the queue; empty: never',
    example: '90d',
  }),
  api: z
    .strictObject({
      listen: optionalEndpoint().prefault('').register(z.globalRegistry, {
        description: 'address of the HTTP interface; empty: off',
        example: '127.0.0.1:9322',
      }),
      mode: socketMode('mode of a unix socket; default: every local user may ask, with a token'),
      group: socketGroup(),
      trusted_proxies: z
        .array(network())
        .default([])
        .register(z.globalRegistry, {
          description:
            'where X-Forwarded-For is believed: the proxy that speaks TLS (on a unix socket: whoever opens it)',
          example: ['127.0.0.1', '::1'],
        }),
      hosts: hostNames().register(z.globalRegistry, {
        description:
          'names by which clients ask, as the proxy passes them on (Host), beside our own, localhost and IP addresses; requests for other hosts get 421',
        example: ['queue.example.org'],
      }),
      max_connections: wholeNumber(1, 100_000).default(1000).register(z.globalRegistry, {
        description: 'open connections at most',
      }),
      max_events: wholeNumber(1, 1000).default(10).register(z.globalRegistry, {
        description: 'event streams of one user at most',
      }),
      token_rate: wholeNumber(1, 10_000_000).default(6000).register(z.globalRegistry, {
        description: 'requests a minute with one token; then 429',
      }),
      address_rate: wholeNumber(1, 10_000_000).default(12_000).register(z.globalRegistry, {
        description: 'requests a minute from one address (IPv6: a /64), with or without a token; then 429',
      }),
      refused_rate: wholeNumber(1, 10_000_000).default(60).register(z.globalRegistry, {
        description: 'refused tokens a minute from one address, answered 401; further ones 429',
      }),
    })
    .prefault({})
    .register(z.globalRegistry, { description: 'HTTP for `sealpost pull`' }),
});
