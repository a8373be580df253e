// The prepared statements of the lookups, the rows that they give, and what becomes of them: ADDRESS and MAILBOXES answer
// virtual_alias_maps for a user; an alias and a catch-all are read by src/directory/load.ts.

import type { Address } from '../src/address/address.ts';
import { settingsOverrideSchema } from '../src/config/settings.ts';
import { RESTORED_FROM_SQL } from '../src/database/directory-version.ts';
import { type RawRule, rulesOf } from '../src/directory/rule-rows.ts';
import type { KeyKind, KeySource, StoredKey, User } from '../src/directory/types.ts';
import type { DomainFacts, Mailbox } from './facts.ts';

const KEY_COLUMNS =
  'k.id AS key_id, k.kind AS key_kind, k.fingerprint, k.certificate, k.status AS key_status, k.source, k.created_at AS key_created_at';
const USER_COLUMNS = `u.domain_id, u.status, u.settings, u.transport, u.quota_bytes, u.quota_messages, u.forwards,
  (SELECT json_agg(r) FROM rules r WHERE r.user_id = u.id) AS rules`;

export const DOMAIN = {
  name: 'sealpost-lookup-domain',
  text: `SELECT d.id, d.name, d.class, d.fold_local_part, d.settings, d.transport, d.refusals,
      (SELECT json_agg(r) FROM rules r WHERE r.domain_id = d.id) AS rules,
      EXISTS (SELECT FROM addresses c WHERE c.address = '@' || d.name) AS catch_all,
      ${RESTORED_FROM_SQL} AS restored_from, ${KEY_COLUMNS}
    FROM domains d LEFT JOIN keys k ON k.domain_id = d.id WHERE d.name = $1 ORDER BY k.id`,
};
/** For an address in no domain of ours. */
export const RESTORED = {
  name: 'sealpost-lookup-restored',
  text: `SELECT ${RESTORED_FROM_SQL} AS restored_from`,
};
export const OTHER_NAME = {
  name: 'sealpost-lookup-other-name',
  text: 'SELECT domain_id FROM domain_names WHERE name = $1',
};
/** The most frequent question, hence no column and no table more than it needs. */
export const ADDRESS = {
  name: 'sealpost-lookup-address',
  text: `SELECT a.address, a.kind, a.user_id, ${USER_COLUMNS}
    FROM addresses a LEFT JOIN users u ON u.id = a.user_id WHERE a.address = $1`,
};
/** The same for an address with several spellings, such as one with an extension. */
export const EITHER_ADDRESS = {
  name: 'sealpost-lookup-either-address',
  text: `SELECT a.address, a.kind, a.user_id, ${USER_COLUMNS}
    FROM addresses a LEFT JOIN users u ON u.id = a.user_id WHERE a.address = ANY ($1::text[])`,
};
export const USER = {
  name: 'sealpost-lookup-user',
  text: `SELECT a.address, a.kind, a.user_id, ${USER_COLUMNS}
    FROM users u JOIN addresses a ON a.user_id = u.id AND a.kind = 'user' WHERE u.id = $1`,
};
export const USER_KEYS = {
  name: 'sealpost-lookup-keys',
  text: `SELECT ${KEY_COLUMNS} FROM keys k WHERE k.user_id = $1 ORDER BY k.id`,
};
/** What counts against a quota: what the mailbox holds, and what waits in the queue for the user's client. */
const USAGE_COLUMNS = `coalesce(g.bytes, 0) + coalesce(q.bytes, 0) AS bytes,
    coalesce(g.messages, 0) + coalesce(q.messages, 0) AS messages`;
const USAGE_TABLES = `users u LEFT JOIN user_usage g ON g.user_id = u.id
    LEFT JOIN incoming_counts q ON q.user_id = u.id`;
export const USAGE = {
  name: 'sealpost-lookup-usage',
  text: `SELECT ${USAGE_COLUMNS} FROM ${USAGE_TABLES} WHERE u.id = $1`,
  unversioned: true,
} as const;
export const MAILBOXES = {
  name: 'sealpost-lookup-mailboxes',
  text: `SELECT u.id, u.transport, u.quota_messages, u.forwards, ${USAGE_COLUMNS}
    FROM ${USAGE_TABLES} WHERE u.id = ANY ($1::int[])`,
  unversioned: true,
} as const;
export const GRANTS = {
  name: 'sealpost-lookup-senders',
  text: `SELECT s.address AS granted, s.user_id, a.address AS login, u.status FROM sender_logins s
    JOIN users u ON u.id = s.user_id JOIN addresses a ON a.user_id = u.id AND a.kind = 'user'
    WHERE s.address = ANY ($1::text[]) ORDER BY a.address`,
};
export const FINGERPRINT = {
  name: 'sealpost-lookup-fingerprint',
  text: `SELECT to_char(expires_on, 'YYYY-MM-DD') AS expires_on FROM client_fingerprints WHERE fingerprint = $1`,
};

export interface KeyColumns {
  readonly key_id: number | null;
  readonly key_kind: KeyKind;
  readonly fingerprint: string;
  readonly certificate: Buffer;
  readonly key_status: StoredKey['status'];
  readonly source: KeySource;
  readonly key_created_at: Date;
}

export interface DomainRow extends KeyColumns {
  readonly id: number;
  readonly name: string;
  readonly class: 'virtual' | 'relay';
  readonly fold_local_part: boolean;
  readonly settings: unknown;
  readonly transport: string | null;
  readonly refusals: unknown;
  readonly rules: readonly RawRule[] | null;
  readonly catch_all: boolean;
  readonly restored_from: string | null;
}

export interface UsageColumns {
  readonly bytes: string | null;
  readonly messages: string | null;
}

export interface MailboxColumns {
  readonly transport: string | null;
  readonly quota_messages: string | null;
  readonly forwards: readonly string[];
}

export interface AddressRow extends MailboxColumns {
  readonly address: Address;
  readonly kind: 'user' | 'alias' | 'contact';
  readonly user_id: number | null;
  readonly domain_id: number;
  readonly status: User['status'];
  readonly settings: unknown;
  readonly quota_bytes: string | null;
  readonly rules: readonly RawRule[] | null;
}

export function userOf(row: AddressRow, id: number, home: DomainFacts): User {
  return {
    id,
    address: row.address,
    status: row.status,
    settings: isEmpty(row.settings) ? NO_SETTINGS : settingsOverrideSchema.parse(row.settings),
    domain: home.domain,
    quotaBytes: row.quota_bytes === null ? null : Number(row.quota_bytes),
    rules: rulesOf(row.rules),
  };
}

const NO_SETTINGS = {};

function isEmpty(settings: unknown): boolean {
  return typeof settings === 'object' && settings !== null && Object.keys(settings).length === 0;
}

export function mailboxOf(row: MailboxColumns, usage: UsageColumns | undefined): Mailbox {
  return {
    transport: row.transport,
    forwards: row.forwards as readonly Address[],
    quotaMessages: row.quota_messages === null ? null : Number(row.quota_messages),
    usedBytes: Number(usage?.bytes ?? 0),
    usedMessages: Number(usage?.messages ?? 0),
  };
}

export function storedKeysOf(rows: readonly KeyColumns[]): StoredKey[] {
  return rows
    .filter((row) => row.key_id !== null)
    .sort((a, b) => (a.key_id ?? 0) - (b.key_id ?? 0))
    .map((row) => ({
      kind: row.key_kind,
      fingerprint: row.fingerprint,
      certificate: row.certificate,
      status: row.key_status,
      source: row.source,
      createdAt: row.key_created_at,
    }));
}
