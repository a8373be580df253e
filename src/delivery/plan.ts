// What happens to one recipient's copy: recipients x keys x settings in, a decision with its reason out.
// Pure: nothing is looked up here.
import { SETTING_NAMES, type SettingLevel, type SettingName, type Settings } from '../config/settings.ts';
import { readersOf } from '../directory/readers.ts';
import type { Reader } from '../directory/types.ts';
import type { RecipientKey } from '../openpgp/types.ts';
import {
  ALIAS_LOOP,
  ALIAS_WITHOUT_TARGETS,
  DIRECTORY_AWAY,
  NOT_DECIDED,
  readersDiffer,
  readerUnclear,
} from '../smtp/our-replies.ts';
import { count, type Decision, type PlanInput, refuse, type Verdict } from './decision.ts';
import {
  basisOf,
  nobodyOf,
  openPgpOnly,
  planKeys,
  planReader,
  type ReaderPlan,
  readerOf,
} from './plan-reader.ts';

/** Decides on one recipient's copy. */
export function planCopy(input: PlanInput): Decision {
  const plans = plansOf(input);
  return {
    ...verdictOf(input, plans),
    facts: input.facts,
    readers: plans.map(basisOf),
    ...(input.keyDoor === 'reads' ? { readForKeys: true } : {}),
  };
}

/** One reader's copy, and who it is for. */
export interface ReaderDecision {
  readonly reader: Reader;
  readonly decision: Decision;
}

/**
 * Decides on a copy for each reader alone: as if Postfix had expanded the alias, and each copy told of no other reader.
 * @returns none where there is no reader: then {@link planCopy} says why
 */
export function planEach(input: PlanInput): readonly ReaderDecision[] {
  return readersOf(input.facts).map((reader) => {
    const plan = readerOf(input, reader);
    return { reader, decision: { ...planReader(input, plan), facts: input.facts, readers: [basisOf(plan)] } };
  });
}

const TAKEN: Verdict = {
  action: 'take',
  because: 'key address',
  reason: 'the key address (portal.key_address): the letter is read for keys, and goes to nobody',
  leftOut: [],
};

function plansOf(input: PlanInput): readonly ReaderPlan[] {
  return input.facts.resolution.kind === 'nobody'
    ? [nobodyOf(input)]
    : readersOf(input.facts).map((reader) => readerOf(input, reader));
}

function verdictOf(input: PlanInput, plans: readonly ReaderPlan[]): Verdict {
  const [first] = plans;
  const { resolution } = input.facts;
  if (input.keyDoor === 'takes') return TAKEN;
  if (resolution.kind === 'unclear')
    return refuse('defer', 'reader unclear', resolution.because, readerUnclear(resolution.because));
  if (resolution.kind === 'loop') {
    return refuse(
      'defer',
      'alias loop',
      'the alias returns to itself or is nested deeper than 10',
      ALIAS_LOOP,
    );
  }
  if (first === undefined) {
    return refuse('defer', 'alias without readers', 'the alias has no targets', ALIAS_WITHOUT_TARGETS);
  }
  return plans.length === 1 ? planReader(input, first) : planAlias(input, plans);
}

/**
 * An alias that was not expanded before the filter: one copy, several readers. All of them must be able to read it, and
 * none may get plaintext that another one's key says to seal: so the readers must agree on sealing or on passing; the
 * strictest refusal wins; key IDs are hidden where there are several readers. A rule that passes holds only where every
 * reader's copy passes: beside one that is sealed, it is sealed to all of them.
 *
 * One copy is of one kind, and S/MIME cannot hide who else reads it: where a reader would get S/MIME, all of them get
 * OpenPGP if all of them have such a key, and else Postfix has to expand the alias.
 */
function planAlias(input: PlanInput, plans: readonly ReaderPlan[]): Verdict {
  const decisions = planReaders(input, plans);
  const refused =
    decisions.find((decision) => decision.action === 'defer') ??
    decisions.find((decision) => decision.action === 'reject');
  if (refused !== undefined) return refused;
  const sealing = decisions.filter((decision) => decision.action === 'seal');
  if (sealing.length === 0) return passForAll(decisions);
  if (sealing.length < decisions.length) return noCopyForAll('some have a key and some have none');
  if (sealing.every(({ kind }) => kind === 'openpgp')) return sealForAll(sealing);
  const openPgp = plans.map((plan) => openPgpOnly(input, plan));
  const asOpenPgp = planReaders(input, openPgp).filter((decision) => decision.action === 'seal');
  return asOpenPgp.length === decisions.length
    ? sealForAll(asOpenPgp)
    : noCopyForAll('S/MIME would tell each of them who the others are');
}

