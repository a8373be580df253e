// What the checks of `sealpost doctor` judge by: everything that was seen, as plain data.
import type { LoadedConfig } from '../config/load.ts';
import type { PostfixModel } from '../postfix/model.ts';
import type { AddressSettings } from '../postfix/settings.ts';

/** How a file or socket stands. */
export interface FileFacts {
  /** What it is for, such as `state_dir`. */
  readonly what: string;
  readonly path: string;
  /** null: it is not there. */
  readonly mode: number | null;
  readonly uid: number;
  readonly gid: number;
}

export interface MachineFacts {
  /** Of this process, such as `20.19.1`. */
  readonly node: string;
  /** engines.node of package.json. */
  readonly wanted: string;
  readonly version: string;
  /** Unix milliseconds. */
  readonly now: number;
  /** When the file `last-backup` in state_dir was touched; null: it is not there. */
  readonly lastBackup: number | null;
  /** The account that the files of the embedded database belong to; null: there is none. */
  readonly embeddedOwner: string | null;
}

export interface DiskFacts {
  readonly what: string;
  readonly path: string;
  readonly free: number;
  readonly total: number;
  readonly freeInodes: number;
  /** 0: a file system without a fixed number. */
  readonly totalInodes: number;
}

/** What the running serve says of itself. */
export interface ServeFacts {
  readonly version: string;
  readonly config: string | null;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  /** Open files that its process may have; null: not to be seen. */
  readonly openFiles: number | null;
}

export interface DatabaseFacts {
  /** As a person knows it, without a password. */
  readonly name: string;
  /** server_version_num. */
  readonly version: number;
  readonly inRecovery: boolean;
  readonly readOnly: boolean;
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  /** Of our role in this database, such as `on`, `off`, `remote_apply`. */
  readonly synchronousCommit: string;
  readonly maxConnections: number;
  /** Of every role, in every database. */
  readonly connections: number;
  /** Milliseconds that its clock is ahead of ours. */
  readonly ahead: number;
}

export interface TableFacts {
  readonly pending: readonly string[];
  readonly unknown: readonly string[];
  /** RFC 3339: of the backup that was restored, and that nobody has accepted yet; null: there is none. */
  readonly restoredFrom: string | null;
  /** null: a row was written and taken back; else why not. */
  readonly writeRefused: string | null;
  /** Stored addresses that Postfix takes for another stored one. */
  readonly foldingTogether: readonly { readonly address: string; readonly foldsTo: string }[];
}

export interface DomainFacts {
  readonly name: string;
  readonly class: 'virtual' | 'relay';
  readonly local: boolean;
  readonly otherNames: readonly string[];
}

export interface DirectoryFacts {
  readonly domains: readonly DomainFacts[];
  readonly users: number;
  /** Addresses of readers with a key of their own or of their domain: users and aliases that lead to them. */
  readonly keyed: readonly string[];
  /** There are more than were read. */
  readonly cut: boolean;
  /** Users without a key, whose mail on_missing_key defers or rejects. */
  readonly lacking: readonly string[];
  /** Whether postmaster@ and abuse@ of each domain are somebody here. */
  readonly duties: ReadonlyMap<string, boolean>;
  /** Somebody's setting hides the Subject. */
  readonly hidesSubject: boolean;
}

export interface KeyFacts {
  readonly fingerprint: string;
  readonly owner: string;
  readonly state: 'usable' | 'expired' | 'revoked' | 'disabled' | 'unusable';
  readonly because: string | null;
  /** RFC 3339; null: never. */
  readonly expires: string | null;
  /** How many of its subkeys look as if mail were sealed to them, and are not used. */
  readonly unused: number;
}

export interface KeysFacts {
  readonly keys: readonly KeyFacts[];
  /** Stored in all. */
  readonly stored: number;
}

/** A listener of ours, or a next hop, that was connected to. */
export interface Answered {
  readonly name: string;
  readonly address: string;
  /** null: as it should; else what came instead. */
  readonly failure: string | null;
}

export interface HopFacts extends Answered {
  readonly size: number | undefined;
  readonly eightBit: boolean;
  readonly xforward: boolean;
  readonly protocol: 'smtp' | 'lmtp';
}

export interface ProbeFacts {
  readonly recipient: string;
  /** The reply to the letter. */
  readonly reply: string;
  readonly accepted: boolean;
  /** How often the letter came through sealpost, as the table of events tells; null: nothing is kept. */
  readonly seen: number | null;
}

