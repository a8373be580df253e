// The settings that decide what happens to a recipient's copy. They exist on three levels:
// global ([encryption] in sealpost.toml), domain and user; the narrower level wins, setting by setting.
import * as z from 'zod';

const flag = z.union(
  [
    z.boolean(),
    z
      .enum(['on', 'off', 'yes', 'no', 'true', 'false'])
      .transform((word) => word === 'on' || word === 'yes' || word === 'true'),
  ],
  { error: 'expected true or false (or "on", "off", "yes", "no")' },
);

/** Every setting with its schema and the sentence that `config describe` and `--help` print. */
export const settingsShape = {
  encrypt: flag.meta({ description: 'seal mail at all: on or off' }),
  style: z.enum(['mime', 'inline']).meta({
    description: 'PGP/MIME (RFC 3156), or inline blocks for old clients, which hide no header field',
  }),
  subject: z
    .enum(['keep', 'hide'])
    .meta({ description: 'keep the Subject outside, or show [...] there; the real one is always inside' }),
  header_policy: z.enum(['no_confidentiality', 'baseline', 'shy']).meta({
    description:
      'what stands outside (RFC 9788): everything; baseline: no Subject, Comments, Keywords; shy: nor names, nor the time zone, nor what neither trace nor routing needs',
  }),
  on_missing_key: z
    .enum(['pass', 'defer', 'reject'])
    .meta({ description: 'no key is known for the recipient' }),
  on_expired_key: z
    .enum(['encrypt', 'defer', 'reject', 'pass'])
    .meta({ description: 'every key has expired (its owner still holds the secret key)' }),
  on_unusable_key: z
    .enum(['defer', 'reject', 'pass'])
    .meta({ description: 'every key is revoked, disabled, or cannot encrypt' }),
  hide_key_ids: flag.meta({
    description:
      'write wildcard key IDs, and no key= in Sealpost-Status; S/MIME names the key instead of issuer and serial number, which gpgsm, and so neomutt and Claws, cannot open',
  }),
  prefer: z.enum(['openpgp', 'smime']).meta({
    description: 'which one seals for a reader who has both: an OpenPGP key or an X.509 certificate',
  }),
  smime_cipher: z.enum(['gcm', 'cbc', 'cbc-pkcs1']).meta({
    description:
      "what the readers' programs open. cbc-pkcs1: AES-256-CBC with RSA PKCS #1 v1.5, opens in Thunderbird, Evolution, Claws, neomutt (gpgsm) and openssl; cbc: RSA-OAEP instead, opens in Thunderbird 153 and openssl only; gcm: AES-256-GCM (S/MIME 4.0), which alone protects the ciphertext against changes, opens in openssl only, and Thunderbird shows an empty message without a word",
  }),
} as const;

/** A complete set of settings, as `[encryption]` in sealpost.toml holds it. */
export const settingsSchema = z.strictObject(settingsShape);

/** What a domain or a user overrides; absent means "as on the wider level". */
export const settingsOverrideSchema = settingsSchema.partial();

export type Settings = Readonly<z.output<typeof settingsSchema>>;
export type SettingName = keyof Settings;
export type SettingsOverride = Readonly<z.output<typeof settingsOverrideSchema>>;

/** The level a setting's value came from; `explain` prints it. */
export type SettingLevel = 'global' | 'domain' | 'user';

/** Effective settings and, for each, the level it came from. */
export interface EffectiveSettings {
  readonly values: Settings;
  readonly levels: Readonly<Record<SettingName, SettingLevel>>;
}

/** The names of all settings, in the order in which they are documented. */
export const SETTING_NAMES = Object.keys(settingsShape) as readonly SettingName[];

/**
 * Lays user over domain over global, setting by setting. Pure.
 */
export function effectiveSettings(
  global: Settings,
  domain: SettingsOverride = {},
  user: SettingsOverride = {},
): EffectiveSettings {
  const levels = {} as Record<SettingName, SettingLevel>;
  for (const name of SETTING_NAMES) {
    levels[name] = user[name] !== undefined ? 'user' : domain[name] !== undefined ? 'domain' : 'global';
  }
  const values: Settings = {
    encrypt: user.encrypt ?? domain.encrypt ?? global.encrypt,
    style: user.style ?? domain.style ?? global.style,
    subject: user.subject ?? domain.subject ?? global.subject,
    header_policy: user.header_policy ?? domain.header_policy ?? global.header_policy,
    on_missing_key: user.on_missing_key ?? domain.on_missing_key ?? global.on_missing_key,
    on_expired_key: user.on_expired_key ?? domain.on_expired_key ?? global.on_expired_key,
    on_unusable_key: user.on_unusable_key ?? domain.on_unusable_key ?? global.on_unusable_key,
    hide_key_ids: user.hide_key_ids ?? domain.hide_key_ids ?? global.hide_key_ids,
    prefer: user.prefer ?? domain.prefer ?? global.prefer,
    smime_cipher: user.smime_cipher ?? domain.smime_cipher ?? global.smime_cipher,
  };
  return { values, levels };
}
