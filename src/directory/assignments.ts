// `key=value` arguments of `domain set` and `user set`, checked against the settings' own schema. Pure.

import { normaliseDomain } from '../address/normalise.ts';
import {
  REFUSAL_ACTIONS,
  REFUSAL_REASONS,
  type RefusalOverride,
  type RefusalReason,
  refusalOverrideSchema,
} from '../config/refusal-texts.ts';
import { SETTING_NAMES, type SettingName, type SettingsOverride, settingsShape } from '../config/settings.ts';
import { ChangeRefused } from './refused.ts';

/** What is to change. A setting of undefined is removed: the wider level counts again. */
export interface Assignments {
  readonly settings: ReadonlyMap<SettingName, SettingsOverride[SettingName]>;
  /** undefined: leave; null: none. */
  readonly transport: string | null | undefined;
  readonly class: 'virtual' | 'relay' | undefined;
  readonly foldLocalPart: boolean | undefined;
  /** Of a domain: Postfix delivers for it by itself (mydestination); undefined: leave. */
  readonly local: boolean | undefined;
  /** Of a domain: names and address literals, normalised; undefined: leave. */
  readonly otherNames: readonly string[] | undefined;
  /** Of a domain: texts and actions of check_recipient. A value of undefined is removed. */
  readonly refusals: readonly RefusalAssignment[];
  /** Of a user: outside addresses that get copies, as typed; undefined: leave. */
  readonly forwards: readonly string[] | undefined;
  /** Of a user: sender addresses beside the own ones, as typed; undefined: leave. */
  readonly sendAs: readonly string[] | undefined;
}

export interface RefusalAssignment {
  readonly reason: RefusalReason;
  readonly part: 'text' | 'action';
  readonly value: string | undefined;
}

/** `unknown_text`, `over_quota_action` and the like. */
export const REFUSAL_NAMES: readonly string[] = REFUSAL_REASONS.flatMap((reason) => [
  `${reason}_text`,
  `${reason}_action`,
]);

/**
 * Reads assignments. Every error is named at once.
 * @param words such as `style=inline`, `transport=lmtp:unix:/run/x`, `encrypt=` (removes)
 * @param level which names are allowed: `class` and `fold_local_part` belong to domains
 * @throws ChangeRefused
 */
export function parseAssignments(words: readonly string[], level: 'domain' | 'user'): Assignments {
  const settings = new Map<SettingName, SettingsOverride[SettingName]>();
  const errors: string[] = [];
  let transport: string | null | undefined;
  let domainClass: 'virtual' | 'relay' | undefined;
  let foldLocalPart: boolean | undefined;
  let local: boolean | undefined;
  let otherNames: readonly string[] | undefined;
  const refusals: RefusalAssignment[] = [];
  let forwards: readonly string[] | undefined;
  let sendAs: readonly string[] | undefined;
  const allowed = [
    ...SETTING_NAMES,
    'transport',
    ...(level === 'domain'
      ? ['class', 'fold_local_part', 'local', 'other_names', ...REFUSAL_NAMES]
      : ['forward', 'send_as']),
  ];
  for (const word of words) {
    const at = word.indexOf('=');
    const name = at === -1 ? word : word.slice(0, at);
    const value = word.slice(at + 1);
    if (at === -1) errors.push(`found ${JSON.stringify(word)}, expected NAME=VALUE such as style=inline`);
    else if (!allowed.includes(name))
      errors.push(`found the setting ${JSON.stringify(name)}, expected one of ${allowed.join(', ')}`);
    else if (name === 'transport') {
      if (/[\p{Cc}\s]/u.test(value))
        errors.push(`${word}: expected a transport such as lmtp:unix:/run/dovecot/lmtp`);
      else transport = value === '' ? null : value;
    } else if (name === 'forward') forwards = splitList(value);
    else if (name === 'send_as') sendAs = splitList(value);
    else if (REFUSAL_NAMES.includes(name)) {
      const refusal = readRefusal(name, value);
      if (refusal === null) {
        const expected = name.endsWith('_action')
          ? REFUSAL_ACTIONS.join(', ')
          : 'up to 300 characters of printable ASCII';
        errors.push(`${name}: found ${JSON.stringify(value)}, expected ${expected}`);
      } else refusals.push(refusal);
    } else if (name === 'class') {
      if (value === 'virtual' || value === 'relay') domainClass = value;
      else if (value === '') domainClass = 'virtual';
      else errors.push(`class: found ${JSON.stringify(value)}, expected virtual or relay`);
    } else if (name === 'fold_local_part') {
      foldLocalPart = readFlag(name, value, true, errors);
    } else if (name === 'local') {
      local = readFlag(name, value, false, errors);
    } else if (name === 'other_names') {
      otherNames = readNames(value, errors);
    } else {
      const setting = name as SettingName;
      const read = value === '' ? undefined : readSetting(setting, value);
      if (value !== '' && read === undefined) {
        errors.push(`${setting}: found ${JSON.stringify(value)}, expected ${choicesOf(setting)}`);
      } else settings.set(setting, read);
    }
  }
  if (errors.length > 0) throw new ChangeRefused(errors.join('; '));
  return {
    settings,
    transport,
    class: domainClass,
    foldLocalPart,
    local,
    otherNames,
    refusals,
    forwards,
    sendAs,
  };
}

