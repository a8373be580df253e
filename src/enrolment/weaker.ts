// Whether other settings protect less than the ones before. Pure.
import { SETTING_NAMES, type SettingName, type Settings } from '../config/settings.ts';

/** From the weakest. What is not in such an order is {@link OTHER_READER}. */
const ORDER = {
  encrypt: [false, true],
  // Inline blocks hide no header field.
  style: ['inline', 'mime'],
  subject: ['keep', 'hide'],
  header_policy: ['no_confidentiality', 'baseline', 'shy'],
  hide_key_ids: [false, true],
  smime_cipher: ['cbc-pkcs1', 'cbc', 'gcm'],
} as const satisfies { readonly [Name in SettingName]?: readonly Settings[Name][] };

/** To wait or to refuse lets nobody read; the one is as good as the other. */
const PASSES: readonly SettingName[] = ['on_missing_key', 'on_expired_key', 'on_unusable_key'];

/** Each value seals to other keys than the other one: neither is the stronger. */
const OTHER_READER: readonly SettingName[] = ['prefer'];

/** The settings that are weaker afterwards. */
export function weakerSettings(before: Settings, after: Settings): readonly SettingName[] {
  return SETTING_NAMES.filter((name) => isWeaker(name, before, after));
}

function isWeaker(name: SettingName, before: Settings, after: Settings): boolean {
  if (before[name] === after[name]) return false;
  if (OTHER_READER.includes(name)) return true;
  if (PASSES.includes(name)) {
    // A key that has merely expired still seals: waiting is no weaker, since nobody reads what waits.
    return after[name] === 'pass';
  }
  const order: readonly unknown[] = ORDER[name as keyof typeof ORDER];
  return order.indexOf(after[name]) < order.indexOf(before[name]);
}
