// [portal]: how users hand over and change their keys themselves.
import * as z from 'zod';
import './interpreted.ts';
import { lifetime, network, optionalEndpoint } from './values.ts';

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
  listen: optionalEndpoint().prefault('').meta({
    description: "address of the portal, behind the site's TLS proxy; empty: off",
    example: '127.0.0.1:9323',
  }),
  url: portalUrl().default('').meta({
    description: "how the users' browsers reach it: links in letters begin with it",
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
    .meta({ description: 'local part of the sender of our letters, in the domain of whom they are for' }),
  recovery: lifetime().prefault('7d').meta({
    description:
      'how long whoever lost the key waits for a change that needs it; letters tell of it on the way',
  }),
  token_lifetime: lifetime().prefault('24h').meta({ description: 'how long a link in a letter counts' }),
  imap: z
    .string()
    .refine(isImapUrl, 'expected an address such as "imaps://127.0.0.1:993", or ""')
    .default('')
    .meta({
      description: 'where mailbox passwords are checked; empty: no signing in by password',
      example: 'imaps://127.0.0.1:993',
    }),
  trusted_header: z
    .string()
    .regex(/^(?:[A-Za-z][A-Za-z0-9-]*)?$/, 'expected the name of a header field, or ""')
    .default('')
    .meta({
      description:
        'the header field in which a proxy that signs users in names them; empty: none is believed',
      example: 'X-Remote-User',
    }),
  trusted_proxies: z
    .array(network())
    .default([])
    .meta({
      description: 'from where that field, and X-Forwarded-For, are believed',
      example: ['127.0.0.1'],
    }),
});
