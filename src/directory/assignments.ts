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
import { DOMAIN_PUBLISH } from '../database/schema.ts';
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
  /** Of a domain: whether keys can be handed over by the Web Key Service; undefined: leave. */
  readonly wks: boolean | undefined;
  /** Whether keys are published; null: a user's as the domain has it; undefined: leave. `ask` belongs to domains. */
  readonly publish: 'ask' | 'on' | 'off' | null | undefined;
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

/** What belongs to domains, and to users. */
const DOMAIN_NAMES = ['class', 'fold_local_part', 'local', 'other_names', 'wks', 'publish', ...REFUSAL_NAMES];
const USER_NAMES = ['forward', 'send_as', 'publish'];

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/** What was read so far. */
interface Draft extends Writable<Omit<Assignments, 'settings' | 'refusals'>> {
  readonly settings: Map<SettingName, SettingsOverride[SettingName]>;
  readonly refusals: RefusalAssignment[];
}

/**
 * Reads assignments. Every error is named at once.
 * @param words such as `style=inline`, `transport=lmtp:unix:/run/x`, `encrypt=` (removes)
 * @param level which names are allowed: `class` and `fold_local_part` belong to domains
 * @throws ChangeRefused
 */
export function parseAssignments(words: readonly string[], level: 'domain' | 'user'): Assignments {
  const draft: Draft = {
    settings: new Map(),
    transport: undefined,
    class: undefined,
    foldLocalPart: undefined,
    local: undefined,
    otherNames: undefined,
    wks: undefined,
    publish: undefined,
    refusals: [],
    forwards: undefined,
    sendAs: undefined,
  };
  const errors: string[] = [];
  const allowed = [...SETTING_NAMES, 'transport', ...(level === 'domain' ? DOMAIN_NAMES : USER_NAMES)];
  for (const word of words) {
    const at = word.indexOf('=');
    const name = at === -1 ? word : word.slice(0, at);
    if (at === -1) errors.push(`found ${JSON.stringify(word)}, expected NAME=VALUE such as style=inline`);
    else if (!allowed.includes(name))
      errors.push(`found the setting ${JSON.stringify(name)}, expected one of ${allowed.join(', ')}`);
    else readAssignment(draft, name, word.slice(at + 1), level, errors);
  }
  if (errors.length > 0) throw new ChangeRefused(errors.join('; '));
  return draft;
}

function readAssignment(
  draft: Draft,
  name: string,
  value: string,
  level: 'domain' | 'user',
  errors: string[],
): void {
  switch (name) {
    case 'transport':
      if (/[\p{Cc}\s]/u.test(value))
        errors.push(`${name}=${value}: expected a transport such as lmtp:unix:/run/dovecot/lmtp`);
      else draft.transport = value === '' ? null : value;
      return;
    case 'forward':
      draft.forwards = splitList(value);
      return;
    case 'send_as':
      draft.sendAs = splitList(value);
      return;
    case 'class':
      if (value === 'virtual' || value === 'relay') draft.class = value;
      else if (value === '') draft.class = 'virtual';
      else errors.push(`class: found ${JSON.stringify(value)}, expected virtual or relay`);
      return;
    case 'fold_local_part':
      draft.foldLocalPart = readFlag(name, value, true, errors);
      return;
    case 'local':
      draft.local = readFlag(name, value, false, errors);
      return;
    case 'other_names':
      draft.otherNames = readNames(value, errors);
      return;
    case 'wks':
      draft.wks = readFlag(name, value, false, errors);
      return;
    case 'publish':
      draft.publish = readPublish(value, level, errors);
      return;
    default:
      if (REFUSAL_NAMES.includes(name)) addRefusal(draft, name, value, errors);
      else addSetting(draft, name as SettingName, value, errors);
  }
}

function addRefusal(draft: Draft, name: string, value: string, errors: string[]): void {
  const refusal = readRefusal(name, value);
  if (refusal === null) {
    const expected = name.endsWith('_action')
      ? REFUSAL_ACTIONS.join(', ')
      : 'up to 300 characters of printable ASCII';
    errors.push(`${name}: found ${JSON.stringify(value)}, expected ${expected}`);
  } else draft.refusals.push(refusal);
}

function addSetting(draft: Draft, setting: SettingName, value: string, errors: string[]): void {
  const read = value === '' ? undefined : readSetting(setting, value);
  if (value !== '' && read === undefined)
    errors.push(`${setting}: found ${JSON.stringify(value)}, expected ${choicesOf(setting)}`);
  else draft.settings.set(setting, read);
}

/** An empty value: of a user what the domain has, of a domain to ask. */
function readPublish(value: string, level: 'domain' | 'user', errors: string[]): Assignments['publish'] {
  if (value === '') return level === 'user' ? null : 'ask';
  const choices = level === 'user' ? (['on', 'off'] as const) : DOMAIN_PUBLISH;
  const found = choices.find((choice) => choice === value);
  if (found === undefined) {
    const expected = level === 'user' ? 'on or off' : 'ask, on or off';
    errors.push(`publish: found ${JSON.stringify(value)}, expected ${expected}`);
  }
  return found;
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