/** @param otherwise what an empty value gives back */
function readFlag(name: string, value: string, otherwise: boolean, errors: string[]): boolean | undefined {
  const flag = value === '' ? otherwise : readSetting('encrypt', value);
  if (typeof flag === 'boolean') return flag;
  errors.push(`${name}: found ${JSON.stringify(value)}, expected on or off`);
  return undefined;
}

/** Names and address literals with commas between, normalised. */
function readNames(value: string, errors: string[]): readonly string[] {
  const names = new Set<string>();
  for (const each of splitList(value)) {
    const name = normaliseDomain(each);
    if (name !== null) names.add(name);
    else
      errors.push(
        `other_names: found ${JSON.stringify(each)}, expected names and address literals such as mx.example.org,[192.0.2.1]`,
      );
  }
  return [...names];
}

/** Addresses with commas between; a comma inside quotes belongs to its address. */
function splitList(value: string): readonly string[] {
  return (value.match(/(?:"(?:[^"\\]|\\.)*"|[^,])+/g) ?? [])
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

function readRefusal(name: string, value: string): RefusalAssignment | null {
  const reason = REFUSAL_REASONS.find((each) => name === `${each}_text` || name === `${each}_action`);
  if (reason === undefined) return null;
  const part = name.endsWith('_action') ? 'action' : 'text';
  if (value === '') return { reason, part, value: undefined };
  return refusalOverrideSchema.safeParse({ [reason]: { [part]: value } }).success
    ? { reason, part, value }
    : null;
}

/** Applies texts and actions to what is stored. */
export function applyRefusals(
  stored: RefusalOverride,
  { refusals }: Pick<Assignments, 'refusals'>,
): RefusalOverride {
  const result: Record<string, Record<string, unknown>> = structuredClone(stored) as Record<
    string,
    Record<string, unknown>
  >;
  for (const { reason, part, value } of refusals) {
    const own = { ...result[reason] };
    if (value === undefined) delete own[part];
    else own[part] = value;
    if (Object.keys(own).length === 0) delete result[reason];
    else result[reason] = own;
  }
  return refusalOverrideSchema.parse(result);
}

function readSetting(name: SettingName, value: string): SettingsOverride[SettingName] {
  const parsed = settingsShape[name].safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

function choicesOf(name: SettingName): string {
  const schema = settingsShape[name];
  const choices =
    'options' in schema && schema.options.every((option) => typeof option === 'string')
      ? schema.options
      : ['on', 'off'];
  return choices.join(', ').replace(/, ([^,]*)$/, ' or $1');
}

/** Applies assignments to what is stored. */
export function applySettings(stored: SettingsOverride, { settings }: Assignments): SettingsOverride {
  const result: Record<string, unknown> = { ...stored };
  for (const [name, value] of settings) {
    if (value === undefined) delete result[name];
    else result[name] = value;
  }
  return result;
}
