// Random addresses that may lead to somebody's mailbox: routing operators, quoting, case folding, own names and extensions in
// any mixture. The same seed gives the same addresses.
import { createRandom, type Random } from '../fuzz/random.ts';
import { HOST, LOCAL, LOCAL_USERS, USERS, VIRTUAL } from './roads-site.ts';

/** Names that this Postfix takes for its own, and two that it does not. */
const NAMES = [
  'localhost',
  'localhost.sealpost.test',
  HOST,
  LOCAL,
  VIRTUAL,
  '[127.0.0.1]',
  '[IPv6:::1]',
  'alias.test',
  'outside.test',
];

/** What Unicode folds to the letters beside it, and lower case alone does not, or does. */
const FOLDS: Readonly<Record<string, readonly string[]>> = {
  s: ['S', '\u017f'],
  k: ['K', '\u212a'],
  ss: ['\u00df', '\u1e9e', 'SS', '\u017fs'],
  ff: ['\ufb00', 'FF'],
  ffi: ['\ufb03', 'FFI'],
  st: ['\ufb06', '\ufb05'],
};

/** So many addresses, some of them the same. @param without users whom none of them leads to */
export function randomAddresses(seed: number, count: number, without: readonly string[]): string[] {
  const random = createRandom(seed);
  const users = USERS.filter((user) => !without.includes(user));
  return Array.from({ length: count }, () => randomAddress(random, users));
}

function randomAddress(random: Random, users: readonly string[]): string {
  const user = random.pick(users);
  const [name = '', home = ''] = user.split('@');
  const local = quoted(random, `${folded(random, name)}${random.oneIn(3) ? extension(random) : ''}`);
  let domain = folded(random, LOCAL_USERS.includes(user) && random.oneIn(2) ? random.pick(NAMES) : home);
  let address = random.oneIn(20) ? local : `${local}@${domain}`;
  for (let turns = random.below(3); turns > 0; turns -= 1) {
    const next = folded(random, random.pick(NAMES));
    address = wrapped(random, address, domain, next);
    domain = next;
  }
  return address;
}

/** The address, as somebody may route it by way of another domain. */
function wrapped(random: Random, address: string, domain: string, next: string): string {
  const bare = address.endsWith(`@${domain}`) ? address.slice(0, -domain.length - 1) : address;
  switch (random.below(6)) {
    case 0:
      return `${bare}%${domain}@${next}`;
    case 1:
      return `${domain}!${bare}@${next}`;
    case 2:
      return `"${address.replace(/["\\]/g, '\\$&')}"@${next}`;
    case 3:
      return `${address}@${next}`;
    case 4:
      return `@${next}:${address}`;
    default:
      return random.oneIn(2) ? `${bare}%${domain}` : `${domain}!${bare}`;
  }
}

function extension(random: Random): string {
  return random.pick(['+x', '+X.y', '+', '++', '+a=b', '+lists+more', `+${'e'.repeat(30)}`]);
}

function quoted(random: Random, local: string): string {
  if (random.oneIn(5)) return `"${local}"`;
  if (random.oneIn(9)) return `"${local.slice(0, 1)}\\${local.slice(1)}"`;
  if (random.oneIn(15)) return `"\\\\${local}"`;
  return local;
}

function folded(random: Random, text: string): string {
  if (random.oneIn(2)) return text;
  if (random.oneIn(3)) return text.toUpperCase();
  const places = Object.keys(FOLDS).filter((plain) => text.includes(plain));
  if (places.length === 0 || random.oneIn(4))
    return [...text].map((letter) => (random.oneIn(3) ? letter.toUpperCase() : letter)).join('');
  const plain = random.pick(places);
  return text.replace(plain, random.pick(FOLDS[plain] ?? [plain]));
}
