// Reads what a lookup needs: a domain, an address with the mailboxes behind it, sender grants, a fingerprint. Plain users are
// one narrow query; aliases and the like are left to the directory's own reader.
import type { Config } from '../src/config/schema.ts';
import { settingsOverrideSchema } from '../src/config/settings.ts';
import { userIdOf } from '../src/directory/id-address.ts';
import { emptyRows } from '../src/directory/load.ts';
import {
  type AddressParts,
  lookupCandidates,
  normaliseDomain,
  partsOf,
  stripExtension,
  toAddress,
} from '../src/directory/normalise.ts';
import { readRecipient } from '../src/directory/read.ts';
import { refusalOverrideSchema } from '../src/directory/refusal-texts.ts';
import { type ResolveOptions, resolveRecipient } from '../src/directory/resolve.ts';
import type { Address, KeySource, StoredKey, User } from '../src/directory/types.ts';
import type { ReadValue } from './answer-cache.ts';
import type { SenderGrant } from './answers.ts';
import type { LookupDatabase } from './database.ts';
import type { AddressFacts, DomainFacts, Mailbox } from './facts.ts';

const KEY_COLUMNS =
  'k.id AS key_id, k.fingerprint, k.certificate, k.status AS key_status, k.source, k.created_at AS key_created_at';
const USER_COLUMNS =
  'u.domain_id, u.status, u.settings, u.transport, u.quota_bytes, u.quota_messages, u.forwards';

const DOMAIN = {
  name: 'sealpost-lookup-domain',
  text: `SELECT d.id, d.name, d.class, d.fold_local_part, d.settings, d.transport, d.refusals,
      EXISTS (SELECT FROM addresses c WHERE c.address = '@' || d.name) AS catch_all, ${KEY_COLUMNS}
    FROM domains d LEFT JOIN keys k ON k.domain_id = d.id WHERE d.name = $1 ORDER BY k.id`,
};
/** The most frequent question, hence no column and no table more than it needs. */
const ADDRESS = {
  name: 'sealpost-lookup-address',
  text: `SELECT a.id AS address_id, a.address, a.kind, a.user_id, ${USER_COLUMNS}
    FROM addresses a LEFT JOIN users u ON u.id = a.user_id WHERE a.address = $1`,
};
/** The same for an address with an extension. */
const EITHER_ADDRESS = {
  name: 'sealpost-lookup-either-address',
  text: `SELECT a.id AS address_id, a.address, a.kind, a.user_id, ${USER_COLUMNS}
    FROM addresses a LEFT JOIN users u ON u.id = a.user_id WHERE a.address IN ($1, $2)`,
};
const USER = {
  name: 'sealpost-lookup-user',
  text: `SELECT a.id AS address_id, a.address, a.kind, a.user_id, ${USER_COLUMNS}
    FROM users u JOIN addresses a ON a.user_id = u.id AND a.kind = 'user' WHERE u.id = $1`,
};
const USER_KEYS = {
  name: 'sealpost-lookup-keys',
  text: `SELECT ${KEY_COLUMNS} FROM keys k WHERE k.user_id = $1 ORDER BY k.id`,
};
const USAGE = {
  name: 'sealpost-lookup-usage',
  text: 'SELECT bytes, messages FROM user_usage WHERE user_id = $1',
};
const MAILBOXES = {
  name: 'sealpost-lookup-mailboxes',
  text: `SELECT u.id, u.transport, u.quota_messages, u.forwards, g.bytes, g.messages
    FROM users u LEFT JOIN user_usage g ON g.user_id = u.id WHERE u.id = ANY ($1::int[])`,
};
const GRANTS = {
  name: 'sealpost-lookup-senders',
  text: `SELECT s.address AS granted, s.user_id, a.address AS login, u.status FROM sender_logins s
    JOIN users u ON u.id = s.user_id JOIN addresses a ON a.user_id = u.id AND a.kind = 'user'
    WHERE s.address = ANY ($1::text[]) ORDER BY a.address`,
};
const FINGERPRINT = {
  name: 'sealpost-lookup-fingerprint',
  text: `SELECT to_char(expires_on, 'YYYY-MM-DD') AS expires_on FROM client_fingerprints WHERE fingerprint = $1`,
};

interface KeyColumns {
  readonly key_id: number | null;
  readonly fingerprint: string;
  readonly certificate: Buffer;
  readonly key_status: StoredKey['status'];
  readonly source: KeySource;
  readonly key_created_at: Date;
}

interface DomainRow extends KeyColumns {
  readonly id: number;
  readonly name: string;
  readonly class: 'virtual' | 'relay';
  readonly fold_local_part: boolean;
  readonly settings: unknown;
  readonly transport: string | null;
  readonly refusals: unknown;
  readonly catch_all: boolean;
}

interface UsageColumns {
  readonly bytes: string | null;
  readonly messages: string | null;
}

interface MailboxColumns {
  readonly transport: string | null;
  readonly quota_messages: string | null;
  readonly forwards: readonly string[];
}

