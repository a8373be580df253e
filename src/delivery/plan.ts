// What happens to one recipient's copy: recipients x keys x settings in, a decision with its reason out (messages.md,
// "Who gets what: the plan"). Pure: nothing is looked up here.
import { effectiveSettings, type Settings, type SettingsOverride } from '../config/settings.ts';
import type { KeyKind, Reader, RecipientFacts, StoredKey } from '../directory/types.ts';
import type { KeyChoice } from '../keys/choose.ts';
import type { Detection } from '../message/detect.ts';
import type { RecipientKey } from '../openpgp/types.ts';
import type { Reply } from '../smtp/types.ts';
import { type FoundRule, firstMatch, type RuledMessage, ruleInWords, rulesInOrder } from './rules.ts';

/** Why a decision was taken, as a word for logs and metrics. */
export type Because =
  | 'usable key'
  | 'expired key used'
  | 'encryption off'
  | 'rule'
  | 'already encrypted'
  | 'no key'
  | 'key expired'
  | 'key unusable'
  | 'alias loop'
  | 'alias readers differ'
  | 'alias without readers'
  | 'directory unavailable';

interface Decided {
  readonly because: Because;
  /** One sentence for `explain` and the log: no address, no content. */
  readonly reason: string;
  /** Fingerprints of known keys that were not used, and why. */
  readonly leftOut: readonly { readonly fingerprint: string; readonly because: string }[];
}

export type Decision =
  | (Decided & {
      readonly action: 'seal';
      readonly keys: readonly RecipientKey[];
      /** Of all the keys: an OpenPGP message, or S/MIME, which has one shape whatever the style. */
      readonly kind: KeyKind;
      readonly smimeCipher: Settings['smime_cipher'];
      readonly style: Settings['style'];
      readonly subject: Settings['subject'];
      readonly headerPolicy: Settings['header_policy'];
      readonly hideKeyIds: boolean;
    })
  | (Decided & {
      readonly action: 'pass';
      /** A key or a setting knew better, and the administrator chose plaintext all the same: logged at warn and counted. */
      readonly plaintextByChoice: boolean;
    })
  | (Decided & { readonly action: 'defer' | 'reject'; readonly reply: Reply });

/** Everything the plan needs of one recipient. */
export interface PlanInput {
  readonly facts: RecipientFacts;
  readonly global: Settings;
  readonly detection: Detection;
  /** What rules look at; null while there is no message (rules are not tried then). */
  readonly message: RuledMessage | null;
  /** Chooses among stored keys at the moment of the plan (keys/choose over inspected certificates). */
  readonly choose: (keys: readonly StoredKey[], prefer: KeyKind) => KeyChoice;
}

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
      return planReader(input, {
        settings: settingsOf(input, undefined),
        keys: facts.domainKeys,
        ownKeys: false,
        rules: rulesInOrder(null, facts.domain),
      });
    case 'user':
    case 'contact':
      return planReader(input, readerOf(input, resolution.readers[0]));
    case 'alias':
      return planAlias(input, resolution.readers);
  }
}

interface ReaderPlan {
  readonly settings: Settings;
  readonly keys: readonly StoredKey[];
  /** false when the keys are the domain's. */
  readonly ownKeys: boolean;
  readonly rules: readonly FoundRule[];
}

function settingsOf(input: PlanInput, user: SettingsOverride | undefined): Settings {
  return effectiveSettings(input.global, input.facts.domain?.settings, user).values;
}

/** Step 3 and 5: the settings and the keys of one reader; the domain's keys where it has none of its own. */
function readerOf(input: PlanInput, reader: Reader): ReaderPlan {
  const { domainKeys } = input.facts;
  const rules = rulesOfReader(input.facts, reader);
  switch (reader.kind) {
    case 'user': {
      const settings = effectiveSettings(
        input.global,
        reader.user.domain.settings,
        reader.user.settings,
      ).values;
      return reader.keys.length > 0
        ? { settings, keys: reader.keys, ownKeys: true, rules }
        : { settings, keys: domainKeys, ownKeys: false, rules };
    }
    case 'contact':
      return reader.keys.length > 0
        ? { settings: settingsOf(input, undefined), keys: reader.keys, ownKeys: true, rules }
        : { settings: settingsOf(input, undefined), keys: domainKeys, ownKeys: false, rules };
    case 'outside':
      return { settings: input.global, keys: [], ownKeys: false, rules };
  }
}

/** The rules that count for a reader: the user's, then those of the user's own domain, as with settings. */
export function rulesOfReader(facts: RecipientFacts, reader: Reader): readonly FoundRule[] {
  switch (reader.kind) {
    case 'user':
      return rulesInOrder(reader.user, reader.user.domain);
    case 'contact':
      return rulesInOrder(null, facts.domain);
    case 'outside':
      return [];
  }
}

/**
 * Between settings and "already encrypted": an administrator's rule for this very mail. `reject` refuses, `pass` is a lasting
 * exception from sealing, and `seal` stands above `encrypt = off` and leaves plaintext no way out.
 */
