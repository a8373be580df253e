import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import {
  effectiveSettings,
  SETTING_NAMES,
  type Settings,
  settingsOverrideSchema,
} from '../../../src/config/settings.ts';
import { weakerSettings } from '../../../src/enrolment/weaker.ts';

const DEFAULTS: Settings = configSchema.parse({}).encryption;

/** Setting, before, after, and whether it protects less then. */
const TABLE: readonly (readonly [string, string, string, boolean])[] = [
  ['encrypt', 'on', 'off', true],
  ['encrypt', 'off', 'on', false],
  ['style', 'mime', 'inline', true],
  ['style', 'inline', 'mime', false],
  ['subject', 'hide', 'keep', true],
  ['subject', 'keep', 'hide', false],
  ['header_policy', 'shy', 'baseline', true],
  ['header_policy', 'no_confidentiality', 'shy', false],
  ['on_missing_key', 'defer', 'pass', true],
  ['on_missing_key', 'pass', 'reject', false],
  ['on_missing_key', 'reject', 'defer', false],
  ['on_expired_key', 'encrypt', 'pass', true],
  ['on_expired_key', 'encrypt', 'reject', false],
  ['on_unusable_key', 'reject', 'pass', true],
  ['hide_key_ids', 'on', 'off', true],
  ['hide_key_ids', 'off', 'on', false],
  ['prefer', 'openpgp', 'smime', true],
  ['prefer', 'smime', 'openpgp', true],
  ['smime_cipher', 'gcm', 'cbc', true],
  ['smime_cipher', 'cbc', 'cbc-pkcs1', true],
  ['smime_cipher', 'cbc-pkcs1', 'gcm', false],
];

describe('weaker settings', () => {
  it.each(TABLE)('%s from %s to %s: %s', (name, before, after, weaker) => {
    const of = (value: string): Settings =>
      effectiveSettings(DEFAULTS, settingsOverrideSchema.parse({ [name]: value })).values;
    expect(weakerSettings(of(before), of(after))).toEqual(weaker ? [name] : []);
  });

  it('judges every setting that there is', () => {
    expect([...new Set(TABLE.map(([name]) => name))].sort()).toEqual([...SETTING_NAMES].sort());
  });

  it('calls nothing weaker that has not changed', () => {
    expect(weakerSettings(DEFAULTS, DEFAULTS)).toEqual([]);
  });
});
