// [encryption] in sealpost.toml: the global level of every setting, and what holds for everybody alike.
import * as z from 'zod';
import { headerOutside } from './header-outside.ts';
import { type Settings, settingsShape } from './settings.ts';

export const encryptionSchema = z.strictObject({
  encrypt: settingsShape.encrypt.prefault(true),
  style: settingsShape.style.default('mime'),
  subject: settingsShape.subject.default('keep'),
  header_policy: settingsShape.header_policy.default('no_confidentiality'),
  header_outside: headerOutside().prefault([]).register(z.globalRegistry, {
    description:
      'names of further fields that stay outside under header_policy = "shy", for every domain and user; one that repeats a hidden Subject goes inside all the same, and fields that quote the body cannot be named',
  }),
  on_missing_key: settingsShape.on_missing_key.default('pass'),
  on_expired_key: settingsShape.on_expired_key.default('encrypt'),
  on_unusable_key: settingsShape.on_unusable_key.default('defer'),
  hide_key_ids: settingsShape.hide_key_ids.prefault(false),
  prefer: settingsShape.prefer.default('openpgp'),
  smime_cipher: settingsShape.smime_cipher.default('cbc-pkcs1'),
});

/** The global settings, and what no domain or user overrides. */
export type GlobalSettings = Settings & {
  /** Names in lower case. Default: none. */
  readonly header_outside?: readonly string[];
};
