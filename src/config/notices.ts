// [notices]: telling users and the administrator of keys before they expire.
import * as z from 'zod';
import { wholeNumber } from './values.ts';

const LONGEST_DAYS = 3650;

export const noticesSchema = z.strictObject({
  administrator: z
    .string()
    .refine(
      // ASCII and unquoted, since it stands in From and Message-ID as it is.
      (text) => text === '' || /^[\w!#$%&'*+/=?^`{|}~.-]+@[a-z0-9.-]+$/i.test(text),
      'expected an address such as "postmaster@example.org", or ""',
    )
    .default('')
    .register(z.globalRegistry, {
      description:
        'gets a summary of keys before they expire, is the sender of the notices to users, and answers their questions; empty: no notices at all',
      example: 'postmaster@example.org',
    }),
  users: z
    .boolean()
    .default(true)
    .register(z.globalRegistry, { description: 'also tell the users themselves' }),
  days: z
    .array(wholeNumber(1, LONGEST_DAYS))
    .min(1)
    .max(10)
    .default([30, 7, 1])
    .register(z.globalRegistry, { description: 'how many days before a key expires' }),
  at: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time of day such as "08:00"')
    .default('08:00')
    .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)))
    .register(z.globalRegistry, { description: "when, each day, in this machine's time zone" }),
  templates: z
    .string()
    .refine(
      (path) => path === '' || path.startsWith('/'),
      'expected an absolute path such as "/etc/sealpost/notices"',
    )
    .default('')
    .register(z.globalRegistry, {
      description: "a folder whose user.txt and administrator.txt take the place of the package's own",
      example: '/etc/sealpost/notices',
    }),
});
