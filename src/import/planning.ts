// What the planners of domains, users, aliases and keys share while a plan is made.
import { isReservedLocalPart } from '../address/id-address.ts';
import { domainNameOf } from '../address/normalise.ts';
import type { BulkKey } from '../keys/bulk.ts';
import {
  addDomain,
  type Draft,
  type DraftAlias,
  type DraftDomain,
  type DraftOwner,
  type DraftUser,
  ownerName,
  type Read,
  readAddress,
} from './draft.ts';
import type { AliasRow, KeyRow, Source, UserRow } from './formats/rows.ts';
import { type Outcome, type TallyDraft, tell } from './outcome.ts';
import type { Snapshot } from './snapshot.ts';

/** A certificate that was judged, beside the row that brought it. */
export interface JudgedRow {
  readonly row: Pick<KeyRow, 'where' | 'owners' | 'sealedBefore'>;
  readonly key: BulkKey;
}

/** A certificate that becomes an owner's. */
export interface PlannedKey {
  readonly key: BulkKey;
  readonly fingerprint: string;
  /** null: of whoever has it here. */
  readonly owner: DraftOwner | null;
  readonly where: string;
  /** The source has it twice, and not alike: the first copy has been told of. */
  readonly isSecondCopy?: boolean;
  /** It was refused. An owner who has nothing else is no owner without a key: mail waits, as `on_unusable_key` says. */
  readonly isKeptDisabled?: boolean;
}

/** A name for a copy of a certificate and its owner: the same in every plan of one import. */
export function copyName({
  fingerprint,
  owner,
  key,
}: Pick<PlannedKey, 'fingerprint' | 'owner' | 'key'>): string {
  return `${fingerprint} ${owner === null ? '' : ownerName(owner)} ${key.digest}`;
}

/** A row that the source makes, to be known again. */
export type MadeRow =
  | { readonly kind: 'user'; readonly name: string; readonly user: DraftUser }
  | { readonly kind: 'alias'; readonly name: string; readonly alias: DraftAlias }
  | { readonly kind: 'key'; readonly name: string; readonly key: PlannedKey };

export interface PlanOptions {
  /** recipient_delimiter */
  readonly delimiters: string;
  /** What becomes of keys that have expired. */
  readonly expired: 'take' | 'refuse';
  /** Domains that are ours, as typed by an administrator: added where they are missing. */
  readonly domains: readonly string[];
  /** Keys by {@link copyName} that this import has written already: they are told of elsewhere. */
  readonly written?: ReadonlySet<string>;
}

export interface Planning {
  readonly draft: Draft;
  readonly snapshot: Snapshot;
  readonly source: Pick<Source, 'addsDomains' | 'addsOwners'>;
  readonly options: PlanOptions;
  readonly tally: TallyDraft;
  readonly made: MadeRow[];
  /** What the source has, by the names of {@link MadeRow}. */
  readonly seen: Readonly<Record<MadeRow['kind'], Set<string>>>;
  /** Fingerprints of keys that the source has, and that are refused. */
  readonly seenRefused: Set<string>;
}

/** The longest name that a report repeats. Characters. */
const LONGEST_NAME = 200;

export function shown(text: string): string {
  return text.length <= LONGEST_NAME ? text : `${text.slice(0, LONGEST_NAME)}...`;
}

/** Tells of a row; `because` where there is something to say. */
export function note(
  { tally }: Pick<Planning, 'tally'>,
  kind: 'domain' | 'user' | 'alias' | 'setting',
  outcome: Outcome,
  { name, where }: { readonly name: string; readonly where: string | null },
  because: string | null = null,
): void {
  tell(tally, { kind, outcome, name: shown(name), where, because });
}

/** An address of ours that a row may be about, and its domain. */
export interface Place {
  readonly address: Read['address'];
  readonly domain: DraftDomain;
}

/** What {@link placeOf} tells of a user or of an alias. */
const EXPECTED = {
  user: 'an address such as alice@example.org',
  alias: 'an address such as info@example.org, or @example.org',
} as const;

/** Where a row of the source belongs. null: nowhere, and it was told why. */
export function placeOf(planning: Planning, row: UserRow | AliasRow): Place | null {
  const { draft, seen } = planning;
  const { kind, where } = row;
  const refuse = (because: string, name: string = row.address): null => {
    note(planning, kind, 'refused', { name, where }, because);
    return null;
  };
  const read = readAddress(draft, row.address);
  if (read === null || (kind === 'user' && read.parts.local === ''))
    return refuse(`found ${JSON.stringify(shown(row.address))}, expected ${EXPECTED[kind]}`);
  const { address, parts } = read;
  seen[kind].add(address);
  if (isReservedLocalPart(parts.local))
    return refuse('it is reserved: id_NUMBER always means the user with that number', address);
  const domain = read.byOtherName
    ? `it is written by another name of ${parts.domain}: its mail is for ${address}`
    : domainFor(planning, parts.domain, row);
  return typeof domain === 'string' ? refuse(domain, address) : { address, domain };
}

/** The domain that an address needs, added where the source may; a sentence: why there is none. */
function domainFor(planning: Planning, name: string, row: { readonly where: string }): DraftDomain | string {
  const { draft, source } = planning;
  const known = draft.domains.get(name);
  if (known !== undefined) return known;
  if (draft.otherNames.has(name)) {
    return `${name} is another name of ${draft.otherNames.get(name)?.name}: its mail is for the mailboxes there`;
  }
  if (!source.addsDomains) {
    return `the domain ${name} is not known; add it first with "sealpost domain add ${name}", or give --domain ${name}`;
  }
  if (domainNameOf(name) === null) return `${name} is no domain name such as example.org`;
  const domain = addDomain(draft, name);
  note(planning, 'domain', 'added', { name, where: row.where });
  return domain;
}
