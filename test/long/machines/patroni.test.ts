// Two nodes with a real Postfix each, over two PostgreSQL servers under Patroni, by the very files of docs/scaling.md: the primary's
// machine dies, stands still, or hands over to the other one, while mail comes in and keys are imported. (Small case:
// test/e2e/machines.test.ts.)
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'smol-toml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../../support/child.ts';
import { makePoolerRoot, type PoolerRoot, startHaproxy, type Way } from '../../support/database-ways.ts';
import { type MailNode, startNode } from '../../support/mail-nodes.ts';
import {
  type Ledger,
  ledgerOf,
  type Reader,
  startTraffic,
  type Traffic,
} from '../../support/mail-traffic.ts';
import { armorOf, keyFor } from '../../support/moving.ts';
import { blocksOf, readPage } from '../../support/page-blocks.ts';
import { type Cluster, type MemberName, scalingFile, startCluster } from '../../support/patroni-cluster.ts';
import { freePorts, type Substitutions } from '../../support/places.ts';
import { type Sink, startSink } from '../../support/sink.ts';

/** What is promised: from the moment that Patroni's new primary says so. */
const FLOWS_AGAIN_MS = 10_000;
/** Before a kill: what was delivered and had not reached the standby's disk yet. */
const BEFORE_KILL_MS = 2000;
const PATRONI_MS = 90_000;
const IMPORT_MS = 120_000;
const NODES = 2;

let cluster: Cluster;
let poolers: PoolerRoot;
let mailboxes: Sink;
let mailPort = 0;

beforeAll(async () => {
  // Every one of the page's files is used below.
  expect([...blocksOf(readPage('scaling.md')).keys()].sort()).toEqual([
    'database.sql',
    'haproxy.cfg',
    'haproxy.toml',
    'hosts.toml',
    'patroni.yml',
    'pgbouncer.ini',
    'pgbouncer.toml',
    'userlist.txt',
  ]);
  [mailPort = 0] = await freePorts(1);
  mailboxes = await startSink({ protocol: 'lmtp', listen: { port: mailPort } });
  [cluster, poolers] = await Promise.all([startCluster(), makePoolerRoot('trixie')]);
}, 900_000);

afterAll(async () => {
  await cluster?.close();
  await mailboxes?.stop();
  poolers?.remove();
}, 60_000);

/** How the nodes reach the database: what stands in between on each of them. */
const WAYS: Readonly<Record<string, (cleanups: Way[]) => Promise<Substitutions>>> = {
  hosts: async () => cluster.substitutions,
  haproxy: async (cleanups) => {
    const way = await startHaproxy(cluster);
    cleanups.push(way);
    return way.substitutions;
  },
  pgbouncer: async (cleanups) => {
    const behind = await startHaproxy(cluster);
    cleanups.push(behind);
    const way = await poolers.start(behind);
    cleanups.push(way);
    return way.substitutions;
  },
};

interface Stand {
  readonly name: string;
  readonly ways: Way[];
  readonly nodes: MailNode[];
  readonly readers: Reader[];
  /** Who has no key yet, and will have one while the traffic goes on. */
  readonly later: string[];
}

async function startStand(name: string): Promise<Stand> {
  const stand: Stand = { name, ways: [], nodes: [], readers: [], later: [] };
  for (let node = 0; node < NODES; node += 1) {
    const table = (await WAYS[name]?.(stand.ways)) ?? {};
    const config = parse(scalingFile(`${name}.toml`, table));
    stand.nodes.push(await startNode({ config, mailboxes: mailPort, migrate: node === 0 }));
  }
  const domain = `${name}.test`;
  const keyed = ['alice', 'bob', 'carla', 'dora'].map((each) => `${each}@${domain}`);
  stand.later.push(...Array.from({ length: 200 }, (_, index) => `later${index}@${domain}`));
  const { must } = stand.nodes[0]?.sealpost ?? expect.fail('no node');
  await must(['domain', 'add', domain]);
  await must(['user', 'add', ...keyed, `ulla@${domain}`, ...stand.later]);
  for (const address of keyed) {
    const secret = await keyFor([address]);
    await must(['key', 'import', '-'], armorOf(secret));
    stand.readers.push({ address, secret });
  }
  stand.readers.push({ address: `ulla@${domain}`, secret: null });
  return stand;
}

