// Which services of a wiring may be written into a master.cf. Pure.
import { definitionsThatCount } from './main-cf.ts';
import { formatOption, isSameService, type MasterService, readMasterCf, serviceName } from './master-cf.ts';
import { wordsOf } from './settings.ts';
import type { Conflict, Site } from './site.ts';
import type { Wiring } from './wiring.ts';

/** What is done with one service of the wiring. */
export interface MasterVerdict {
  /** `name/type`. */
  readonly name: string;
  readonly service: MasterService;
  readonly action: 'append' | 'extend' | 'keep' | 'conflict';
  /** For `extend`: what a service of the site's gets in addition. */
  readonly options: readonly (readonly [string, string])[];
}

export interface MasterVerdicts {
  readonly verdicts: readonly MasterVerdict[];
  readonly conflicts: readonly Conflict[];
  readonly notes: readonly string[];
}

/** Judges every service of a wiring. */
export function masterVerdicts(site: Site, wiring: Wiring): MasterVerdicts {
  const there = readMasterCf(site.master);
  const judged = readMasterCf(wiring.master).map((service) => judge(service, there));
  return {
    verdicts: judged.map(({ verdict }) => verdict),
    conflicts: [
      ...judged.flatMap(({ conflict }) => (conflict === undefined ? [] : [conflict])),
      ...disabled(
        judged.map(({ verdict }) => verdict.service),
        site,
      ),
    ],
    notes: wiring.main.includes('content_filter') ? bypassing(there) : [],
  };
}

interface Judged {
  readonly verdict: MasterVerdict;
  readonly conflict?: Conflict;
}

function judge(service: MasterService, site: readonly MasterService[]): Judged {
  const name = serviceName(service);
  const [there, ...more] = site.filter((each) => serviceName(each) === name);
  const verdict = (
    action: MasterVerdict['action'],
    options: MasterVerdict['options'] = [],
  ): MasterVerdict => ({
    name,
    service,
    action,
    options,
  });
  const conflict = (found: string, remedy: string): Judged => ({
    verdict: verdict('conflict'),
    conflict: { where: name, found, remedy },
  });
  if (there === undefined) return { verdict: verdict('append') };
  if (more.length > 0)
    return conflict(
      `${name} stands ${more.length + 1} times in master.cf`,
      'leave one of them, and apply again',
    );
  if (isSameService(there, service)) return { verdict: verdict('keep') };
  // Postfix's own daemons keep what the site says of them, and get options in addition.
  if (service.name.startsWith('sealpost') || service.type === 'inet' || there.command !== service.command)
    return conflict(
      `${name} is there with other settings`,
      `if it is a wiring of sealpost, "sealpost postfix undo" takes it out; else: postconf -MX ${name}`,
    );
  const other = [...service.options].find(
    ([option, value]) => there.options.has(option) && there.options.get(option) !== value,
  );
  if (other !== undefined)
    return conflict(
      `${name} has ${formatOption([other[0], there.options.get(other[0]) ?? ''])}`,
      `the wiring needs ${formatOption(other)}; if the other one need not be: postconf -PX ${name}/${other[0]}`,
    );
  const options = [...service.options].filter(([option]) => !there.options.has(option));
  return { verdict: options.length === 0 ? verdict('keep') : verdict('extend', options) };
}

/** master_service_disable (postconf(5)): `inet`, `name/type`, and `!` in front of what is not meant. The first match counts. */
function disabled(services: readonly MasterService[], site: Site): readonly Conflict[] {
  const list = wordsOf(definitionsThatCount(site.main).get('master_service_disable')?.value ?? '');
  return services.flatMap((service) => {
    const name = serviceName(service);
    const word = list.find((each) =>
      [name, `${service.name}.${service.type}`, service.type].includes(each.replace(/^!/, '')),
    );
    if (word === undefined || word.startsWith('!')) return [];
    return [
      {
        where: name,
        found: `master_service_disable = ${list.join(', ')}`,
        remedy: `Postfix would not run ${name}; put !${name} in front of the list, and apply again`,
      },
    ];
  });
}

/** Listeners whose own content_filter comes before that of main.cf. */
function bypassing(services: readonly MasterService[]): readonly string[] {
  return services.flatMap((service) => {
    const filter = service.options.get('content_filter');
    if (filter === undefined || serviceName(service).startsWith('127.0.0.1:')) return [];
    return [
      `${serviceName(service)} has a content_filter of its own (${filter || 'none'}): what comes in there is not sealed by this wiring`,
    ];
  });
}
