// What happens to one recipient's copy: recipients x keys x settings in, a decision with its reason out (messages.md,
// "Who gets what: the plan"). Pure: nothing is looked up here.
import type { Settings } from '../config/settings.ts';
import type { Reader } from '../directory/types.ts';
import type { RecipientKey } from '../openpgp/types.ts';
import { count, type Decision, type PlanInput, refuse } from './decision.ts';
import { nobodyOf, planKeys, planReader, type ReaderPlan, readerOf } from './plan-reader.ts';

/** Decides on one recipient's copy, in the order of messages.md. */
export function planCopy(input: PlanInput): Decision {
  const { facts } = input;
  const { resolution } = facts;
  switch (resolution.kind) {
    case 'loop':
      return refuse('defer', 'alias loop', 'the alias returns to itself or is nested deeper than 10', {
        code: 451,
        enhanced: '4.4.6',
        text: 'The alias of this recipient is a loop; see "sealpost alias list"',
      });
    case 'nobody':
      return planReader(input, nobodyOf(input));
    case 'user':
    case 'contact':
      return planReader(input, readerOf(input, resolution.readers[0]));
    case 'alias':
      return planAlias(input, resolution.readers);
  }
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
function planAlias(input: PlanInput, readers: readonly Reader[]): Decision {
  const plans = readers.map((reader) => readerOf(input, reader));
  const decisions = planReaders(input, plans);
  const [first] = decisions;
  if (first === undefined) {
    return refuse('defer', 'alias without readers', 'the alias has no targets', {
      code: 451,
      enhanced: '4.2.4',
      text: 'The alias of this recipient has no targets; see "sealpost alias list"',
    });
  }
  if (decisions.length === 1) return first;
  const refused =
    decisions.find((decision) => decision.action === 'defer') ??
    decisions.find((decision) => decision.action === 'reject');
  if (refused !== undefined) return refused;
  const sealing = decisions.filter((decision) => decision.action === 'seal');
  if (sealing.length === 0)
    return decisions.find((decision) => decision.action === 'pass' && decision.plaintextByChoice) ?? first;
  if (sealing.length < decisions.length) return readersDiffer('some have a key and some have none');
  if (sealing.every(({ kind }) => kind === 'openpgp')) return sealForAll(sealing);
  const openPgpOnly = plans.map((plan) => ({
    ...plan,
    keys: plan.keys.filter(({ kind }) => kind === 'openpgp'),
  }));
  const asOpenPgp = planReaders(input, openPgpOnly).filter((decision) => decision.action === 'seal');
  return asOpenPgp.length === decisions.length
    ? sealForAll(asOpenPgp)
    : readersDiffer('S/MIME would tell each of them who the others are');
}

function planReaders(input: PlanInput, plans: readonly ReaderPlan[]): readonly Decision[] {
  const alone = plans.map((plan) => ({ plan, decision: planReader(input, plan) }));
  const sealed = alone.some(({ decision }) => decision.action === 'seal');
  return alone.map(({ plan, decision }) =>
    sealed && decision.action === 'pass' && decision.because === 'rule' ? planKeys(input, plan) : decision,
  );
}

type Sealing = Extract<Decision, { action: 'seal' }>;

function sealForAll(sealing: readonly Sealing[]): Decision {
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

function readersDiffer(how: string): Decision {
  return refuse(
    'defer',
    'alias readers differ',
    `the readers of the alias cannot share one copy: ${how}; expand the alias before the filter (virtual_alias_maps)`,
    {
      code: 451,
      enhanced: '4.7.5',
      text: `The readers of this alias cannot share one copy: ${how}; Postfix must expand it before the filter`,
    },
  );
}

function uniqueKeys(keys: readonly RecipientKey[]): readonly RecipientKey[] {
  return [...new Map(keys.map((key) => [key.fingerprint, key])).values()];
}

/** The decision when the directory cannot be asked: never "no key" (README.md, "Absence is not failure"). */
export function directoryUnavailable(): Decision {
  return refuse('defer', 'directory unavailable', 'the directory could not be asked', {
    code: 451,
    enhanced: '4.4.3',
    text: 'The key directory cannot be reached now; try again later',
  });
}
