// The tables of the directory, its keys, and what is remembered of mail to them. Those of the queue and of enrolment stand beside it.
// drizzle-kit turns these files into migrations/; triggers (change notifications, the append-only audit of keys) are SQL in a
// migration of their own, since drizzle-kit does not know triggers.
//
// The file is longer than others: its tables refer to each other.
import { type SQL, sql } from 'drizzle-orm';
import {
  type AnyPgColumn,
  bigint,
  boolean,
  check,
  date,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  serial,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import type { RefusalOverride } from '../config/refusal-texts.ts';
import type { SettingsOverride } from '../config/settings.ts';
import { bytea, instant } from './columns.ts';
import { RULE_ACTIONS } from './rule-actions.ts';

/** What a domain says of publishing its users' keys. */
export const DOMAIN_PUBLISH = ['ask', 'on', 'off'] as const;

/** Mail domains that are ours. `name` is an A-label in lower case. */
export const domains = pgTable('domains', {
  id: serial('id').primaryKey(),
  name: text('name').notNull().unique(),
  class: text('class', { enum: ['virtual', 'relay'] })
    .notNull()
    .default('virtual'),
  /** false: local parts of this domain differ by case. */
  fold_local_part: boolean('fold_local_part').notNull().default(true),
  settings: jsonb('settings').$type<SettingsOverride>().notNull().default({}),
  transport: text('transport'),
  /** What check_recipient answers in place of the default texts and actions. */
  refusals: jsonb('refusals').$type<RefusalOverride>().notNull().default({}),
  /** Postfix delivers for it by itself: it stands in mydestination. */
  local: boolean('local').notNull().default(false),
  /** Its users' mail programs hand keys over by the Web Key Service; the secret key for it lies in state_dir/wks. */
  wks: boolean('wks').notNull().default(false),
  /** Whether keys of users who chose nothing themselves are published: `ask` waits for their yes, `off` does not even ask. */
  publish: text('publish', { enum: DOMAIN_PUBLISH }).notNull().default('ask'),
  created_at: instant('created_at').notNull().defaultNow(),
});

/**
 * Other names of our domains: mail for them is for the same mailboxes, and the domain's settings hold. A name is an A-label in
 * lower case, or an address literal in its shortest form, such as `[192.0.2.1]`.
 */
export const domainNames = pgTable(
  'domain_names',
  {
    name: text('name').primaryKey(),
    domain_id: integer('domain_id')
      .notNull()
      .references(() => domains.id, { onDelete: 'cascade' }),
  },
  (table) => [index('domain_names_domain').on(table.domain_id)],
);

/** Mailbox owners. The id never changes; addresses may. */
export const users = pgTable(
  'users',
  {
    id: serial('id').primaryKey(),
    domain_id: integer('domain_id')
      .notNull()
      .references(() => domains.id),
    status: text('status', { enum: ['active', 'disabled'] })
      .notNull()
      .default('active'),
    settings: jsonb('settings').$type<SettingsOverride>().notNull().default({}),
    transport: text('transport'),
    quota_bytes: bigint('quota_bytes', { mode: 'number' }),
    quota_messages: bigint('quota_messages', { mode: 'number' }),
    /** Outside or own addresses that get a copy of everything, beside the mailbox. Normalised. */
    forwards: text('forwards').array().notNull().default(sql`'{}'::text[]`),
    /** Whether their keys are published; null: as the domain has it. */
    publish: text('publish', { enum: ['on', 'off'] }),
    created_at: instant('created_at').notNull().defaultNow(),
  },
  (table) => [index('users_domain').on(table.domain_id)],
);

/**
 * Every address that sealpost knows, normalised. `user`: the primary address of `user_id`; `alias`: expands to its
 * alias_targets (local part empty: the catch-all "@domain"); `contact`: an outside address that has a key.
 */
export const addresses = pgTable(
  'addresses',
  {
    id: serial('id').primaryKey(),
    address: text('address').notNull().unique(),
    domain: text('domain').notNull(),
    kind: text('kind', { enum: ['user', 'alias', 'contact'] }).notNull(),
    user_id: integer('user_id').references(() => users.id, { onDelete: 'cascade' }),
    created_at: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    index('addresses_domain').on(table.domain),
    uniqueIndex('addresses_user').on(table.user_id).where(sql`${table.kind} = 'user'`),
    check('addresses_kind_user', sql`(${table.kind} = 'user') = (${table.user_id} IS NOT NULL)`),
  ],
);

/** What an alias expands to, in order: a user's address, another alias, or an outside address. */
export const aliasTargets = pgTable(
  'alias_targets',
  {
    alias_id: integer('alias_id')
      .notNull()
      .references(() => addresses.id, { onDelete: 'cascade' }),
    position: integer('position').notNull(),
    /** Normalised; the local part keeps its case where the target is outside. */
    target: text('target').notNull(),
    /** Set when the target is one of our users, so that a rename does not break the alias. */
    target_user_id: integer('target_user_id').references(() => users.id, { onDelete: 'cascade' }),
  },
  (table) => [
    primaryKey({ columns: [table.alias_id, table.position] }),
    index('alias_targets_user').on(table.target_user_id),
  ],
);

/** Where a key came from, weakest first; a weaker source never replaces a stronger one. */
export const KEY_SOURCES = ['autocrypt', 'wkd', 'import', 'portal', 'cli'] as const;

/** OpenPGP certificates, and X.509 certificates for S/MIME. */
export const KEY_KINDS = ['openpgp', 'x509'] as const;

/** The key ID of an OpenPGP fingerprint in upper-case digits (RFC 9580, section 5.5.4), as the index has it. */
export function keyIdOf(fingerprint: AnyPgColumn): SQL {
  return sql`(CASE WHEN length(${fingerprint}) = 64 THEN left(${fingerprint}, 16) ELSE right(${fingerprint}, 16) END)`;
}

/** Public keys, one row for each owner of a certificate. Exactly one owner column is set. */
export const keys = pgTable(
  'keys',
  {
    id: serial('id').primaryKey(),
    kind: text('kind', { enum: KEY_KINDS }).notNull().default('openpgp'),
    /** 40 (v4) or 64 (v6) upper-case hexadecimal digits; of an X.509 certificate the SHA-256 of its DER. */
    fingerprint: text('fingerprint').notNull(),
    user_id: integer('user_id').references(() => users.id, { onDelete: 'cascade' }),
    contact_id: integer('contact_id').references(() => addresses.id, { onDelete: 'cascade' }),
    domain_id: integer('domain_id').references(() => domains.id, { onDelete: 'cascade' }),
    /** The certificate in binary, canonical: third-party certifications and unrelated user IDs stripped; X.509: the DER. */
    certificate: bytea('certificate').notNull(),
    /** OpenPGP: what was handed over, as far as the primary key vouches for it, at most 256 KiB; mail is not sealed with it. */
    original: bytea('original'),
    status: text('status', { enum: ['active', 'disabled'] })
      .notNull()
      .default('active'),
    source: text('source', { enum: KEY_SOURCES }).notNull().default('cli'),
    /** Copies of what the certificate says, for SQL; it decides. `revoked` also where every user ID or encryption subkey is. */
    expires_at: instant('expires_at'),
    revoked: boolean('revoked').notNull().default(false),
    /** X.509: an administrator vouched for it, whoever issued it. */
    pinned: boolean('pinned').notNull().default(false),
    created_at: instant('created_at').notNull().defaultNow(),
    updated_at: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('keys_user_fingerprint').on(table.user_id, table.fingerprint),
    uniqueIndex('keys_contact_fingerprint').on(table.contact_id, table.fingerprint),
    uniqueIndex('keys_domain_fingerprint').on(table.domain_id, table.fingerprint),
    index('keys_fingerprint').on(table.fingerprint),
    index('keys_key_id').on(keyIdOf(table.fingerprint)),
    index('keys_expires').on(table.expires_at),
    check('keys_one_owner', sql`num_nonnulls(${table.user_id}, ${table.contact_id}, ${table.domain_id}) = 1`),
  ],
);

/** The append-only audit of every key change, written by a trigger whoever changed the row. */
export const keyEvents = pgTable(
  'key_events',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: instant('at').notNull().defaultNow(),
    event: text('event', { enum: ['added', 'changed', 'removed'] }).notNull(),
    fingerprint: text('fingerprint').notNull(),
    user_id: integer('user_id'),
    contact_id: integer('contact_id'),
    domain_id: integer('domain_id'),
    status: text('status').notNull(),
    source: text('source').notNull(),
    expires_at: instant('expires_at'),
    revoked: boolean('revoked').notNull(),
    /** current_setting('sealpost.actor'), or the database role. */
    actor: text('actor').notNull(),
    /** SHA-256 over the hash of the owner's row before and this row (keys/chain.ts); null in rows older than the chain. */
    hash: bytea('hash'),
  },
  (table) => [
    index('key_events_fingerprint').on(table.fingerprint),
    index('key_events_user').on(table.user_id, table.id),
    index('key_events_contact').on(table.contact_id, table.id),
    index('key_events_domain').on(table.domain_id, table.id),
  ],
);

