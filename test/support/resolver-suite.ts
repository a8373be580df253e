// The resolver against a Postfix's own: the table of addresses and random ones, each asked of a running trivial-rewrite(8) too.
// SEALPOST_ADDRESSES sets how many (10,000), SEALPOST_SEED with which to begin.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asPostfixResolves } from '../../src/address/as-postfix-resolves.ts';
import { createRandom, seedOf } from '../fuzz/random.ts';
import { anyAddress } from './any-address.ts';
import { allocatePlaces, type Places } from './places.ts';
import { type PrivatePostfix, startPostfix } from './private-postfix.ts';
import { OWN, resolverTable, rulesOf, WIRINGS, type Wiring } from './resolver-table.ts';
import { openTrivialRewrite } from './trivial-rewrite.ts';

const COUNT = Number(process.env.SEALPOST_ADDRESSES ?? 10_000);
const SEED = Number(process.env.SEALPOST_SEED ?? 14);

const DOMAINS = [
  ...OWN,
  ...OWN,
  'virtual.test',
  'elsewhere.test',
  'host',
  '[192.0.2.1]',
  '[IPv6:2001:db8::1]',
  '192.0.2.1',
  '',
  'a..b',
  '-x.test',
];

/** One Postfix has a resolver for each wiring, as master.cf(5) lets it. */
const service = (wiring: Wiring) => `rewrite-${WIRINGS.indexOf(wiring)}`;
const yesOrNo = (yes: boolean) => (yes ? 'yes' : 'no');
const master = WIRINGS.map((wiring) => {
  const { percentHack, bangpath, dequote, appendedDomain } = rulesOf(wiring);
  return [
    `${service(wiring)} unix - - n - - trivial-rewrite`,
    `  -o allow_percent_hack=${yesOrNo(percentHack)}`,
    `  -o swap_bangpath=${yesOrNo(bangpath)}`,
    `  -o resolve_dequoted_address=${yesOrNo(dequote)}`,
    `  -o append_dot_mydomain=${yesOrNo(appendedDomain !== null)}`,
  ].join('\n');
}).join('\n');

/** Registers the tests. */
export function describeResolver(): void {
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
        const rules = rulesOf(wiring);
        const count = { local: 0, remote: 0, 'gave up': 0, steps: 0 };
        const wrong: unknown[] = [];
        const table = resolverTable().filter((row) => row.wiring === wiring);
        for (let round = 0; round < COUNT / WIRINGS.length && wrong.length < 20; round += 1) {
          const address =
            table[round]?.address ?? anyAddress(createRandom(seedOf(SEED, service(wiring), round)), DOMAINS);
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
}