function planReader(input: PlanInput, reader: ReaderPlan): Decision {
  const found = input.message === null ? null : firstMatch(reader.rules, input.message);
  if (found === null) return planKeys(input, reader);
  const words = `${ruleInWords(found)} is ${found.rule.action}`;
  switch (found.rule.action) {
    case 'reject':
      return refuse('reject', 'rule', words, {
        code: 550,
        enhanced: '5.7.1',
        text: 'A rule of this recipient refuses this message',
      });
    case 'pass':
      return pass('rule', words, !input.detection.encrypted);
    case 'seal':
      return sealedByRule(
        planKeys(input, { ...reader, settings: { ...reader.settings, encrypt: true } }),
        words,
      );
  }
}

function sealedByRule(decision: Decision, words: string): Decision {
  const reason = `${words}; ${decision.reason}`;
  if (decision.action !== 'pass' || decision.because === 'already encrypted') return { ...decision, reason };
  return {
    ...refuse('defer', decision.because, `${reason}, which a rule does not allow`, {
      code: 450,
      enhanced: '4.7.5',
      text: 'A rule seals this message, and no usable key of this recipient is known',
    }),
    leftOut: decision.leftOut,
  };
}

function planKeys(input: PlanInput, reader: ReaderPlan): Decision {
  const { settings } = reader;
  if (!settings.encrypt) return pass('encryption off', 'encrypt is off for this recipient', false);
  if (input.detection.encrypted) return pass('already encrypted', input.detection.because, false);
  const choice = input.choose(reader.keys, settings.prefer === 'smime' ? 'x509' : 'openpgp');
  const whose = reader.ownKeys ? 'the recipient' : 'the domain';
  switch (choice.state) {
    case 'usable':
      return seal(settings, choice, 'usable key', `${inWords(choice)} of ${whose}`);
    case 'missing':
      return onMissing(settings);
    case 'expired':
      if (settings.on_expired_key === 'encrypt' && choice.use.length > 0) {
        return seal(settings, choice, 'expired key used', `${inWords(choice)} of ${whose}, expired`);
      }
      return onBadKey(settings.on_expired_key, 'key expired', 'expired', 'on_expired_key', choice);
    case 'unusable':
      return onBadKey(
        settings.on_unusable_key,
        'key unusable',
        'revoked, disabled or unusable',
        'on_unusable_key',
        choice,
      );
  }
}

function count(keys: number, noun = 'key'): string {
  return keys === 1 ? `1 ${noun}` : `${keys} ${noun}s`;
}

function inWords({ kind, use }: KeyChoice): string {
  return count(use.length, kind === 'x509' ? 'X.509 certificate' : 'key');
}

function seal(settings: Settings, choice: KeyChoice, because: Because, reason: string): Decision {
  const wantsHidden = settings.subject === 'hide' || settings.header_policy !== 'no_confidentiality';
  // Nothing in an inline message could carry the real fields.
  const shows = choice.kind === 'openpgp' && settings.style === 'inline' && wantsHidden;
  return {
    action: 'seal',
    because,
    reason: shows ? `${reason}; the inline style leaves the header visible, Subject included` : reason,
    leftOut: choice.leftOut,
    keys: choice.use,
    kind: choice.kind,
    smimeCipher: settings.smime_cipher,
    style: settings.style,
    subject: settings.subject,
    headerPolicy: settings.header_policy,
    hideKeyIds: settings.hide_key_ids,
  };
}

function onMissing(settings: Settings): Decision {
  if (settings.on_missing_key === 'pass')
    return pass('no key', 'no key is known, and on_missing_key is pass', false);
  return refuse(
    settings.on_missing_key,
    'no key',
    `no key is known, and on_missing_key is ${settings.on_missing_key}`,
    {
      ...(settings.on_missing_key === 'defer'
        ? { code: 450, enhanced: '4.7.5' }
        : { code: 550, enhanced: '5.7.5' }),
      text: 'No OpenPGP key is known for this recipient, and mail is not stored unencrypted here',
    },
  );
}

function onBadKey(
  setting: Settings['on_expired_key'] | Settings['on_unusable_key'],
  because: Because,
  state: string,
  name: string,
  choice: KeyChoice,
): Decision {
  if (setting === 'pass') {
    return { ...pass(because, `every key is ${state}, and ${name} is pass`, true), leftOut: choice.leftOut };
  }
  // "encrypt" without a key that can be used at any time is an unusable key: never plaintext, never an error to the sender.
  const action = setting === 'reject' ? 'reject' : 'defer';
  return {
    ...refuse(action, because, `every key is ${state}, and ${name} is ${setting}`, {
      ...(action === 'defer' ? { code: 450, enhanced: '4.7.5' } : { code: 550, enhanced: '5.7.5' }),
      text: `Every OpenPGP key or S/MIME certificate of this recipient is ${state}`,
    }),
    leftOut: choice.leftOut,
  };
}

function pass(because: Because, reason: string, plaintextByChoice: boolean): Decision {
  return { action: 'pass', because, reason, leftOut: [], plaintextByChoice };
}

function refuse(action: 'defer' | 'reject', because: Because, reason: string, reply: Reply): Decision {
  return { action, because, reason, leftOut: [], reply };
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
