// Whose mail it is when Postfix may deliver it to another address than the one that is written: the first reading that is
// somebody's counts, as long as the domains of all readings before it are our own or the machine's. Pure, over rows.
import type { Address } from '../address/address.ts';
import { userIdOf } from '../address/id-address.ts';
import { type AddressParts, storedSpellings, stripExtension, toAddress } from '../address/normalise.ts';
import type { Reading, Readings } from '../address/readings.ts';
import {
  type Asked,
  createResolver,
  type DirectoryRows,
  type Found,
  identityOf,
  MAX_NAMESAKES,
  type ResolveOptions,
  type Resolver,
} from './resolve.ts';
import type { ReadOn, RecipientFacts, Unclear } from './types.ts';

export interface ReadOnOptions extends ResolveOptions {
  /** The machine's own names and address literals, normalised: they mean a domain of ours, if it is known which. */
  readonly machineNames: ReadonlySet<string>;
}

/** An address that a reading comes to, and what the directory has there. */
interface Place {
  readonly parts: AddressParts;
  readonly found: Found;
  /** null: nowhere. */
  readonly reading: Reading | null;
  /** How it was come to from the reading; null: as it stands. */
  readonly by: string | null;
}

/** What a reading is. */
type Judged =
  /** `loose`: by a catch-all, or without the extension, in which operators may stand that Postfix reads first. */
  | { readonly kind: 'exact' | 'loose' | 'nobody' | 'outside'; readonly place: Place }
  /** A name of the machine, and nobody in any domain of ours has the local part. */
  | { readonly kind: 'unknown here' }
  | { readonly kind: 'unclear'; readonly because: Unclear };

/** Where reading on came to an end, and what was passed on the way. */
interface Walk {
  /** The exact spelling; null where no reading is somebody's that exactly. */
  readonly exact: Place | null;
  /** They count when all of them, and the exact one, have the same readers. */
  readonly loose: readonly Place[];
  /** In the domain of ours that was read last. */
  readonly nobody: Place | null;
  readonly unclear: Unclear | null;
  /** Every reading is at a name of this machine, and nobody of ours has any of them: Postfix may have an alias or an account. */
  readonly onlyHere: boolean;
}

/**
 * Resolves a path against the rows. The exact spelling, if it is stored, always wins; a catch-all counts when no further reading
 * has other readers, and so does a name without its extension. The facts hold only when every name in `asked` had been loaded into `rows`.
 */
export function resolveReadings(
  rows: DirectoryRows,
  read: Readings,
  options: ReadOnOptions,
): { readonly facts: RecipientFacts; readonly asked: Asked } {
  const resolver = createResolver(rows, options);
  const { asked } = resolver;
  const [first] = read.readings;
  if (first === undefined) return { facts: UNREADABLE, asked };
  // All that further readings may need is loaded at once, so that nesting costs no further round.
  for (const reading of read.readings)
    for (const domain of reading.domains) placeIn(rows, resolver, reading, domain);
  const { exact, loose, nobody, unclear, onlyHere } = walk(rows, resolver, read, options);
  const place = exact ?? loose.at(-1) ?? nobody ?? nowhere(first);
  const facts = resolver.factsOf(place.parts, place.found);
  const differ = loose.some((each) => !sameReaders(resolver, each, place));
  const because = differ ? DIFFERENT : unclear;
  const readOn = stepsTo(read.readings, place);
  return {
    facts: {
      ...facts,
      address: written(rows, read) ?? facts.address,
      ...(because === null ? {} : { resolution: { kind: 'unclear', because } }),
      ...(readOn === null ? {} : { readOn }),
      ...(onlyHere ? { unknownHere: true } : {}),
    },
    asked,
  };
}

const UNREADABLE: RecipientFacts = {
  address: null,
  resolution: { kind: 'nobody' },
  domain: null,
  domainKeys: [],
};
const DIFFERENT: Unclear =
  'the address as it is written and what Postfix may make of it have different readers';
const SEVERAL: Unclear = 'the name is in several domains of ours, and the address names none of them';

const NOT_HERE = { exact: null, unclear: null, onlyHere: false } as const;

function walk(
  rows: DirectoryRows,
  resolver: Resolver,
  { readings, gaveUp }: Readings,
  options: ReadOnOptions,
): Walk {
  const loose: Place[] = [];
  let nobody: Place | null = null;
  for (const reading of readings) {
    const judged = judgeReadings(rows, resolver, reading, readings, options);
    if (judged.kind === 'unknown here') continue;
    if (judged.kind === 'unclear') return { ...NOT_HERE, loose, nobody, unclear: judged.because };
    const { kind, place } = judged;
    if (kind === 'exact') return { ...NOT_HERE, exact: place, loose, nobody };
    if (kind === 'outside') {
      // Outside, a reading is somebody's where there is a key for it; as it is written, whoever it is.
      const counts = place.found.kind !== 'nobody' || reading === readings[0];
      return { ...NOT_HERE, exact: counts ? place : null, loose, nobody };
    }
    if (kind === 'loose') loose.push(place);
    else nobody = place;
  }
  const unclear = gaveUp ? 'the address is nested too deep' : null;
  const onlyHere = loose.length === 0 && nobody === null && unclear === null;
  return { exact: null, loose, nobody, unclear, onlyHere };
}

function nowhere({ local, domains }: Reading): Place {
  return { parts: { local, domain: domains[0] ?? '' }, found: { kind: 'nobody' }, reading: null, by: null };
}

