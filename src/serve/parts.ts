// The parts of serve in the order in which they start, and what follows from the list: which of them a process runs, and which
// keys of the configuration wait for a restart.
import type { Config } from '../config/schema.ts';
import { enrolmentPart } from './parts/enrolment.ts';
import { filterPart } from './parts/filter.ts';
import { noticesPart } from './parts/notices.ts';
import { observePart } from './parts/observe.ts';
import type { ConfigKey, Part, PrimaryPart } from './parts/part.ts';
import { policyPart } from './parts/policy.ts';
import { portalPart } from './parts/portal.ts';
import { queueApiPart } from './parts/queue-api.ts';
import { receiverPart } from './parts/receiver.ts';
import { syncPart } from './parts/sync.ts';
import type { WorkerPlace } from './worker.ts';

/** The filter is the last one: whoever is greeted there need not wait for anything else. */
export const PARTS: readonly Part[] = [
  noticesPart,
  enrolmentPart,
  policyPart,
  receiverPart,
  queueApiPart,
  portalPart,
  syncPart,
  observePart,
  filterPart,
];

const onlyName = ({ name, goesWith }: Part): string => goesWith ?? name;

/** What --only may name. */
export function onlyNames(parts: readonly Part[]): readonly string[] {
  return [...new Set(parts.map(onlyName))];
}

/** The parts that --only names (undefined: all of them) and the configuration asks for. */
export function wantedParts(
  parts: readonly Part[],
  only: readonly string[] | undefined,
  config: Config,
): readonly Part[] {
  return parts.filter((part) => (only === undefined || only.includes(onlyName(part))) && part.wanted(config));
}

/**
 * Those of the parts that run in a process that works.
 * @param place null: there is one process, and all of them run in it
 */
export function partsAt(parts: readonly Part[], place: WorkerPlace | null): readonly Part[] {
  if (place === null) return parts;
  return parts.filter(
    ({ runs }) => runs === 'in every worker' || (runs === 'in the first worker' && place.number === 1),
  );
}

/** Those of the parts that the primary of several workers runs. */
export function partsOfPrimary(parts: readonly Part[]): readonly PrimaryPart[] {
  return parts.filter((part) => part.runs === 'in the primary');
}

/** What is fixed at start without any part: what the engine stands on. */
const FIXED_FOR_ALL: readonly ConfigKey[] = [
  'hostname',
  'state_dir',
  'recipient_delimiter',
  'mailbox_domain',
  'database',
  'keys',
  'filter.duplicate_lifetime',
  'filter.claim_lease',
];

/** The keys that wait for a restart, of the parts that do not run, too: a restart may be what starts them. */
export function fixedKeysOf(parts: readonly Part[]): readonly ConfigKey[] {
  return [...new Set([...FIXED_FOR_ALL, ...parts.flatMap(({ fixedKeys }) => fixedKeys)])];
}