interface AddressRow extends MailboxColumns {
  readonly address_id: number;
  readonly address: Address;
  readonly kind: 'user' | 'alias' | 'contact';
  readonly user_id: number | null;
  readonly domain_id: number;
  readonly status: User['status'];
  readonly settings: unknown;
  readonly quota_bytes: string | null;
}

/** Reads from the database; every reader rejects with DirectoryUnavailable when it cannot be known now. */
export interface FactsReader {
  domain(name: string): Promise<ReadValue<DomainFacts | null>>;
  address(parts: AddressParts): Promise<ReadValue<AddressFacts>>;
  /** The keys of a user. */
  keys(userId: number): Promise<ReadValue<readonly StoredKey[]>>;
  grants(parts: AddressParts): Promise<ReadValue<readonly SenderGrant[]>>;
  fingerprint(canonical: string): Promise<ReadValue<string | null>>;
}

export interface FactsReaderOptions {
  readonly database: LookupDatabase;
  readonly config: Pick<Config, 'recipient_delimiter' | 'mailbox_domain'>;
  /** A domain, from the cache where it is there. `name` is normalised. */
  readonly domainOf: (name: string) => DomainFacts | null | Promise<DomainFacts | null>;
}

export function createFactsReader({ database, config, domainOf }: FactsReaderOptions): FactsReader {
  const options: ResolveOptions = {
    delimiters: config.recipient_delimiter,
    mailboxDomain: normaliseDomain(config.mailbox_domain) ?? '',
  };

  /** A user found by a primary address or by id, resolved by the directory's own rules. */
  async function ofUser(
    parts: AddressParts,
    asked: DomainFacts | null,
    row: AddressRow | undefined,
    names: readonly string[],
  ): Promise<ReadValue<AddressFacts> | null> {
    if (row === undefined || row.user_id === null) return null;
    const home = asked?.domain.id === row.domain_id ? asked : await domainOf(partsOf(row.address).domain);
    if (home?.domain.id !== row.domain_id) return null;
    const user = userOf(row, row.user_id, home);
    const limited = user.quotaBytes !== null || row.quota_messages !== null;
    const [usage] = limited ? await database.query<UsageColumns>(USAGE, [user.id]) : [];
    const found = emptyRows();
    if (asked !== null) found.domains.set(asked.domain.name, asked.domain);
    found.domains.set(home.domain.name, home.domain);
    found.keys.set(`domain:${home.domain.id}`, [...home.keys]);
    if (asked !== null) found.keys.set(`domain:${asked.domain.id}`, [...asked.keys]);
    found.addresses.set(row.address, {
      id: row.address_id,
      address: row.address,
      kind: 'user',
      userId: user.id,
    });
    found.users.set(user.id, user);
    return {
      value: {
        asked: parts,
        recipient: resolveRecipient(found, parts, options).facts,
        domain: asked ?? home,
        mailboxes: new Map([[user.id, mailboxOf(row, usage)]]),
        strangers: NO_STRANGERS,
        keysUnread: user.id,
      },
      // What a mailbox holds changes with every message: only a limit makes the answer depend on it.
      dependsOn: [
        ...names,
        `user:${user.id}`,
        ...(home === asked ? [] : [`domain:${home.domain.name}`]),
        `key of domain:${home.domain.id}`,
        ...(limited ? [`usage:${user.id}`] : []),
      ],
    };
  }

  /** Aliases, catch-alls, contacts, and whatever else is not simple. */
  async function ofAnything(
    parts: AddressParts,
    domain: DomainFacts | null,
  ): Promise<ReadValue<AddressFacts>> {
    const { facts, rows, dependsOn } = await readRecipient(database.pool, parts, options);
    const readers = 'readers' in facts.resolution ? facts.resolution.readers : [];
    const users = readers.flatMap((reader) => (reader.kind === 'user' ? [reader.user] : []));
    const found =
      users.length === 0
        ? []
        : await database.query<MailboxColumns & UsageColumns & { id: number }>(MAILBOXES, [
            users.map(({ id }) => id),
          ]);
    const strangers = readers.flatMap((reader) =>
      reader.kind === 'outside' && rows.domains.has(partsOf(reader.address).domain) ? [reader.address] : [],
    );
    return {
      value: {
        asked: parts,
        recipient: facts,
        domain: domain ?? (facts.domain === null ? null : await domainOf(facts.domain.name)),
        mailboxes: new Map(found.map((row) => [row.id, mailboxOf(row, row)])),
        strangers: new Set(strangers),
        keysUnread: null,
      },
      dependsOn: [...dependsOn, ...users.map(({ id }) => `usage:${id}`)],
    };
  }

  return {
    async domain(name) {
      const rows = await database.query<DomainRow>(DOMAIN, [name]);
      const [row] = rows;
      const names = [`domain:${name}`, `address:@${name}`];
      if (row === undefined) return { value: null, dependsOn: names };
      const { id, fold_local_part: foldLocalPart, transport } = row;
      return {
        value: {
          domain: {
            id,
            name: row.name,
            class: row.class,
            foldLocalPart,
            settings: settingsOverrideSchema.parse(row.settings),
            transport,
          },
          refusals: refusalOverrideSchema.parse(row.refusals),
          keys: keysOf(rows),
          catchAll: row.catch_all,
        },
        dependsOn: [...names, `key of domain:${id}`],
      };
    },

    async address(parts) {
      const domain = await domainOf(parts.domain);
      const names = [`domain:${parts.domain}`];
      if (domain === null && parts.domain !== options.mailboxDomain) {
        // Users and aliases live in domains of ours only, and keys of contacts change no answer.
        return { value: nobody(parts, null), dependsOn: names };
      }
      if (domain !== null) {
        const candidates = lookupCandidates(parts, options.delimiters, domain.domain.foldLocalPart);
        for (const candidate of candidates) names.push(`address:${candidate}`);
        const spelled = candidates.slice(0, -1);
        const rows = await database.query<AddressRow>(
          spelled.length === 1 ? ADDRESS : EITHER_ADDRESS,
          spelled,
        );
        const best = rows.length < 2 ? rows[0] : rows.find(({ address }) => address === spelled[0]);
        if (best?.kind === 'user')
          return (await ofUser(parts, domain, best, names)) ?? ofAnything(parts, domain);
        if (best !== undefined) return ofAnything(parts, domain);
      }
      const id = userIdOf(stripExtension(parts.local, options.delimiters) ?? parts.local);
      if (id === null) {
        if (domain?.catchAll) return ofAnything(parts, domain);
        return { value: nobody(parts, domain), dependsOn: names };
      }
      const [row] = await database.query<AddressRow>(USER, [id]);
      const found = await ofUser(parts, domain, row, names);
      if (found !== null) return found;
      return row === undefined
        ? { value: nobody(parts, domain), dependsOn: [...names, `user:${id}`] }
        : ofAnything(parts, domain);
    },

    async keys(userId) {
      const rows = await database.query<KeyColumns>(USER_KEYS, [userId]);
      return { value: keysOf(rows), dependsOn: [`key of user:${userId}`] };
    },

    async grants(parts) {
      // Both spellings: a grant may be for an address outside, whose domain says nothing about folding.
      const wanted = [true, false].flatMap((fold) => lookupCandidates(parts, options.delimiters, fold));
      const names = [...new Set(wanted)];
      const rows = await database.query<SenderGrant & { granted: Address; user_id: number }>(GRANTS, [names]);
      const best = names.find((name) => rows.some(({ granted }) => granted === name));
      const grants = rows.filter(({ granted }) => granted === best);
      return {
        value: grants.map(({ login, status }) => ({ login, status })),
        dependsOn: [
          ...names.map((name) => `sender:${name}`),
          ...grants.flatMap(({ user_id, login }) => [`user:${user_id}`, `address:${login}`]),
        ],
      };
    },

    async fingerprint(canonical) {
      const [row] = await database.query<{ expires_on: string }>(FINGERPRINT, [canonical]);
      return { value: row?.expires_on ?? null, dependsOn: [`fingerprint:${canonical}`] };
    },
  };
}