/** What the directory has for a reading in one of its domains, or in the domain of which that is another name. */
function placeIn(rows: DirectoryRows, { asked, find }: Resolver, reading: Reading, domain: string): Place {
  asked.domains.add(domain);
  const own = rows.otherNames.get(domain);
  const parts = { local: reading.local, domain: own ?? domain };
  return { parts, found: find(parts), reading, by: own === undefined ? null : 'another name of the domain' };
}

function judgeReadings(
  rows: DirectoryRows,
  resolver: Resolver,
  reading: Reading,
  all: readonly Reading[],
  options: ReadOnOptions,
): Judged {
  const places = reading.domains.map((domain) => placeIn(rows, resolver, reading, domain));
  const ours = places.find(
    ({ parts: { domain } }) => rows.domains.has(domain) || domain === options.mailboxDomain,
  );
  if (ours !== undefined) {
    if (ours.found.kind === 'nobody') return { kind: 'nobody', place: ours };
    return judgedExactly(ours);
  }
  const isMachine = ({ domains }: Reading) => domains.some((domain) => options.machineNames.has(domain));
  if (isMachine(reading)) {
    for (const each of all) if (isMachine(each)) namesakesOf(rows, resolver, each, options);
    return onThisMachine(rows, resolver, reading, options);
  }
  return { kind: 'outside', place: places[0] ?? nowhere(reading) };
}

function isCatchAll(found: Found): boolean {
  return found.kind === 'row' && found.row.address.startsWith('@');
}

function isExact({ parts, found }: Place): boolean {
  if (found.kind === 'user') return userIdOf(parts.local) !== null;
  if (found.kind === 'nobody') return false;
  return [true, false].some((fold) => storedSpellings(parts, fold).includes(found.row.address));
}

/** The domains of ours that have the local part of a reading, with or without its extension. */
function namesakesOf(
  rows: DirectoryRows,
  { asked }: Resolver,
  { local }: Reading,
  { delimiters }: ReadOnOptions,
): readonly string[] {
  const names = [local, stripExtension(local, delimiters) ?? local];
  const spelled = [...new Set(names.flatMap(spellingsOf))];
  for (const each of spelled) asked.namesakes.add(each);
  return [...new Set(spelled.flatMap((each) => rows.namesakes.get(each) ?? []))].sort();
}

/** A name of the machine stands for that one of our domains which has the local part. */
function onThisMachine(
  rows: DirectoryRows,
  resolver: Resolver,
  reading: Reading,
  options: ReadOnOptions,
): Judged {
  const { local } = reading;
  const by = 'a name of this machine';
  const id = userIdOf(stripExtension(local, options.delimiters) ?? local);
  if (id !== null) {
    resolver.asked.users.add(id);
    const user = rows.users.get(id);
    if (user === undefined) return { kind: 'unknown here' };
    const parts = { local, domain: user.domain.name };
    return judgedExactly({ parts, found: { kind: 'user', user }, reading, by });
  }
  const domains = namesakesOf(rows, resolver, reading, options);
  if (domains.length > MAX_NAMESAKES) return { kind: 'unclear', because: SEVERAL };
  const places = domains
    .map((domain): Place => ({ ...placeIn(rows, resolver, reading, domain), by }))
    .filter(({ found }) => found.kind !== 'nobody' && !isCatchAll(found));
  // Where Postfix delivers for one of them by itself, it does so for the machine's own names.
  const byPostfix = places.filter(({ parts: { domain } }) => rows.domains.get(domain)?.local === true);
  const [only, ...others] = byPostfix.length > 0 ? byPostfix : places;
  if (only === undefined) return { kind: 'unknown here' };
  return others.every((other) => sameReaders(resolver, only, other))
    ? judgedExactly(only)
    : { kind: 'unclear', because: SEVERAL };
}

function judgedExactly(place: Place): Judged {
  return { kind: isExact(place) ? 'exact' : 'loose', place };
}

/** A local part as it may stand in a stored address, whatever its domain says of case. */
function spellingsOf(local: string): readonly string[] {
  const parts = { local, domain: '' };
  const spelled = [...storedSpellings(parts, true), ...storedSpellings(parts, false)];
  return spelled.map((address) => address.slice(0, -1));
}

function sameReaders({ factsOf }: Resolver, one: Place, other: Place): boolean {
  return readersAsText(factsOf(one.parts, one.found)) === readersAsText(factsOf(other.parts, other.found));
}

function readersAsText({ resolution }: RecipientFacts): string {
  if (!('readers' in resolution)) return resolution.kind;
  return JSON.stringify(resolution.readers.map(identityOf).sort());
}

function written(rows: DirectoryRows, { written: parts }: Readings): Address | null {
  return parts === null ? null : toAddress(parts, rows.domains.get(parts.domain)?.foldLocalPart ?? true);
}

/** null where the address is what is written. */
function stepsTo(readings: readonly Reading[], { parts, reading, by }: Place): ReadOn | null {
  if (reading === null || (reading === readings[0] && parts.domain === reading.domains[0])) return null;
  const passed = readings.slice(0, readings.indexOf(reading) + 1);
  const steps = passed.map(({ local, domains: [domain = ''], restsOn }) => ({
    address: toAddress({ local, domain }, false),
    restsOn: restsOn as string,
  }));
  if (parts.domain !== reading.domains[0])
    steps.push({
      address: toAddress(parts, false),
      restsOn: by ?? 'the domain as Postfix folds or completes it',
    });
  return { steps };
}
