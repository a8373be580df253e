// What Postfix makes of an address: the table, and what holds for any address. test/e2e/postfix-resolves.test.ts asks a Postfix.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asPostfixResolves, MAX_STEPS, type Resolved } from '../../../src/address/as-postfix-resolves.ts';
import { internalise, quoteInternal, scan } from '../../../src/address/tokens.ts';
import { createRandom } from '../../fuzz/random.ts';
import { anyAddress } from '../../support/any-address.ts';
import { OWN, resolverTable, rulesOf } from '../../support/resolver-table.ts';

const rules = rulesOf('');

function shown({ steps }: Resolved): string {
  return steps
    .map(({ local, domain, restsOn }) =>
      restsOn === 'as written' ? `${local}@${domain}` : `${local}@${domain} (${restsOn})`,
    )
    .join(' -> ');
}

describe('an address', () => {
  it.each(resolverTable())(
    '$address with Postfix\'s settings and "$wiring" is read as in the table',
    (row) => {
      const resolved = asPostfixResolves(row.address, rulesOf(row.wiring));
      expect(`${resolved.end}: ${shown(resolved)}`).toBe(`${row.end}: ${row.steps}`);
    },
  );

  it('is read up to a bound', () => {
    const nested = (times: number) => `alice${'%localhost'.repeat(times)}@localhost`;
    expect(asPostfixResolves(nested(MAX_STEPS - 1), rules).end).toBe('local');
    expect(asPostfixResolves(nested(MAX_STEPS), rules)).toMatchObject({ end: 'gave up' });
    expect(asPostfixResolves(nested(1000), rules).steps).toHaveLength(MAX_STEPS + 1);
  });
});

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.nat().map((seed) => anyAddress(createRandom(seed), [...OWN, 'elsewhere.test', 'host', ''])),
);

describe('any address at all', { tags: ['slow'] }, () => {
  it('has an end, and a first step that is the address itself', () => {
    fc.assert(
      fc.property(text, (address) => {
        const { steps, end } = asPostfixResolves(address, rules);
        expect(['local', 'remote', 'gave up']).toContain(end);
        expect(steps[0]?.restsOn).toBe('as written');
      }),
      { numRuns: 5000 },
    );
  });

  it('is read as far as own domains go: who owns more reads on, and begins the same way', () => {
    fc.assert(
      fc.property(text, (address) => {
        const few = asPostfixResolves(address, { ...rules, isLocal: (domain) => domain === 'localhost' });
        const all = asPostfixResolves(address, { ...rules, isLocal: () => true });
        expect(all.steps.slice(0, few.steps.length)).toEqual(few.steps);
      }),
      { numRuns: 3000 },
    );
  });

  it('that has been resolved stays what it is', () => {
    fc.assert(
      fc.property(
        fc.nat().map((seed) => anyAddress(createRandom(seed), [...OWN, 'elsewhere.test'])),
        (address) => {
          const { steps, end } = asPostfixResolves(address, rules);
          const last = steps.at(-1);
          const recipient = `${last?.local}@${last?.domain}`;
          // Words that Postfix took apart are put together again by no rule.
          fc.pre(end === 'remote' && /^[\w+.-]+@[\w-]+(?:\.[\w-]+)*$/.test(recipient));
          const again = asPostfixResolves(recipient, rules);
          expect(`${again.steps.at(-1)?.local}@${again.steps.at(-1)?.domain}`).toBe(recipient);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('takes time in proportion to its length', () => {
    const worst = [
      `${'a!'.repeat(100_000)}x@localhost`,
      `x${'%localhost'.repeat(20_000)}@localhost`,
      `${'@localhost:'.repeat(20_000)}x@localhost`,
      `"${'\\"'.repeat(100_000)}@localhost"@localhost`,
      `${'('.repeat(200_000)}@localhost`,
      `${'['.repeat(200_000)}@localhost`,
      `${' @'.repeat(100_000)}`,
    ];
    for (const address of worst) {
      const started = performance.now();
      asPostfixResolves(address, rules);
      expect(performance.now() - started, address.slice(0, 30)).toBeLessThan(3000);
    }
  });
});

describe('tokens', () => {
  it('of an address that was quoted are the address', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (local) => {
        fc.pre(!/[@:\t\r\n]/.test(local));
        expect(internalise(scan(quoteInternal(`${local}@x.test`)))).toBe(`${local}@x.test`);
      }),
      { numRuns: 2000 },
    );
  });
});