async function endStand({ nodes, ways }: Stand): Promise<void> {
  for (const node of nodes) await node.close();
  for (const way of ways.reverse()) await way.close();
}

interface Importing {
  /** How many keys were imported, and how often that failed and was tried again. */
  readonly counts: { imported: number; failed: number };
  stop(): Promise<void>;
}

/** Imports one key after the other; from the command's success on its owner gets letters, and none of them may be readable. */
function importKeys({ nodes, later }: Stand, traffic: Traffic): Importing {
  const counts = { imported: 0, failed: 0 };
  const state = { stopped: false };
  const done = (async () => {
    for (let turn = 0; !state.stopped; turn += 1) {
      const address = later.shift();
      const { cli } = nodes[turn % NODES]?.sealpost ?? expect.fail('no node');
      if (address === undefined) return;
      const secret = await keyFor([address]);
      for (const since = Date.now(); ; counts.failed += 1) {
        const { code, stderr } = await cli(['key', 'import', '-'], { stdin: armorOf(secret) });
        if (code === 0) break;
        // Everything else is a fault: what fails for want of the database may be tried again.
        if (code !== 75 || Date.now() - since > IMPORT_MS)
          throw new Error(`import for ${address}: exit ${code}: ${stderr}`);
        await sleep(200);
      }
      counts.imported += 1;
      traffic.add({ address, secret });
      await sleep(300);
    }
  })();
  done.catch(() => undefined);
  return {
    counts,
    async stop() {
      state.stopped = true;
      await done;
    },
  };
}

interface Blow {
  /** When it fell, and when Patroni's new primary said that it is one. Unix milliseconds. */
  readonly at: number;
  readonly primaryAt: number;
}

/** What happens to the primary. */
const BLOWS: Readonly<Record<string, (victim: MemberName) => Promise<unknown>>> = {
  'a switchover': () => cluster.switchover(),
  'the death of its machine': async (victim) => cluster.kill(victim),
  'its machine standing still': async (victim) => cluster.freeze(victim),
};

/** When the first letter of each node came, at or after a moment. */
function firstSince(name: string, node: number, since: number): number | undefined {
  return mailboxes
    .deliveries()
    .find(({ at, message }) => at >= since && message.includes(`<${name}-${node}-`))?.at;
}

async function strike(kind: string, name: string, victim: MemberName): Promise<Blow> {
  const at = Date.now();
  const struck = BLOWS[kind]?.(victim);
  await cluster.newLeader(victim, PATRONI_MS);
  const primaryAt = Date.now();
  await struck;
  await waitUntil(
    'mail of each node after the new primary',
    60_000,
    () => [0, 1].every((node) => firstSince(name, node, primaryAt) !== undefined),
    () => cluster.logs(),
  );
  return { at, primaryAt };
}

/** Client connections that the primary has, of all nodes. */
async function connections(): Promise<number> {
  const leader = (await cluster.leader()) ?? expect.fail('no primary');
  const [row] = await cluster.ask(
    leader,
    "SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = 'sealpost' AND backend_type = 'client backend'",
  );
  return Number(row?.open);
}

function report(
  name: string,
  kind: string,
  blow: Blow,
  ledger: Ledger,
  imported: Importing,
  open: number,
): void {
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  const after = ledger.arrivals.map((times) => {
    const first = times.find((at) => at >= blow.primaryAt) ?? Number.POSITIVE_INFINITY;
    return `${seconds(first - blow.primaryAt)} s`;
  });
  const doubled = [...ledger.doubled.values()].map((times) =>
    times.map((at) => seconds(at - blow.at)).join(' and '),
  );
  console.log(
    `${name}, ${kind}: new primary after ${seconds(blow.primaryAt - blow.at)} s, mail of the nodes ${after.join(' and ')} later; ` +
      `${ledger.letters} letters, the slowest ${seconds(ledger.slowest)} s, ${ledger.sealed} sealed copies, ${ledger.lost.length} lost, ${ledger.plaintext.length} in plaintext, ` +
      `${ledger.doubled.size} doubled (seconds after the blow: ${doubled.join(', ') || 'none'}); ` +
      `${imported.counts.imported} keys imported, ${imported.counts.failed} attempts failed; ${open} connections`,
  );
}

