// What follows from the list of parts: who runs what, what --only names, what waits for a restart, and how parts start, follow and end.
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import type { Engine } from '../../../src/delivery/engine.ts';
import { createLogger } from '../../../src/observe/log.ts';
import {
  closeAll,
  closeParts,
  type OpeningParts,
  reconfigureParts,
  startParts,
} from '../../../src/serve/open-parts.ts';
import type { FixedPart, Part, WorkingContext, WorkingPart } from '../../../src/serve/parts/part.ts';
import {
  fixedKeysOf,
  onlyNames,
  PARTS,
  partsAt,
  partsOfPrimary,
  wantedParts,
} from '../../../src/serve/parts.ts';
import { readiness } from '../../../src/serve/running.ts';

const names = (parts: readonly Part[]): string[] => parts.map(({ name }) => name);
const everything = configSchema.parse({
  receiver: { spool: '/spool', api: { listen: '127.0.0.1:9322' } },
  sync: [{ source: 'mailcow', url: '@/etc/sealpost/mailcow.dsn' }],
});

describe('the parts of sealpost', () => {
  it('start with the filter as the last one', () => {
    expect(names(PARTS)).toEqual([
      'notices',
      'enrolment',
      'policy',
      'receiver',
      'queue-api',
      'portal',
      'sync',
      'observe',
      'filter',
    ]);
  });

  it('are what --only may name; notices and enrolment go with the filter, the HTTP interface with the receiver', () => {
    expect(onlyNames(PARTS)).toEqual(['filter', 'policy', 'receiver', 'portal', 'sync', 'observe']);
    expect(names(wantedParts(PARTS, ['filter'], everything))).toEqual(['notices', 'enrolment', 'filter']);
    expect(names(wantedParts(PARTS, ['sync'], everything))).toEqual(['sync']);
    expect(names(wantedParts(PARTS, ['receiver', 'observe'], everything))).toEqual([
      'receiver',
      'queue-api',
      'observe',
    ]);
  });

  it.each([
    ['nothing of the receiver', {}, ['notices', 'enrolment', 'policy', 'observe', 'filter']],
    [
      'a spool',
      { receiver: { spool: '/spool' } },
      ['notices', 'enrolment', 'policy', 'receiver', 'observe', 'filter'],
    ],
    [
      'an HTTP interface alone',
      { receiver: { api: { listen: '127.0.0.1:9322' } } },
      ['notices', 'enrolment', 'policy', 'queue-api', 'observe', 'filter'],
    ],
    [
      'a portal',
      { portal: { listen: '127.0.0.1:9323' } },
      ['notices', 'enrolment', 'policy', 'portal', 'observe', 'filter'],
    ],
    [
      'a panel to follow',
      { sync: [{ source: 'mailcow', url: 'mysql://reader@127.0.0.1/mailcow' }] },
      ['notices', 'enrolment', 'policy', 'sync', 'observe', 'filter'],
    ],
    ['no metrics listener', { observe: { listen: '' } }, ['notices', 'enrolment', 'policy', 'filter']],
  ])('run as the configuration asks for: %s', (_what, document, expected) => {
    expect(names(wantedParts(PARTS, undefined, configSchema.parse(document)))).toEqual(expected);
  });

  it('run all in one process, or each in the workers and the primary that it is for', () => {
    expect(partsAt(PARTS, null)).toEqual(PARTS);
    expect(names(partsAt(PARTS, { number: 1, of: 2, node: 'n' }))).toEqual([
      'notices',
      'enrolment',
      'policy',
      'receiver',
      'queue-api',
      'portal',
      'sync',
      'filter',
    ]);
    expect(names(partsAt(PARTS, { number: 2, of: 2, node: 'n' }))).toEqual(['policy', 'filter']);
    expect(names(partsOfPrimary(PARTS))).toEqual(['observe']);
  });

  it('fix the same keys whether they run or not, each named once', () => {
    const keys = fixedKeysOf(PARTS);
    expect(new Set(keys).size).toBe(keys.length);
    expect([...keys].sort()).toEqual([
      'database',
      'filter.claim_lease',
      'filter.duplicate_lifetime',
      'filter.memory_budget',
      'hostname',
      'keys',
      'mailbox_domain',
      'observe.hosts',
      'observe.listen',
      'policy',
      'portal.key_address',
      'portal.listen',
      'portal.trusted_group',
      'portal.trusted_header',
      'portal.trusted_listen',
      'portal.trusted_mode',
      'portal.trusted_proxies',
      'portal.trusted_secret_file',
      'portal.url',
      'receiver.api',
      'receiver.group',
      'receiver.listen',
      'receiver.mode',
      'receiver.spool',
      'recipient_delimiter',
      'state_dir',
      'sync',
    ]);
  });
});

