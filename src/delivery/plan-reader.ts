// The plan for one reader alone: rules, settings, keys. Pure.
import { type EffectiveSettings, effectiveSettings, type Settings } from '../config/settings.ts';
import type { Domain, KeyKind, Reader, StoredKey } from '../directory/types.ts';
import type { KeyChoice } from '../keys/choose.ts';
import { noKey, noUsableKey, RULE_NEEDS_KEY, RULE_REFUSES } from '../smtp/our-replies.ts';
import {
  type Because,
  count,
  type PlanInput,
  pass,
  type ReaderBasis,
  refuse,
  type Verdict,
} from './decision.ts';
import { type FoundRule, firstMatch, ruleInWords, rulesInOrder } from './rules.ts';

/** What counts for one reader, and the choice among its keys. */
export interface ReaderPlan {
  readonly reader: Reader | null;
  readonly settings: EffectiveSettings;
  /** Those that are weighed. */
  readonly keys: readonly StoredKey[];
  readonly choice: KeyChoice;
  /** false when the keys are the domain's. */
  readonly ownKeys: boolean;
  readonly rules: readonly FoundRule[];
  /** The rule that matches the message. */
  readonly rule: FoundRule | null;
}

/** What the decision carries of it. */
export function basisOf({ reader, settings, choice, ownKeys, rules, rule }: ReaderPlan): ReaderBasis {
  return { reader, settings, keys: choice.judged, ownKeys, rules, rule };
}

/** An address that nobody has: the settings, keys and rules of its domain. */
export function nobodyOf(input: PlanInput): ReaderPlan {
  return planOf(input, null, input.facts.domain, input.facts.domainKeys, false);
}

/** The settings and the keys of one reader; the domain's keys where it has none of its own. */
export function readerOf(input: PlanInput, reader: Reader): ReaderPlan {
  const { domain, domainKeys } = input.facts;
  // Reached by an alias of ours: what its domain demands of plaintext holds, and a key of the domain would help nobody.
  if (reader.kind === 'outside') return planOf(input, reader, domain, [], false);
  const ownKeys = reader.keys.length > 0;
  const level = reader.kind === 'user' ? reader.user.domain : domain;
  return planOf(input, reader, level, ownKeys ? reader.keys : domainKeys, ownKeys);
}

/** @param domain whose settings and rules stand above the global ones, and below the user's */
function planOf(
  input: PlanInput,
  reader: Reader | null,
  domain: Domain | null,
  keys: readonly StoredKey[],
  ownKeys: boolean,
): ReaderPlan {
  const user = reader?.kind === 'user' ? reader.user : null;
  const settings = effectiveSettings(input.global, domain?.settings, user?.settings);
  const rules = rulesInOrder(user, domain);
  return {
    reader,
    settings,
    keys,
    choice: input.choose(keys, preferredKind(settings.values)),
    ownKeys,
    rules,
    rule: input.message === null ? null : firstMatch(rules, input.message),
  };
}

/** The same reader, were OpenPGP the only kind of key. */
export function openPgpOnly(input: PlanInput, plan: ReaderPlan): ReaderPlan {
  const keys = plan.keys.filter(({ kind }) => kind === 'openpgp');
  return { ...plan, keys, choice: input.choose(keys, preferredKind(plan.settings.values)) };
}

function preferredKind({ prefer }: Settings): KeyKind {
  return prefer === 'smime' ? 'x509' : 'openpgp';
}

/**
 * Between settings and "already encrypted": an administrator's rule for this very mail. `reject` refuses, `pass` is a lasting
 * exception from sealing, and `seal` stands above `encrypt = off` and leaves plaintext no way out.
 */
export function planReader(input: PlanInput, reader: ReaderPlan): Verdict {
  const found = reader.rule;
  if (found === null) return planKeys(input, reader, reader.settings.values);
  const words = `${ruleInWords(found)} is ${found.rule.action}`;
  switch (found.rule.action) {
    case 'reject':
      return refuse('reject', 'rule', words, RULE_REFUSES);
    case 'pass':
      return pass('rule', words, !input.detection.encrypted);
    case 'seal':
      return sealedByRule(planKeys(input, reader, { ...reader.settings.values, encrypt: true }), words);
  }
}

function sealedByRule(decision: Verdict, words: string): Verdict {
  const reason = `${words}; ${decision.reason}`;
  if (decision.action !== 'pass' || decision.because === 'already encrypted') return { ...decision, reason };
  return {
    ...refuse('defer', decision.because, `${reason}, which a rule does not allow`, RULE_NEEDS_KEY),
    leftOut: decision.leftOut,
  };
}

/** What the settings and the keys come to for this mail, whatever the rules say. */
export function planKeys(
  input: PlanInput,
  { choice, ownKeys }: Pick<ReaderPlan, 'choice' | 'ownKeys'>,
  settings: Settings,
): Verdict {
  if (!settings.encrypt) return pass('encryption off', 'encrypt is off for this recipient', false);
  if (input.detection.encrypted) return pass('already encrypted', input.detection.because, false);
  const whose = ownKeys ? 'the recipient' : 'the domain';
  switch (choice.state) {
    case 'usable':
      return seal(input, settings, choice, 'usable key', `${inWords(choice)} of ${whose}`);
    case 'missing':
      return onMissing(settings);
    case 'expired':
      if (settings.on_expired_key === 'encrypt' && choice.use.length > 0) {
        return seal(input, settings, choice, 'expired key used', `${inWords(choice)} of ${whose}, expired`);
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

function inWords({ kind, use }: KeyChoice): string {
  return count(use.length, kind === 'x509' ? 'X.509 certificate' : 'key');
}

function seal(
  { global }: Pick<PlanInput, 'global'>,
  settings: Settings,
  choice: KeyChoice,
  because: Because,
  reason: string,
): Verdict {
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
    headerOutside: global.header_outside ?? [],
    hideKeyIds: settings.hide_key_ids,
  };
}

function onMissing(settings: Settings): Verdict {
  if (settings.on_missing_key === 'pass')
    return pass('no key', 'no key is known, and on_missing_key is pass', false);
  return refuse(
    settings.on_missing_key,
    'no key',
    `no key is known, and on_missing_key is ${settings.on_missing_key}`,
    noKey(settings.on_missing_key),
  );
}

function onBadKey(
  setting: Settings['on_expired_key'] | Settings['on_unusable_key'],
  because: Because,
  state: string,
  name: string,
  choice: KeyChoice,
): Verdict {
  if (setting === 'pass') {
    return { ...pass(because, `every key is ${state}, and ${name} is pass`, true), leftOut: choice.leftOut };
  }
  // "encrypt" without a key that can be used at any time is an unusable key: never plaintext, never an error to the sender.
  const action = setting === 'reject' ? 'reject' : 'defer';
  return {
    ...refuse(
      action,
      because,
      `every key is ${state}, and ${name} is ${setting}`,
      noUsableKey(action, state),
    ),
    leftOut: choice.leftOut,
  };
}
