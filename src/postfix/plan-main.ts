// Which settings of a wiring may be written into a main.cf. What the site has set for itself is not overwritten, but for what
// Postfix has by default anyway, and for what sealpost takes over: it hands on where the site's own transport led. Pure.
import { formatNextHop } from '../config/units.ts';
import { definitionsThatCount, expandValue, type MainSetting, readMainCf, referencesIn } from './main-cf.ts';
import { readMasterCf, serviceName } from './master-cf.ts';
import { OPERATORS, wordsOf } from './settings.ts';
import type { Conflict, Site } from './site.ts';
import { nextHopOf, parseTransport } from './transport.ts';
import type { Wiring } from './wiring.ts';

/** What is done with one setting of the wiring. */
export interface MainVerdict {
  readonly name: string;
  readonly value: string;
  readonly action: 'append' | 'replace' | 'keep' | 'conflict';
}

/** The wiring's promise rests on these, and nothing of the site's is lost with another value of theirs. */
const TAKEN_OVER: readonly string[] = [...Object.values(OPERATORS), 'virtual_mailbox_limit'];

const ROUTES = /_transport$|^content_filter$/;
const LISTS = /_(?:maps|domains|restrictions|clientcerts)$/;

export interface MainVerdicts {
  readonly verdicts: readonly MainVerdict[];
  readonly conflicts: readonly Conflict[];
  readonly notes: readonly string[];
}

/** Judges every setting of a wiring. */
export function mainVerdicts(site: Site, wiring: Wiring): MainVerdicts {
  const own = readMainCf(wiring.main);
  const settings = definitionsThatCount(site.main);
  const judged = own.map((setting) => judge(setting, settings, site));
  const verdicts = judged.map(({ verdict }) => verdict);
  return {
    verdicts,
    conflicts: [
      ...judged.flatMap(({ conflict }) => (conflict === undefined ? [] : [conflict])),
      ...referring(verdicts, site),
      ...secondSeal(verdicts, settings),
      ...unmapped(verdicts, settings),
    ],
    notes: [
      ...bypassed(verdicts, settings),
      ...judged.flatMap(({ note }) => (note === undefined ? [] : [note])),
    ],
  };
}

interface Judged {
  readonly verdict: MainVerdict;
  readonly conflict?: Conflict;
  readonly note?: string;
}

function judge(wanted: MainSetting, settings: ReadonlyMap<string, MainSetting>, site: Site): Judged {
  const { name, value } = wanted;
  const verdict = (action: MainVerdict['action']): MainVerdict => ({ name, value, action });
  const there = settings.get(name)?.value;
  if (there === undefined) return { verdict: verdict('append') };
  const expanded = expandValue(there, settings, site.defaults);
  if (sameWords(there, value) || sameWords(expanded, value)) return { verdict: verdict('keep') };
  if (LISTS.test(name) && value !== '' && containsWords(expanded, value)) return { verdict: verdict('keep') };
  if (name.startsWith('sealpost'))
    return { verdict: verdict('keep'), note: `${name} = ${there} stays as it is; the wiring has ${value}` };
  if (TAKEN_OVER.includes(name) || isOwnDefault(name, there, expanded, settings, site))
    return { verdict: verdict('replace') };
  const leadsTo = name.endsWith('_transport') ? nextHopOf(expanded, site.queueDirectory) : null;
  if (leadsTo !== null && site.nextHop !== null && formatNextHop(leadsTo) === formatNextHop(site.nextHop))
    return { verdict: verdict('replace') };
  const remedy = remedyFor(wanted, there, site);
  return { verdict: verdict('conflict'), conflict: { where: name, found: `${name} = ${there}`, remedy } };
}

/** Whether a definition says what would hold without it. */
function isOwnDefault(
  name: string,
  there: string,
  expanded: string,
  settings: ReadonlyMap<string, MainSetting>,
  site: Site,
): boolean {
  if (expanded.trim() === '') return true;
  const without = site.defaults.get(name);
  if (without === undefined) return false;
  return sameWords(there, without) || sameWords(expanded, expandValue(without, settings, site.defaults));
}

function sameWords(one: string, other: string): boolean {
  return wordsOf(one).join(' ') === wordsOf(other).join(' ');
}

/** Whether a list has all the words of another one, side by side. */
function containsWords(list: string, part: string): boolean {
  return ` ${wordsOf(list).join(' ')} `.includes(` ${wordsOf(part).join(' ')} `);
}