const happened: string[] = [];

/** A part that writes down what happens to it; `wrong` is the configuration that it refuses. */
function partNamed(name: string, more: Partial<WorkingPart> = {}, wrong = -1): WorkingPart {
  return {
    name,
    runs: 'in every worker',
    closes: 'with the mail',
    fixedKeys: [],
    wanted: () => true,
    async start() {
      happened.push(`${name} starts`);
      return {
        listeners: () => [],
        complaints: async () => [],
        describe: async () => ({}),
        reconfigure({ filter }) {
          if (filter.max_received === wrong) throw new Error(`${name} cannot follow`);
          happened.push(`${name} has ${filter.max_received}`);
        },
        async close(graceMs) {
          happened.push(`${name} ends ${graceMs}`);
        },
      };
    },
    ...more,
  };
}

async function started(...wanted: WorkingPart[]): Promise<OpeningParts<WorkingPart>> {
  const parts: OpeningParts<WorkingPart> = { wanted, open: new Map<WorkingPart, FixedPart>() };
  happened.length = 0;
  await startParts(parts, (part) => part.start({} as WorkingContext));
  return parts;
}

const withHops = (max_received: number) => () => configSchema.parse({ filter: { max_received } });
const logger = createLogger({ level: 'silent' });

describe('parts that run', () => {
  it('start in order; when one fails, those before it are there to be closed', async () => {
    const broken = partNamed('broken', { start: () => Promise.reject(new Error('no')) });
    const parts: OpeningParts<WorkingPart> = {
      wanted: [partNamed('first'), broken, partNamed('never')],
      open: new Map(),
    };
    happened.length = 0;
    await expect(startParts(parts, (part) => part.start({} as WorkingContext))).rejects.toThrow('no');
    await closeAll(parts);
    expect(happened).toEqual(['first starts', 'first ends 0']);
  });

  it('take a new configuration, the last one first', async () => {
    const parts = await started(partNamed('first'), partNamed('last'));
    await reconfigureParts(parts, withHops(2), withHops(1), logger);
    expect(happened.slice(2)).toEqual(['last has 2', 'first has 2']);
  });

  it('go back to what they had when one of them cannot follow', async () => {
    const parts = await started(partNamed('first'), partNamed('wrong', {}, 2), partNamed('last'));
    await expect(reconfigureParts(parts, withHops(2), withHops(1), logger)).rejects.toThrow(
      'wrong cannot follow',
    );
    expect(happened.slice(3)).toEqual(['last has 2', 'last has 1']);
  });

  it('end when it is their turn', async () => {
    const parts = await started(
      partNamed('lookups', { closes: 'after the mail' }),
      partNamed('metrics', { closes: 'last' }),
      partNamed('filter'),
    );
    await closeParts(parts, 'with the mail', 5);
    expect(happened.slice(3)).toEqual(['filter ends 5']);
    await closeAll(parts);
    expect(happened.slice(4)).toEqual(['filter ends 0', 'lookups ends 0', 'metrics ends 0']);
  });

  it('are missed in readiness until they are open, beside a database that does not answer', async () => {
    const engine = {
      database: { pool: { query: () => Promise.reject(new Error('away')) } },
    } as unknown as Engine;
    const parts: OpeningParts = { wanted: [partNamed('filter')], open: new Map() };
    expect(await readiness({ engine, parts })).toEqual({
      ready: false,
      reasons: ['the database does not answer', 'the filter listeners are not open yet'],
    });
  });
});
