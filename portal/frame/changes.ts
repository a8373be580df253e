// Changes as forms carry them: read from a form, and written into the hidden fields of the page that asks for more proof. Pure.
import {
  SETTING_NAMES,
  type SettingName,
  type SettingsOverride,
  settingsShape,
} from '../../src/config/settings.ts';
import type { Change, Intent, SettingsChange } from '../../src/enrolment/types.ts';
import { field, fingerprintOf, wordOf } from './form.ts';

/** A change that a form can ask for, at once or by waiting. */
export type FormChange = Exclude<Change, { kind: 'key' } | { kind: 'pause' } | { kind: 'pass rule' }>;

/** The settings that a person chooses; the others are the administrator's. */
export const OWN_SETTINGS = [
  'encrypt',
  'subject',
  'header_policy',
  'hide_key_ids',
  'style',
  'on_missing_key',
  'on_expired_key',
  'on_unusable_key',
] as const satisfies readonly SettingName[];
export type OwnSetting = (typeof OWN_SETTINGS)[number];

/** What each of them may be, as forms write it. */
export const CHOICES: Readonly<Record<OwnSetting, readonly string[]>> = {
  encrypt: ['on', 'off'],
  subject: settingsShape.subject.options,
  header_policy: settingsShape.header_policy.options,
  hide_key_ids: ['on', 'off'],
  style: settingsShape.style.options,
  on_missing_key: settingsShape.on_missing_key.options,
  on_expired_key: settingsShape.on_expired_key.options,
  on_unusable_key: settingsShape.on_unusable_key.options,
};

/** As the domain has it. */
export const INHERITED = 'inherited';

/** A setting's value as forms write it. */
export function choiceOf(value: string | boolean | undefined): string {
  if (value === undefined) return INHERITED;
  return typeof value === 'string' ? value : value ? 'on' : 'off';
}

const KINDS = ['remove key', 'settings', 'leave'] as const;

/**
 * Reads a change from a form.
 * @param own the user's own settings now: a field that says the same is no change
 * @returns null where the form asks for none
 */
export function readChange(body: unknown, own: SettingsOverride): FormChange | null {
  switch (wordOf(body, 'kind', KINDS)) {
    case 'remove key': {
      const fingerprint = fingerprintOf(body, 'fingerprint');
      return fingerprint === null ? null : { kind: 'remove key', fingerprint };
    }
    case 'settings': {
      const settings = readSettings(body, own);
      return Object.keys(settings).length === 0 ? null : { kind: 'settings', settings };
    }
    case 'leave':
      return { kind: 'leave' };
    case null:
      return null;
  }
}

function readSettings(body: unknown, own: SettingsOverride): SettingsChange {
  const changed: Record<string, unknown> = {};
  for (const name of OWN_SETTINGS) {
    const choice = wordOf(body, name, [INHERITED, ...CHOICES[name]]);
    if (choice === null || choice === choiceOf(own[name])) continue;
    changed[name] = choice === INHERITED ? null : settingsShape[name].parse(choice);
  }
  return changed as SettingsChange;
}

/** The fields that say the same change once more. */
export function changeFields(change: FormChange): readonly (readonly [name: string, value: string])[] {
  const kind = ['kind', change.kind] as const;
  if (change.kind === 'leave') return [kind];
  if (change.kind === 'remove key') return [kind, ['fingerprint', change.fingerprint]];
  const settings = SETTING_NAMES.flatMap((name) => {
    const value = change.settings[name];
    return value === undefined ? [] : [[name, choiceOf(value ?? undefined)] as const];
  });
  return [kind, ...settings];
}

const LONGEST_KEY_FIELD = 352 * 1024;

/** A key that was read before, as a form carries it on: base64url; null where the field holds none. */
export function carriedKey(body: unknown): Buffer | null {
  const text = field(body, 'carried', LONGEST_KEY_FIELD);
  return /^[A-Za-z0-9_-]+$/.test(text) ? Buffer.from(text, 'base64url') : null;
}

/** Where a key that was handed over goes; in the place of the others unless the form says otherwise. */
export function intentOf(body: unknown): Exclude<Intent, 'renew'> {
  return wordOf(body, 'intent', ['replace', 'add'] as const) ?? 'replace';
}