function remedyFor({ name, value }: MainSetting, there: string, site: Site): string {
  if (name === 'content_filter')
    return 'another filter is wired in (amavis, say). Keep it and apply a delivery wiring, which seals behind it; or take it out: postconf -X content_filter';
  if (name.endsWith('_transport') && value.startsWith('sealpost')) {
    if (parseTransport(there).service.startsWith('sealpost'))
      return 'another wiring of sealpost is there: "sealpost postfix undo" takes it out';
    const leadsTo = nextHopOf(there, site.queueDirectory);
    if (leadsTo !== null)
      return `if that is where sealpost is to hand mail on, say so and apply again: sealpost config set filter.next_hop ${formatNextHop(leadsTo)}`;
    return `mail for mailboxes goes another way; if it need not: postconf -X ${name}`;
  }
  if (LISTS.test(name))
    return `keep both, in the order that you want, and apply again: postconf -e '${name} = ${there}, ${value}'`;
  return `if it is not needed any more, take it out and apply again: postconf -X ${name}`;
}

/** A route that others refer to would change for them, too. */
function referring(verdicts: readonly MainVerdict[], site: Site): readonly Conflict[] {
  const changed = verdicts.filter(({ name, action }) => ROUTES.test(name) && action !== 'keep');
  const own = new Set(verdicts.map(({ name }) => name));
  const uses = [
    ...[...definitionsThatCount(site.main).values()]
      .filter(({ name }) => !own.has(name) && ROUTES.test(name))
      .map(({ name, value }) => ({ where: name, value })),
    ...readMasterCf(site.master).flatMap((service) =>
      [...service.options].map(([name, value]) => ({ where: `${serviceName(service)}: ${name}`, value })),
    ),
  ];
  return changed.flatMap(({ name }) =>
    uses
      .filter(({ value }) => referencesIn(value).includes(name))
      .map(({ where, value }) => ({
        where,
        found: `${where} = ${value}`,
        remedy: `it would change with ${name}; write out what it stands for, and apply again`,
      })),
  );
}

/** A filter and a delivery wiring at once: mail would take both ways. */
function secondSeal(
  verdicts: readonly MainVerdict[],
  settings: ReadonlyMap<string, MainSetting>,
): readonly Conflict[] {
  const own = new Map(verdicts.map(({ name, value }) => [name, value]));
  const isOurs = (value: string | undefined): boolean =>
    parseTransport(value ?? '').service.startsWith('sealpost');
  const filters = isOurs(own.get('content_filter'));
  const delivers = verdicts.some(({ name, value }) => name.endsWith('_transport') && isOurs(value));
  const others = filters ? ['virtual_transport', 'mailbox_transport'] : delivers ? ['content_filter'] : [];
  return others
    .filter((name) => !own.has(name) && isOurs(settings.get(name)?.value))
    .map((name) => ({
      where: name,
      found: `${name} = ${settings.get(name)?.value}`,
      remedy:
        'mail is sealed on one way only, and another wiring is there: "sealpost postfix undo" takes it out',
    }));
}

/** Before a content filter, aliases have to be expanded: it must see the readers that they name. */
function unmapped(
  verdicts: readonly MainVerdict[],
  settings: ReadonlyMap<string, MainSetting>,
): readonly Conflict[] {
  const overrides = settings.get('receive_override_options')?.value ?? '';
  if (!verdicts.some(({ name }) => name === 'content_filter')) return [];
  if (!wordsOf(overrides).includes('no_address_mappings')) return [];
  return [
    {
      where: 'receive_override_options',
      found: `receive_override_options = ${overrides}`,
      remedy:
        'sealpost would not see whom an alias leads to; map addresses before the filter, as this wiring does: postconf -X receive_override_options',
    },
  ];
}

/** What mailbox_transport makes idle (local(8)). */
function bypassed(
  verdicts: readonly MainVerdict[],
  settings: ReadonlyMap<string, MainSetting>,
): readonly string[] {
  if (!verdicts.some(({ name, action }) => name === 'mailbox_transport' && action !== 'keep')) return [];
  if (verdicts.some(({ name }) => name.startsWith('sealpost-local_'))) return [];
  return ['mailbox_command', 'home_mailbox'].flatMap((name) => {
    const value = settings.get(name)?.value ?? '';
    if (value === '') return [];
    return [
      `${name} = ${value} has no effect any more: mail for Unix accounts goes where filter.next_hop says; the wiring for mailboxes of Unix accounts is delivery-local`,
    ];
  });
}