function planReaders(input: PlanInput, plans: readonly ReaderPlan[]): readonly Verdict[] {
  const alone = plans.map((plan) => ({ plan, decision: planReader(input, plan) }));
  const sealed = alone.some(({ decision }) => decision.action === 'seal');
  return alone.map(({ plan, decision }) =>
    sealed && decision.action === 'pass' && decision.because === 'rule'
      ? planKeys(input, plan, plan.settings.values)
      : decision,
  );
}

/** The choice for plaintext, where one of them made it, is what the log must tell. */
function passForAll(passing: readonly Verdict[]): Verdict {
  const [first] = passing;
  if (first === undefined) throw new Error('an alias without readers is planned before');
  return passing.find((decision) => decision.action === 'pass' && decision.plaintextByChoice) ?? first;
}

type Sealing = Extract<Verdict, { action: 'seal' }>;

function sealForAll(sealing: readonly Sealing[]): Verdict {
  const [first] = sealing;
  if (first === undefined) throw new Error('an alias without readers is planned before');
  const keys = uniqueKeys(sealing.flatMap((decision) => decision.keys));
  return {
    ...first,
    reason: `${count(keys.length)} of ${sealing.length} readers of the alias`,
    keys,
    leftOut: sealing.flatMap((decision) => decision.leftOut),
    // The reader who wants more hidden decides for all: so does the one who wants PGP/MIME, which hides more than inline does.
    style: sealing.every((decision) => decision.style === 'inline') ? 'inline' : 'mime',
    subject: sealing.some((decision) => decision.subject === 'hide') ? 'hide' : 'keep',
    headerPolicy: strictest(sealing.map((decision) => decision.headerPolicy)),
    hideKeyIds: true,
  };
}

function strictest(policies: readonly Settings['header_policy'][]): Settings['header_policy'] {
  return (['shy', 'baseline'] as const).find((policy) => policies.includes(policy)) ?? 'no_confidentiality';
}

function noCopyForAll(how: string): Verdict {
  return refuse(
    'defer',
    'alias readers differ',
    `the readers of the alias cannot share one copy: ${how}; expand the alias before the filter (virtual_alias_maps)`,
    readersDiffer(how),
  );
}

function uniqueKeys(keys: readonly RecipientKey[]): readonly RecipientKey[] {
  return [...new Map(keys.map((key) => [key.fingerprint, key])).values()];
}

/** The decision when the directory cannot be asked: never "no key". */
export function directoryUnavailable(): Verdict {
  return refuse('defer', 'directory unavailable', 'the directory could not be asked', DIRECTORY_AWAY);
}

/** The decision when deciding itself failed, which is a fault of ours: never plaintext. */
export function decisionFailed(): Verdict {
  return refuse('defer', 'decision failed', 'deciding on the recipient failed', NOT_DECIDED);
}

/** A setting as it holds for a copy, and where that comes from. */
export interface CopySetting {
  /** null where the readers differ, and the copy does not depend on it. */
  readonly value: Settings[SettingName] | null;
  /** `readers`: several readers' settings together, of which the strictest counts. */
  readonly from: SettingLevel | 'readers';
}

/** The settings that hold for the copy: the one reader's, or what the copy for several of them comes to; none of a loop. */
export function settingsOfCopy(decision: Decision): Readonly<Partial<Record<SettingName, CopySetting>>> {
  if (decision.readers.length === 0) return {};
  const shared: Partial<Record<SettingName, Settings[SettingName]>> =
    decision.action === 'seal' && decision.readers.length > 1
      ? {
          style: decision.style,
          subject: decision.subject,
          header_policy: decision.headerPolicy,
          hide_key_ids: decision.hideKeyIds,
        }
      : {};
  const entries = SETTING_NAMES.map((name): [SettingName, CopySetting] => {
    const values = new Set(decision.readers.map(({ settings }) => settings.values[name]));
    const levels = new Set(decision.readers.map(({ settings }) => settings.levels[name]));
    const [value = null] = values;
    const [level = 'global'] = levels;
    const decided = shared[name];
    if (decided !== undefined && (values.size > 1 || decided !== value))
      return [name, { value: decided, from: 'readers' }];
    if (values.size > 1) return [name, { value: null, from: 'readers' }];
    return [name, { value, from: levels.size > 1 ? 'readers' : level }];
  });
  return Object.fromEntries(entries);
}
