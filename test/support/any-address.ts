// Random addresses as an attacker writes them: routing operators, quotes, own names, literals, extensions and case, nested.
import type { Random } from '../fuzz/random.ts';

const NAMES = [
  'alice',
  'Bob',
  'news',
  'a.b',
  'al+ice',
  '',
  'o',
  'weiß',
  'ſusan',
  'MAILER-DAEMON',
  'x y',
  'ü',
] as const;
const ODD = [
  ' ',
  '.',
  '..',
  '(c)',
  '(',
  ')',
  '<',
  '>',
  ',',
  ';',
  ':',
  '\\',
  '"',
  '[',
  ']',
  '|',
  '\\@',
  '\\"',
  '\t',
] as const;

/**
 * An address in internal form (without quotes, the last @ begins the domain), such as `alice%b.test@localhost`.
 * @param domains own and foreign ones, as an attacker would try them
 */
export function anyAddress(random: Random, domains: readonly string[]): string {
  const domain = (): string => {
    const name = random.pick(domains);
    if (random.oneIn(6)) return `${name}.`;
    return random.oneIn(5) ? name.toUpperCase() : name;
  };
  let address: string = random.pick(NAMES);
  for (let left = random.below(random.oneIn(8) ? 9 : 5); left > 0; left -= 1) {
    switch (random.below(9)) {
      case 0:
      case 1:
        address = `${address}%${domain()}`;
        break;
      case 2:
      case 3:
        address = `${domain()}!${address}`;
        break;
      case 4:
        address = `${address}@${domain()}`;
        break;
      case 5:
        address = `@${domain()}${random.oneIn(3) ? `,@${domain()}` : ''}:${address}`;
        break;
      case 6:
        address = `${random.oneIn(2) ? '"' : '\\"'}${address}${random.oneIn(2) ? '"' : '\\"'}`;
        break;
      case 7:
        address = `${address}+${random.pick(NAMES)}`;
        break;
      default: {
        const at = random.below(address.length + 1);
        address = `${address.slice(0, at)}${random.pick(ODD)}${address.slice(at)}`;
      }
    }
  }
  return random.oneIn(10) ? address : `${address}@${domain()}`;
}