/** A Postfix, and how it reads addresses. */
export interface PostfixFacts extends PostfixModel {
  readonly addresses: AddressSettings;
}

/** The pages on which users hand over their keys. */
export interface PortalFacts {
  /** At portal.listen. */
  readonly page: Answered;
  /** At portal.url, as a user's browser asks. */
  readonly outside: Had;
  /** null: nobody signs in by password. */
  readonly imap: Had | null;
  /** The socket of a proxy that signs users in; null: there is none. */
  readonly trustedSocket: FileFacts | null;
}

/** A domain whose keys are published, or handed over by the Web Key Service; each failure in words, null: none. */
export interface PublishedDomainFacts {
  readonly name: string;
  /** Of the secret submission key on this machine. */
  readonly keyFile: string | null;
  /** Seen from outside, as below. */
  readonly policy: string | null;
  readonly submission: string | null;
  /** Of one who is published; null: nobody is. */
  readonly key: { readonly address: string; readonly failure: string | null } | null;
}

export interface PublishingFacts {
  /** There is a listener that answers. */
  readonly served: boolean;
  /** A few, where there are many. */
  readonly domains: readonly PublishedDomainFacts[];
}

/** What /etc/aliases and .forward files say. */
export interface AliasFacts {
  readonly entries: readonly { readonly from: string; readonly target: string }[];
  readonly unread: readonly string[];
}

/** What transport_maps answers for a key of ours. */
export interface TransportFacts {
  readonly answers: readonly { readonly key: string; readonly value: string }[];
  readonly unread: readonly string[];
}

/** postmaster@ and abuse@ of our domains, by Postfix's own maps. */
export interface DutyFacts {
  readonly known: ReadonlySet<string>;
  /** Tables that could not be asked. */
  readonly unread: readonly string[];
}

/** The texts of the tables in which FILTER may stand. */
export interface TableTexts {
  readonly texts: readonly { readonly where: string; readonly text: string }[];
  readonly unread: readonly string[];
}

export interface SieveFacts {
  readonly scripts: readonly { readonly path: string; readonly text: string }[];
  readonly unread: readonly string[];
}

/** Whether something could be had that others rest on; the failure in words. */
export interface Had {
  readonly name: string;
  readonly failure: string | null;
}

/** By name; each is read once, by a reader of its own. */
export interface Facts {
  readonly configuration: Had;
  readonly config: LoadedConfig;
  readonly machine: MachineFacts;
  readonly files: readonly FileFacts[];
  readonly disks: readonly DiskFacts[];
  readonly serveAnswer: Had;
  readonly serve: ServeFacts;
  readonly databaseAnswer: Had;
  readonly database: DatabaseFacts;
  readonly tables: TableFacts;
  /** Milliseconds after which a notification through the pool was back; null: it did not come. */
  readonly notification: number | null;
  /** Seconds that database.read_url is behind; null: it is no standby. */
  readonly replica: { readonly standby: boolean; readonly behind: number };
  readonly directory: DirectoryFacts;
  readonly keys: KeysFacts;
  readonly listeners: readonly Answered[];
  readonly lookups: readonly Answered[];
  readonly hops: readonly HopFacts[];
  readonly probe: ProbeFacts;
  readonly portal: PortalFacts;
  readonly publishing: PublishingFacts;
  readonly postfixAnswer: Had;
  readonly postfix: PostfixFacts;
  readonly aliases: AliasFacts;
  readonly transports: TransportFacts;
  readonly duties: DutyFacts;
  readonly filters: TableTexts;
  readonly sieve: SieveFacts;
}

export type FactName = keyof Facts;

/** Facts that cannot be seen here, and why; `expected` where nobody asked for them. */
export class Unseen extends Error {
  override readonly name = 'Unseen';
  readonly expected: boolean;
  constructor(because: string, expected = false) {
    super(because);
    this.expected = expected;
  }
}

/** How a reader of facts asks for those of others. @throws Unseen where they cannot be seen */
export type Ask = <Name extends FactName>(name: Name) => Promise<Facts[Name]>;

/** Gathers one kind of facts. @throws Unseen; anything else counts so, too */
export type Reader<Name extends FactName> = (ask: Ask) => Promise<Facts[Name]>;

export type Readers = { readonly [Name in FactName]: Reader<Name> };
