// What the placeholders of a notice stand for. Pure.
import { grouped } from '../keys/fingerprint.ts';
import type { ExpiringKey } from './expiring.ts';
import type { Placeholder } from './message.ts';

export type ToldKey = ExpiringKey & { readonly expiresAt: Date };

const DAY_MS = 86_400_000;

/** @param keys at least one, soonest expiry first */
export function noticeValues(
  keys: readonly ToldKey[],
  mail: { readonly address: string; readonly administrator: string; readonly date: Date },
): Readonly<Record<Placeholder, string>> {
  const sorted = [...keys].sort(
    (a, b) => a.expiresAt.getTime() - b.expiresAt.getTime() || (a.fingerprint < b.fingerprint ? -1 : 1),
  );
  return {
    address: mail.address,
    administrator: mail.administrator,
    count: String(sorted.length),
    date: sorted[0]?.expiresAt.toISOString().slice(0, 10) ?? '',
    keys: sorted.map((key) => describeKey(key, mail)).join('\n'),
    consequence: consequenceOf(sorted),
  };
}

function describeKey(key: ToldKey, mail: { readonly address: string; readonly date: Date }): string {
  const left = Math.ceil((key.expiresAt.getTime() - mail.date.getTime()) / DAY_MS);
  const when = `${key.expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return [
    `  ${grouped(key.fingerprint)}`,
    ...(key.ownerName === mail.address ? [] : [`    of ${key.ownerName}`]),
    `    expires ${when}, in ${left <= 1 ? 'less than a day' : `less than ${left} days`}`,
  ].join('\n');
}

const WITHOUT_KEY: Readonly<Record<ExpiringKey['onExpiredKey'], string>> = {
  encrypt: 'Until you hand over a renewed key, mail goes on being encrypted with the expired one.',
  defer: 'Without a renewed key, mail to you will be held back after that, and returned in the end.',
  reject: 'Without a renewed key, mail to you will be refused after that.',
  pass: 'Without a renewed key, mail to you will NOT BE ENCRYPTED any more after that.',
};

/** What happens after the expiry; it depends on the settings, and on whether another key lasts longer. */
function consequenceOf(keys: readonly ToldKey[]): string {
  if (keys.every(({ outlived }) => outlived))
    return 'You have another key that lasts longer: after that, mail is encrypted for that one only.';
  const setting = keys.find(({ outlived }) => !outlived)?.onExpiredKey ?? 'encrypt';
  return WITHOUT_KEY[setting];
}
