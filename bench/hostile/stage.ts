// The filter's way of a message with nothing around it that could be slow: a directory in memory in which everybody has a key, and
// a next hop of the caller's. Everything that reads or writes the message is the real thing.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKey } from 'openpgp';
import type { Address } from '../../src/address/address.ts';
import { lookupCandidates, parsePath } from '../../src/address/normalise.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { NO_ACCEPTANCES } from '../../src/delivery/acceptances.ts';
import { createClaims } from '../../src/delivery/claims.ts';
import type { DeliveryContext } from '../../src/delivery/context.ts';
import { deciderOf } from '../../src/delivery/decide.ts';
import { createDeliverer, type Deliverer } from '../../src/delivery/deliver.ts';
import type { Domain, RecipientFacts, Rule, StoredKey } from '../../src/directory/types.ts';
import type { Logger } from '../../src/observe/log.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createSealer, type Sealer } from '../../src/sealing/pool.ts';
import type { Bomb } from './bomb.ts';

export interface Stage {
  readonly deliverer: Deliverer;
  close(): Promise<void>;
}

/** Of every recipient. */
export const DOMAIN = 'example.org';

/**
 * @param nextHop takes the copies; the caller closes it
 * @param sealer closed with the stage
 */
export async function createStage(
  bomb: Pick<Bomb, 'settings' | 'rule'>,
  config: Config,
  nextHop: DeliveryContext['nextHop'],
  logger: Logger,
  sealer: Sealer = createSealer(),
): Promise<Stage> {
  const key = await storedKey();
  const domain = domainOf(bomb);
  const deliverer = createDeliverer({
    config: () => config,
    directory: { recipient: async (path) => factsOf(path, domain, key) },
    decider: deciderOf(() => config, sealer.certificates),
    encrypt: sealer.encrypt,
    detect: sealer.detect,
    sealInline: sealer.sealInline,
    keyDoor: null,
    giveBack: sealer.giveBack,
    memory: NO_ACCEPTANCES,
    claims: createClaims(null),
    tell: () => undefined,
    shown: () => '',
    nextHop,
    outgoingDirectory: join(tmpdir(), `sealpost-hostile-${process.pid}`),
    logger,
    metrics: createMetrics({ processMetrics: false }),
  });
  return { deliverer, close: sealer.close };
}

/** Settings of a filter that takes everything up to its limits. */
export function stageConfig(filter: object = {}): Config {
  return configSchema.parse({ hostname: 'mx.example.org', filter });
}

async function storedKey(): Promise<StoredKey> {
  const { publicKey } = await generateKey({
    userIDs: [{ email: `user@${DOMAIN}` }],
    date: new Date(Date.now() - 60_000),
    format: 'object',
  });
  return {
    kind: 'openpgp',
    fingerprint: publicKey.getFingerprint(),
    certificate: publicKey.write(),
    status: 'active',
    source: 'cli',
    createdAt: new Date(0),
  };
}

function domainOf({ settings = {}, rule }: Pick<Bomb, 'settings' | 'rule'>): Domain {
  const header = rule === undefined ? [] : [rule];
  return {
    id: 1,
    name: DOMAIN,
    class: 'virtual',
    foldLocalPart: true,
    settings,
    transport: null,
    rules: header.map(
      (one): Rule => ({ id: 1, action: 'seal', sender: null, header: one, largerThan: null }),
    ),
  };
}

/** Read as the directory does, up to the spellings that it would ask the database for. */
function factsOf(path: string, domain: Domain, key: StoredKey): RecipientFacts {
  const parts = parsePath(path);
  const [address = `unreadable@${DOMAIN}` as Address] =
    parts === null ? [] : lookupCandidates(parts, '+', true);
  const user = {
    id: 1,
    address,
    status: 'active',
    settings: {},
    domain,
    quotaBytes: null,
    rules: [],
  } as const;
  return {
    address,
    resolution: { kind: 'user', readers: [{ kind: 'user', user, keys: [key] }], via: [] },
    domain,
    domainKeys: [],
  };
}
