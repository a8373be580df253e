// [portal]: how users hand over and change their keys themselves.
import * as z from 'zod';
import { isHostName, lifetime, network, optionalEndpoint, socketGroup, socketMode } from './values.ts';

/** No control character, no space, no second line: it stands in letters and in header fields. */
function portalUrl() {
  return z
    .string()
    .transform((text) => text.replace(/\/+$/, ''))
    .refine(isPortalUrl, 'expected an address such as "https://keys.example.org", or ""');
}

function isPortalUrl(text: string): boolean {
  if (text === '') return true;
  if (!/^https?:\/\/[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return false;
  const { username, password, search, hash } = new URL(text);
  return username === '' && password === '' && search === '' && hash === '' && text.length <= 200;
}

function isImapUrl(text: string): boolean {
  if (text === '') return true;
  if (!/^imaps?:\/\/[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return false;
  const { hostname, pathname, username, search } = new URL(text);
  return hostname !== '' && username === '' && search === '' && (pathname === '' || pathname === '/');
}

export const portalSchema = z.strictObject({
  listen: optionalEndpoint().prefault('').register(z.globalRegistry, {
    description: "address of the portal, behind the site's TLS proxy; empty: off",
    example: '127.0.0.1:9323',
  }),
  url: portalUrl().default('').register(z.globalRegistry, {
    description: "how the users' browsers reach it, without a path: links in letters begin with it",
    example: 'https://keys.example.org',
  }),
  key_address: z
    .string()
    .regex(
      /^[a-z0-9!#$%&'*/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*/=?^_`{|}~-]+)*$/i,
      'expected a local part such as "keys"',
    )
    .max(64)
    .default('keys')
    .register(z.globalRegistry, {
      description:
        'local part of the address that keys are sent to, also by the Web Key Service, in every domain of ours where no user or alias has it; our letters come from it',
    }),
  recovery: lifetime().prefault('7d').register(z.globalRegistry, {
    description:
      'how long whoever lost the key waits for a change that needs it; letters tell of it on the way',
  }),
  token_lifetime: lifetime()
    .prefault('24h')
    .register(z.globalRegistry, { description: 'how long a link in a letter counts' }),
  imap: z
    .string()
    .refine(isImapUrl, 'expected an address such as "imaps://127.0.0.1:993", or ""')
    .default('')
    .register(z.globalRegistry, {
      description: 'where mailbox passwords are checked; empty: no signing in by password',
      example: 'imaps://127.0.0.1:993',
    }),
  trusted_header: z
    .string()
    .regex(/^(?:[A-Za-z][A-Za-z0-9-]*)?$/, 'expected the name of a header field, or ""')
    .default('')
    .register(z.globalRegistry, {
      description:
        'the header field in which a proxy that signs users in names them; empty: none is believed',
      example: 'X-Remote-User',
    }),
  trusted_proxies: z
    .array(network())
    .default([])
    .register(z.globalRegistry, {
      description: 'from where that field, and X-Forwarded-For, are believed',
      example: ['127.0.0.1'],
    }),
  trusted_listen: optionalEndpoint().prefault('').register(z.globalRegistry, {
    description:
      'address of a listener of its own for that proxy, the only one that believes the field: a unix socket, or a TCP port with trusted_secret_file; empty: off',
    example: 'unix:/run/sealpost/portal-proxy.sock',
  }),
  trusted_mode: socketMode('mode of that unix socket; default 0660: whoever can open it can be anybody'),
  trusted_group: socketGroup(),
  trusted_secret_file: z
    .string()
    .refine((path) => path === '' || path.startsWith('/'), 'expected an absolute path, or ""')
    .default('')
    .register(z.globalRegistry, {
      description:
        'a file with the secret, of 32 characters or more, that the proxy sends as X-Sealpost-Proxy-Secret',
      example: '/etc/sealpost/portal-proxy.secret',
    }),
  key_server: z
    .string()
    .refine(
      (name) => name === '' || isHostName(name),
      'expected a host name such as "keys.openpgp.org", or ""',
    )
    .default('keys.openpgp.org')
    .register(z.globalRegistry, {
      description:
        'asked (VKS) for a key that the portal looks up where the domain of the address has none; empty: none is asked',
    }),
});
