// [[sync]]: panels that the directory follows while serve runs.
import * as z from 'zod';
import { timer } from './values.ts';

export const PANELS = ['postfixadmin', 'mailcow'] as const;

/** A DSN, or @FILE. What was found is never part of a message: it has a password. */
const dsn = z
  .string({ error: 'expected a DSN, or @FILE' })
  .refine(
    (text) => /^@\/|^(?:mysql|mariadb|postgres|postgresql|pgsql)(?:\+\w+)?:\/\/|^sqlite:\/\/\//i.test(text),
    { error: 'expected a DSN such as mysql://user:password@127.0.0.1/postfix, or @/FILE with the DSN in it' },
  );

const entry = z.strictObject({
  source: z.enum(PANELS).register(z.globalRegistry, { description: 'the panel' }),
  url: dsn.register(z.globalRegistry, {
    description: 'its database, or @FILE with that URL in it; a user who may only read is enough',
    example: 'mysql://reader:secret@127.0.0.1/postfix',
  }),
  every: timer().prefault('5m').register(z.globalRegistry, { description: 'how often it is looked at' }),
  remove: z.boolean().default(false).register(z.globalRegistry, {
    description:
      'disable users, and remove aliases, that the panel made and has no longer; never more than 5 % at once',
  }),
});

export const syncSchema = z.array(entry).default([]);
