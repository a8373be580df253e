// The resolver against Postfix's own: random addresses, each asked of a running trivial-rewrite(8) too.
// SEALPOST_ADDRESSES sets how many (10,000), SEALPOST_SEED with which to begin.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asPostfixResolves, type ResolveRules } from '../../src/address/as-postfix-resolves.ts';
import { createRandom, seedOf } from '../fuzz/random.ts';
import { anyAddress } from '../support/any-address.ts';
import { allocatePlaces, type Places } from '../support/places.ts';
import { type PrivatePostfix, startPostfix } from '../support/private-postfix.ts';
import { openTrivialRewrite } from '../support/trivial-rewrite.ts';

const COUNT = Number(process.env.SEALPOST_ADDRESSES ?? 10_000);
const SEED = Number(process.env.SEALPOST_SEED ?? 14);

const OWN = ['localhost', 'own.test', 'mx.sealpost.test', 'sealpost.test', '[127.0.0.1]'];
const DOMAINS = [
  ...OWN,
  'virtual.test',
  'elsewhere.test',
  'host',
  '[192.0.2.1]',
  '192.0.2.1',
  '',
  'a..b',
  '-x.test',
];

const YES_AND_NO = { true: 'yes', false: 'no' } as const;

interface Wiring {
  readonly percentHack: boolean;
  readonly bangpath: boolean;
  readonly dequote: boolean;
  readonly appendedDomain: string | null;
}

const WIRINGS: readonly Wiring[] = [
  { percentHack: true, bangpath: true, dequote: true, appendedDomain: null },
  { percentHack: true, bangpath: true, dequote: true, appendedDomain: 'sealpost.test' },
  { percentHack: false, bangpath: true, dequote: true, appendedDomain: null },
  { percentHack: true, bangpath: false, dequote: true, appendedDomain: null },
  { percentHack: false, bangpath: false, dequote: false, appendedDomain: null },
  { percentHack: true, bangpath: true, dequote: false, appendedDomain: null },
];

/** One Postfix has a resolver for each wiring, as master.cf(5) lets it. */
const service = (wiring: Wiring) => `rewrite-${WIRINGS.indexOf(wiring)}`;
const master = WIRINGS.map((wiring) =>
  [
    `${service(wiring)} unix - - n - - trivial-rewrite`,
    `  -o allow_percent_hack=${YES_AND_NO[`${wiring.percentHack}`]}`,
    `  -o swap_bangpath=${YES_AND_NO[`${wiring.bangpath}`]}`,
    `  -o resolve_dequoted_address=${YES_AND_NO[`${wiring.dequote}`]}`,
    `  -o append_dot_mydomain=${YES_AND_NO[`${wiring.appendedDomain !== null}`]}`,
  ].join('\n'),
).join('\n');

describe('what Postfix makes of an address', () => {
  let places: Places;
  let postfix: PrivatePostfix;

  beforeAll(async () => {
    places = await allocatePlaces();
    postfix = await startPostfix({
      places,
      example: null,
      substitutions: {},
      mailboxes: 'discard:',
      domains: ['virtual.test'],
      mainCf: {
        mydestination: 'localhost, own.test, mx.sealpost.test, sealpost.test',
      },
      masterCf: master,
    });
  });

  afterAll(async () => {
    await postfix?.stop();
    await places?.remove();
  });

  it.each(WIRINGS)(
    'is what the resolver says, with %o',
    async (wiring) => {
      const postfixSays = openTrivialRewrite(
        join(places.dir, 'postfix', 'spool', 'private', service(wiring)),
      );
      const rules: ResolveRules = {
        ...wiring,
        isLocal: (domain) => OWN.some((own) => own.toLowerCase() === domain.toLowerCase().replace(/\.$/, '')),
        origin: 'sealpost.test',
        hostname: 'mx.sealpost.test',
      };
      const count = { local: 0, remote: 0, 'gave up': 0, steps: 0 };
      const wrong: unknown[] = [];
      for (let round = 0; round < COUNT / WIRINGS.length && wrong.length < 20; round += 1) {
        const address = anyAddress(createRandom(seedOf(SEED, service(wiring), round)), DOMAINS);
        const { steps, end } = asPostfixResolves(address, rules);
        const { recipient, says } = await postfixSays.resolve(address).catch((error: unknown) => {
          throw new Error(`at ${JSON.stringify(address)}`, { cause: error });
        });
        const last = steps.at(-1);
        const read = `${last?.local}@${last?.domain}`;
        const same = recipient === read;
        const sameEnd = says === 'error' || (says === 'local') === (end === 'local');
        if (end !== 'gave up' && !(same && sameEnd)) wrong.push({ address, steps, end, recipient, says });
        count[end] += 1;
        count.steps += steps.length;
      }
      postfixSays.close();
      expect(wrong).toEqual([]);
      // All of it has been tried.
      expect(count.local).toBeGreaterThan(100);
      expect(count.remote).toBeGreaterThan(100);
      expect(count.steps).toBeGreaterThan(count.local + count.remote + 150);
    },
    7_200_000,
  );
});
