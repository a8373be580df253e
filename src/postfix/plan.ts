// What a wiring makes of a site's main.cf and master.cf, or what is in its way. Pure.
import { definitionsThatCount, readMainCf, replaceSetting } from './main-cf.ts';
import { addOptions, readMasterCf, serviceName } from './master-cf.ts';
import { type MainVerdict, mainVerdicts } from './plan-main.ts';
import { type MasterVerdict, masterVerdicts } from './plan-master.ts';
import { portConflicts } from './plan-ports.ts';
import type { Conflict, Site } from './site.ts';
import { itemsOf, type Wiring } from './wiring.ts';

export type Plan =
  | {
      readonly kind: 'change' | 'nothing';
      readonly main: string;
      readonly master: string;
      /** In the order in which they are written. */
      readonly settings: readonly MainVerdict[];
      readonly services: readonly MasterVerdict[];
      /** What is worth knowing and stands in nobody's way. */
      readonly notes: readonly string[];
    }
  | { readonly kind: 'conflicts'; readonly conflicts: readonly Conflict[] };

/** Plans how `wiring` is laid over `site`. What has been applied already needs no change. */
export function planWiring(site: Site, wiring: Wiring): Plan {
  const settings = mainVerdicts(site, wiring);
  const services = masterVerdicts(site, wiring);
  const conflicts = [
    ...settings.conflicts,
    ...services.conflicts,
    ...portConflicts(site, wiring, settings.verdicts),
  ];
  if (conflicts.length > 0) return { kind: 'conflicts', conflicts };
  const main = writeMain(site.main, wiring, settings.verdicts);
  const master = writeMaster(site.master, wiring, services.verdicts);
  return {
    kind: main === site.main && master === site.master ? 'nothing' : 'change',
    main,
    master,
    settings: settings.verdicts.filter(({ action }) => action === 'append' || action === 'replace'),
    services: services.verdicts.filter(({ action }) => action !== 'keep'),
    notes: [...settings.notes, ...services.notes],
  };
}

function writeMain(text: string, wiring: Wiring, verdicts: readonly MainVerdict[]): string {
  const replaced = verdicts
    .filter(({ action }) => action === 'replace')
    .reduce((changed, { name, value }) => {
      const there = definitionsThatCount(changed).get(name);
      return there === undefined ? changed : replaceSetting(changed, there, value);
    }, text);
  const missing = new Set(verdicts.filter(({ action }) => action === 'append').map(({ name }) => name));
  const items = itemsOf(wiring.main).filter(({ lines }) =>
    readMainCf(lines.join('\n')).some(({ name }) => missing.has(name)),
  );
  return append(
    replaced,
    wiring,
    items.flatMap(({ comments, lines }) => [...comments, ...lines]),
  );
}

function writeMaster(text: string, wiring: Wiring, verdicts: readonly MasterVerdict[]): string {
  const extended = verdicts.reduce((changed, verdict) => {
    if (verdict.action !== 'extend') return changed;
    const { name, type } = verdict.service;
    const there = readMasterCf(changed).find((each) => each.name === name && each.type === type);
    return there === undefined ? changed : addOptions(changed, there, verdict.options);
  }, text);
  const missing = new Set(verdicts.filter(({ action }) => action === 'append').map(({ name }) => name));
  const items = itemsOf(wiring.master).filter(({ lines }) =>
    readMasterCf(lines.join('\n')).some((service) => missing.has(serviceName(service))),
  );
  return append(
    extended,
    wiring,
    items.flatMap(({ comments, lines }) => [...comments, ...lines]),
  );
}

/** Adds lines at the end, below one that says whose they are. */
function append(text: string, wiring: Wiring, lines: readonly string[]): string {
  if (lines.length === 0) return text;
  const start = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  const head = `# By "sealpost postfix apply ${wiring.name}"; "sealpost postfix undo" takes it out.`;
  return `${start}\n${[head, ...lines].join('\n')}\n`;
}
