// Who can read a user's mail, before and after a change, and what of the difference a former reader is told. Pure; the trigger
// sealpost_note_readers wrote down what was before.
import * as z from 'zod';
import {
  effectiveSettings,
  type Settings,
  type SettingsOverride,
  settingsOverrideSchema,
} from '../config/settings.ts';
import type { ReaderNews } from './letters/texts.ts';
import { weakerSettings } from './weaker.ts';

/** A setting of a newer program is not this one's to judge. */
const overrideSchema = z.record(z.string(), z.unknown()).transform((stored): SettingsOverride => {
  const known = Object.entries(stored).filter(
    ([name, value]) => settingsOverrideSchema.safeParse({ [name]: value }).success,
  );
  return settingsOverrideSchema.parse(Object.fromEntries(known));
});

/** As the function sealpost_readers gives it. */
export const readersSchema = z.object({
  /** Mail is sealed to these: they are active and not revoked. */
  keys: z.array(
    z.object({
      kind: z.enum(['openpgp', 'x509']),
      fingerprint: z.string(),
      /** base64 */
      certificate: z.string(),
    }),
  ),
  user: overrideSchema,
  domain: overrideSchema,
  /** Outside addresses that get a copy of everything. */
  forwards: z.array(z.string()),
  /** The user's own, and the domain's. */
  rules: z.array(z.object({ id: z.number(), action: z.string() })),
});
export type Readers = Readonly<z.output<typeof readersSchema>>;

/**
 * What was changed in who can read, and in how well mail is protected; nothing that only protects better.
 * @param subkeysOf the encryption subkeys of a certificate (base64), of which one more is one more that can read
 */
export function readerNews(
  before: Readers,
  after: Readers,
  global: Settings,
  subkeysOf: (certificate: string) => readonly string[],
): readonly ReaderNews[] {
  const known = new Map(before.keys.map((key) => [key.fingerprint, key]));
  const left = new Set(after.keys.map(({ fingerprint }) => fingerprint));
  const settings = (readers: Readers): Settings =>
    effectiveSettings(global, readers.domain, readers.user).values;
  const now = settings(after);
  return [
    ...after.keys.flatMap(({ fingerprint, certificate }): readonly ReaderNews[] => {
      const old = known.get(fingerprint);
      if (old === undefined) return [{ what: 'key added', fingerprint }];
      if (old.certificate === certificate) return [];
      const subkeys = subkeysOf(old.certificate);
      return subkeysOf(certificate).some((each) => !subkeys.includes(each))
        ? [{ what: 'subkey added', fingerprint }]
        : [];
    }),
    ...before.keys
      .filter(({ fingerprint }) => !left.has(fingerprint))
      .map(({ fingerprint }): ReaderNews => ({ what: 'key removed', fingerprint })),
    ...weakerSettings(settings(before), now).map(
      (name): ReaderNews => ({ what: 'setting', name, value: inWords(now[name]) }),
    ),
    ...after.forwards
      .filter((address) => !before.forwards.includes(address))
      .map((address): ReaderNews => ({ what: 'forward', address })),
    ...ruleNews(before, after),
  ];
}

function ruleNews(before: Readers, after: Readers): readonly ReaderNews[] {
  const added = after.rules.some(
    ({ id, action }) =>
      action === 'pass' && !before.rules.some((old) => old.id === id && old.action === 'pass'),
  );
  const gone = before.rules.some(
    ({ id, action }) =>
      action === 'seal' && !after.rules.some((other) => other.id === id && other.action === 'seal'),
  );
  return [
    ...(added ? [{ what: 'pass rule' } as const] : []),
    ...(gone ? [{ what: 'seal rule gone' } as const] : []),
  ];
}

function inWords(value: string | boolean): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : value;
}