/**
 * The no-duplicates memory: a recipient that the next hop has accepted, until our own reply is known to
 * have reached Postfix or the lifetime ends.
 */
export const deliveries = pgTable(
  'deliveries',
  {
    /** SHA-256 over queue ID and content, or over Message-ID, sender and content; of our own bounces over what they report. */
    message_key: bytea('message_key').notNull(),
    /** SHA-256 of the raw recipient path (a refused one's is marked, once it was reported): the table tells of no address. */
    recipient_key: bytea('recipient_key').notNull(),
    /** The next hop's own reply to the message, for the retry. */
    reply: text('reply').notNull(),
    accepted_at: instant('accepted_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.message_key, table.recipient_key] }),
    index('deliveries_accepted_at').on(table.accepted_at),
  ],
);

/**
 * What a mailbox holds, written by the program that keeps the mailboxes (Dovecot's quota, through the table dovecot_usage).
 * A table of its own: it changes with every message, and nothing that seals mail depends on it.
 */
export const userUsage = pgTable('user_usage', {
  user_id: integer('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  bytes: bigint('bytes', { mode: 'number' }).notNull().default(0),
  messages: bigint('messages', { mode: 'number' }).notNull().default(0),
  updated_at: instant('updated_at').notNull().defaultNow(),
});

/** Sender addresses that a user may use beside the ones that lead to the mailbox (smtpd_sender_login_maps). */
export const senderLogins = pgTable(
  'sender_logins',
  {
    /** Normalised; "@domain" for a whole domain. */
    address: text('address').notNull(),
    user_id: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
  },
  (table) => [
    primaryKey({ columns: [table.address, table.user_id] }),
    index('sender_logins_user').on(table.user_id),
  ],
);

/** TLS client certificates that may relay (relay_clientcerts). */
export const clientFingerprints = pgTable('client_fingerprints', {
  /** As Postfix writes it: upper-case hexadecimal pairs with colons between them. */
  fingerprint: text('fingerprint').primaryKey(),
  /** The last day (UTC) on which it counts. */
  expires_on: date('expires_on', { mode: 'string' }).notNull(),
  created_at: instant('created_at').notNull().defaultNow(),
});

/** Exceptions before sealing, of a user or of a domain; all given conditions must hold, the first match in order decides. */
export const rules = pgTable(
  'rules',
  {
    id: serial('id').primaryKey(),
    user_id: integer('user_id').references(() => users.id, { onDelete: 'cascade' }),
    domain_id: integer('domain_id').references(() => domains.id, { onDelete: 'cascade' }),
    /** Their order within one owner; equal ones by id. */
    position: integer('position').notNull(),
    action: text('action', { enum: RULE_ACTIONS }).notNull(),
    /** A pattern for the whole normalised envelope sender; "<>" for the null sender. */
    sender: text('sender'),
    /** In lower case, with the pattern for its value. */
    header_name: text('header_name'),
    header_pattern: text('header_pattern'),
    /** Bytes: the message must be larger. */
    larger_than: bigint('larger_than', { mode: 'number' }),
    created_at: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    index('rules_user').on(table.user_id),
    index('rules_domain').on(table.domain_id),
    check('rules_one_owner', sql`num_nonnulls(${table.user_id}, ${table.domain_id}) = 1`),
    check('rules_header', sql`(${table.header_name} IS NULL) = (${table.header_pattern} IS NULL)`),
    check(
      'rules_condition',
      sql`num_nonnulls(${table.sender}, ${table.header_name}, ${table.larger_than}) > 0`,
    ),
  ],
);

/**
 * Notices of keys that expire: one row for each key, threshold and reader, claimed before the mail is sent, so that it is
 * sent once by however many servers (delivery/notices.ts). A renewed key has another `expires_at`, and is told of anew.
 */
export const keyNotices = pgTable(
  'key_notices',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    audience: text('audience', { enum: ['user', 'administrator'] }).notNull(),
    /** `user:1`, `contact:2` (the address's id), `domain:3`. */
    owner: text('owner').notNull(),
    fingerprint: text('fingerprint').notNull(),
    expires_at: instant('expires_at').notNull(),
    /** The threshold: so many days before. 0: no expiry, but a subkey that takes over then (enrolment/tell-subkeys.ts). */
    days: integer('days').notNull(),
    state: text('state', { enum: ['claimed', 'sent', 'refused', 'cancelled'] })
      .notNull()
      .default('claimed'),
    /** The mail that the row goes out with; with its date it makes the mail the same bytes at every attempt. */
    mail: text('mail').notNull(),
    mail_date: instant('mail_date').notNull(),
    /** Until then nobody else tries it. */
    claimed_until: instant('claimed_until').notNull(),
    attempts: integer('attempts').notNull().default(1),
  },
  (table) => [
    uniqueIndex('key_notices_once').on(
      table.audience,
      table.owner,
      table.fingerprint,
      table.expires_at,
      table.days,
    ),
    index('key_notices_open').on(table.claimed_until).where(sql`${table.state} = 'claimed'`),
  ],
);

/** What a source made that was moved in from (import, sync); what disappears there later is found by it. */
export const IMPORTED_KINDS = ['user', 'alias', 'key'] as const;

/**
 * Rows of other programs that became users, aliases or keys of ours. A row goes with what it made: what was removed here comes
 * back with the next import. What was here before is not in it.
 */
export const imported = pgTable(
  'imported',
  {
    /** The program and where it is, without secrets: `postfixadmin mysql://127.0.0.1:3306/postfix`. */
    source: text('source').notNull(),
    kind: text('kind', { enum: IMPORTED_KINDS }).notNull(),
    /** As the source has it, normalised: an address; of a key its fingerprint and its owner. A rename here does not change it. */
    name: text('name').notNull(),
    user_id: integer('user_id').references(() => users.id, { onDelete: 'cascade' }),
    /** Of an alias. */
    address_id: integer('address_id').references(() => addresses.id, { onDelete: 'cascade' }),
    key_id: integer('key_id').references(() => keys.id, { onDelete: 'cascade' }),
  },
  (table) => [
    primaryKey({ columns: [table.source, table.kind, table.name] }),
    index('imported_user').on(table.user_id),
    index('imported_address').on(table.address_id),
    index('imported_key').on(table.key_id),
    check('imported_one_row', sql`num_nonnulls(${table.user_id}, ${table.address_id}, ${table.key_id}) = 1`),
  ],
);
