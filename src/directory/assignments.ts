// `key=value` arguments of `domain set` and `user set`, checked against the settings' own schema. Pure.
import { SETTING_NAMES, type SettingName, type SettingsOverride, settingsShape } from '../config/settings.ts';
import { ChangeRefused } from './refused.ts';

/** What is to change. A setting of undefined is removed: the wider level counts again. */
export interface Assignments {
  readonly settings: ReadonlyMap<SettingName, SettingsOverride[SettingName]>;
  /** undefined: leave; null: none. */
  readonly transport: string | null | undefined;
  readonly class: 'virtual' | 'relay' | undefined;
  readonly foldLocalPart: boolean | undefined;
}

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
  const allowed = [
    ...SETTING_NAMES,
    'transport',
    ...(level === 'domain' ? ['class', 'fold_local_part'] : []),
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
    } else if (name === 'class') {
      if (value === 'virtual' || value === 'relay') domainClass = value;
      else if (value === '') domainClass = 'virtual';
      else errors.push(`class: found ${JSON.stringify(value)}, expected virtual or relay`);
    } else if (name === 'fold_local_part') {
      const flag = value === '' ? true : readSetting('encrypt', value);
      if (typeof flag === 'boolean') foldLocalPart = flag;
      else errors.push(`fold_local_part: found ${JSON.stringify(value)}, expected on or off`);
    } else {
      const setting = name as SettingName;
      const read = value === '' ? undefined : readSetting(setting, value);
      if (value !== '' && read === undefined) {
        errors.push(`${setting}: found ${JSON.stringify(value)}, expected ${choicesOf(setting)}`);
      } else settings.set(setting, read);
    }
  }
  if (errors.length > 0) throw new ChangeRefused(errors.join('; '));
  return { settings, transport, class: domainClass, foldLocalPart };
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