/** Why a node is not ready; '': it is. */
async function readyz({ places }: MailNode): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${places.observePort}/readyz`);
  return answer.ok ? '' : answer.text();
}

/** What a node says when something is amiss. */
async function describeNode(node: MailNode): Promise<string> {
  const warnings = (await node.postfix.log()).split('\n').filter((line) => /warning|fatal/.test(line));
  return [
    await readyz(node),
    ...warnings.slice(-10),
    node.sealpost.log().split('\n').slice(-10).join('\n'),
  ].join('\n');
}

async function goesThrough(stand: Stand, kind: string, victim: MemberName): Promise<void> {
  const { nodes } = stand;
  const name = `${stand.name}-${kind.replaceAll(' ', '-')}`;
  const pids = nodes.map(({ sealpost }) => sealpost.pid());
  const traffic = startTraffic({
    name,
    ports: nodes.map(({ places }) => places.submitPort),
    readers: stand.readers,
    sendersPerNode: 3,
    pause: 100,
  });
  const importing = importKeys(stand, traffic);
  const isFlowing = (count: number) => mailboxes.deliveries().length >= count;
  await waitUntil(
    'mail to flow',
    30_000,
    () => isFlowing(60),
    async () => (await Promise.all(nodes.map(describeNode))).join('\n'),
  );
  const open = await connections();
  const blow = await strike(kind, name, victim);
  await sleep(3000);
  await importing.stop();
  await traffic.stop().catch(async (error: unknown) => {
    throw new Error([String(error), ...(await Promise.all(nodes.map(describeNode)))].join('\n'));
  });
  for (const { postfix } of nodes) await postfix.empty(60_000);
  const ledger = await ledgerOf(traffic.letters, mailboxes);
  report(stand.name, kind, blow, ledger, importing, open);
  expect(ledger.lost).toEqual([]);
  expect(ledger.plaintext).toEqual([]);
  expect(importing.counts.imported).toBeGreaterThan(0);
  for (const [node, times] of ledger.arrivals.entries()) {
    const first = times.find((at) => at >= blow.primaryAt) ?? Number.POSITIVE_INFINITY;
    expect(first - blow.primaryAt, `node ${node}`).toBeLessThan(FLOWS_AGAIN_MS);
  }
  for (const [id, [first = 0]] of ledger.doubled) {
    expect(first, id).toBeGreaterThan(blow.at - BEFORE_KILL_MS);
    expect(first, id).toBeLessThan(blow.primaryAt + FLOWS_AGAIN_MS);
  }
  // Nobody was started anew.
  expect(nodes.map(({ sealpost }) => sealpost.pid())).toEqual(pids);
  await waitUntil(
    'each node to be ready',
    15_000,
    async () => (await Promise.all(nodes.map(readyz))).every((answer) => answer === ''),
    async () => (await Promise.all(nodes.map(describeNode))).join('\n'),
  );
}

describe.each(Object.keys(WAYS))('nodes that reach the database by %s', (name) => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await startStand(name);
  }, 240_000);
  afterAll(async () => {
    if (stand !== undefined) await endStand(stand);
  }, 120_000);

  it.each(Object.keys(BLOWS))(
    'have mail flow again after %s of the primary, and lose nothing',
    async (kind) => {
      await cluster.whole(PATRONI_MS);
      const victim = (await cluster.leader()) ?? expect.fail('no primary');
      try {
        await goesThrough(stand, kind, victim);
      } finally {
        // The machine comes back.
        cluster.thaw(victim);
        cluster.start(victim);
        mailboxes.clear();
      }
    },
    300_000,
  );
});

it('PgBouncer is that of Debian 13', () => {
  expect(poolers.version).toMatch(/^1\.2[4-9]/);
});