const NO_STRANGERS: ReadonlySet<Address> = new Set();
const NO_MAILBOXES: ReadonlyMap<number, Mailbox> = new Map();

function nobody(parts: AddressParts, domain: DomainFacts | null): AddressFacts {
  return {
    asked: parts,
    recipient: {
      address: toAddress(parts, domain?.domain.foldLocalPart ?? true),
      resolution: { kind: 'nobody' },
      domain: domain?.domain ?? null,
      domainKeys: domain?.keys ?? [],
    },
    domain,
    mailboxes: NO_MAILBOXES,
    strangers: NO_STRANGERS,
    keysUnread: null,
  };
}

function userOf(row: AddressRow, id: number, home: DomainFacts): User {
  return {
    id,
    address: row.address,
    status: row.status,
    settings: isEmpty(row.settings) ? NO_SETTINGS : settingsOverrideSchema.parse(row.settings),
    domain: home.domain,
    quotaBytes: row.quota_bytes === null ? null : Number(row.quota_bytes),
  };
}

const NO_SETTINGS = {};

function isEmpty(settings: unknown): boolean {
  return typeof settings === 'object' && settings !== null && Object.keys(settings).length === 0;
}

function mailboxOf(row: MailboxColumns, usage: UsageColumns | undefined): Mailbox {
  return {
    transport: row.transport,
    forwards: row.forwards as readonly Address[],
    quotaMessages: row.quota_messages === null ? null : Number(row.quota_messages),
    usedBytes: Number(usage?.bytes ?? 0),
    usedMessages: Number(usage?.messages ?? 0),
  };
}

function keysOf(rows: readonly KeyColumns[]): StoredKey[] {
  return rows
    .filter((row) => row.key_id !== null)
    .sort((a, b) => (a.key_id ?? 0) - (b.key_id ?? 0))
    .map((row) => ({
      fingerprint: row.fingerprint,
      certificate: row.certificate,
      status: row.key_status,
      source: row.source,
      createdAt: row.key_created_at,
    }));
}
