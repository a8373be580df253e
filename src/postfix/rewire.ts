// Shows and applies a wiring of a real Postfix. What is decided stands in plan.ts; here it is read, checked and written.
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { Refused } from '../host/exit-codes.ts';
import { PostfixSilent } from './ask.ts';
import { busyPorts, foreignListeners } from './busy-ports.ts';
import { unifiedDiff } from './difference.ts';
import { applyOrRollBack, type Recovered, readContents } from './exchange.ts';
import { placesOf, stillMissing } from './on-this-machine.ts';
import { underLock } from './one-at-a-time.ts';
import { type Plan, planWiring } from './plan.ts';
import { postconf } from './postconf.ts';
import { type Contents, FILES } from './records.ts';
import { refuseWhatChanged, refuseWhatPostfixRefuses } from './refuse.ts';
import { settingsOf } from './settings.ts';
import type { Site } from './site.ts';
import { placeWiring, readWiring, type Wiring } from './wiring.ts';

/** A wiring beside the site that it is to be laid over. */
export interface WiringOutlook {
  readonly wiring: Wiring;
  readonly configDir: string;
  readonly before: Contents;
  readonly plan: Plan;
  /** Unified diffs of the files that change. */
  readonly diff: string;
  /** What sealpost.toml and the machine lack. */
  readonly missing: readonly string[];
}

/** The folder with main.cf. @throws Refused where there is no Postfix, or none in that folder */
export async function configFolder(given: string | null): Promise<string> {
  try {
    return (await postconf(given, ['-h', 'config_directory'])).trim();
  } catch (error) {
    if (!(error instanceof PostfixSilent)) throw error;
    if (error.missing)
      throw new Refused('there is no postconf on this machine: install Postfix, or run this where it is');
    throw new Refused(`Postfix cannot be asked: ${error.message}`);
  }
}

/** Looks at what a wiring would change. Writes nothing. @throws Refused for an unknown wiring, or no Postfix */
export async function lookAt(name: string, given: string | null, config: Config): Promise<WiringOutlook> {
  return outlookOf(readWiring(name), await configFolder(given), config);
}

/** @param plain as the examples have it */
async function outlookOf(plain: Wiring, configDir: string, config: Config): Promise<WiringOutlook> {
  const places = placesOf(plain, config);
  const wiring = placeWiring(plain, places);
  const before = await readContents(configDir);
  const site = await readSite(configDir, before, config);
  const planned = planWiring(site, wiring);
  const busy = [...(await busyPorts(configDir, site, wiring)), ...(await foreignListeners(wiring, config))];
  const plan: Plan =
    busy.length === 0
      ? planned
      : {
          kind: 'conflicts',
          conflicts: [...(planned.kind === 'conflicts' ? planned.conflicts : []), ...busy],
        };
  const diff = plan.kind === 'change' ? await diffOf(configDir, contentsOf(plan)) : '';
  return { wiring, configDir, before, plan, diff, missing: stillMissing(wiring, config, places) };
}

function contentsOf(plan: Exclude<Plan, { kind: 'conflicts' }>): Contents {
  return { 'main.cf': Buffer.from(plan.main, 'latin1'), 'master.cf': Buffer.from(plan.master, 'latin1') };
}

async function diffOf(configDir: string, after: Contents): Promise<string> {
  const parts: string[] = [];
  for (const file of FILES.toReversed()) {
    const path = join(configDir, file);
    parts.push(await unifiedDiff(path, after[file], [path, `${path} (new)`]));
  }
  return parts.join('');
}

async function readSite(configDir: string, before: Contents, config: Config): Promise<Site> {
  return {
    main: before['main.cf'].toString('latin1'),
    master: before['master.cf'].toString('latin1'),
    defaults: settingsOf(await postconf(configDir, ['-d'])),
    queueDirectory: (await postconf(configDir, ['-x', '-h', 'queue_directory'])).trim(),
    nextHop: config.filter.next_hop,
  };
}

/** How an apply ended. */
export interface Applied {
  readonly outlook: WiringOutlook;
  /** false: there was nothing to change, or it was a dry run, or something is in the way. */
  readonly changed: boolean;
  readonly recovered: Recovered | null;
}

/**
 * Applies a wiring: checks the new files by `postfix check`, then puts them in the place of the old ones.
 * @throws Refused where Postfix has something against them, or somebody changed them meanwhile; nothing has changed then
 */
export async function applyWiring(name: string, given: string | null, config: Config): Promise<Applied> {
  const plain = readWiring(name);
  return underLock(await configFolder(given), async (configDir, recovered) => {
    const outlook = await outlookOf(plain, configDir, config);
    const { plan, before } = outlook;
    if (plan.kind !== 'change') return { outlook, changed: false, recovered };
    const after = contentsOf(plan);
    await refuseWhatPostfixRefuses(configDir, after);
    await refuseWhatChanged(configDir, before);
    await applyOrRollBack(configDir, name, before, after);
    return { outlook, changed: true, recovered };
  });
}
