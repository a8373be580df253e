// Vitest's setup of the unit tests. A test without the tag `slow` is in the fast lane (`npm run test:fast`): it starts no
// process and no thread: one that does fails here and in every other run. It takes little time: that is measured in the lane.
import childProcess from 'node:child_process';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { promisify } from 'node:util';
import workerThreads from 'node:worker_threads';
import { afterEach, beforeEach, expect } from 'vitest';

/** Milliseconds of processor time, of all threads of this process: on a busy machine a test takes no more of it. */
const LONGEST = 2000;

const HOW =
  'give the test { tags: ["slow"] }, or, for what is done outside of tests, its file a comment "@module-tag slow"';

/** As vitest finds it. */
const MODULE_TAG = /(\/\/|\*)\s*@module-tag\s+slow\b/;

const path = expect.getState().testPath ?? '';
/** Property tests are slow by what they are: many random inputs. */
const slowFile = path.includes('/test/property/') || MODULE_TAG.test(readFileSync(path, 'utf8'));
const measures = process.env.npm_lifecycle_event === 'test:fast';
const lane = laneOfThisProcess();
lane.slow = slowFile;

beforeEach(({ task }) => {
  lane.slow = slowFile || task.tags?.includes('slow') === true;
  lane.spent = process.cpuUsage();
});

afterEach(() => {
  const { user, system } = process.cpuUsage(lane.spent);
  const wasSlow = lane.slow;
  lane.slow = slowFile;
  const ms = Math.round((user + system) / 1000);
  // Only where the lane runs by itself: what a test costs beside others, on a busy machine, says nothing of the test.
  if (measures && !wasSlow && ms > LONGEST)
    throw new Error(`not in the fast lane: ${ms} ms of processor time, more than ${LONGEST}; ${HOW}`);
});

function refuseInFastLane(name: string): void {
  if (!lane.slow) throw new Error(`not in the fast lane: ${name}; ${HOW}`);
}

interface Lane {
  /** Whether what runs now may be slow. */
  slow: boolean;
  /** Processor time when the test began. */
  spent: NodeJS.CpuUsage;
}

/** One for each process: without isolation several files are run in it, and this file once for each. */
function laneOfThisProcess(): Lane {
  const key = Symbol.for('sealpost.test.lane');
  const known = Reflect.get(globalThis, key) as Lane | undefined;
  if (known !== undefined) return known;
  const made: Lane = { slow: false, spent: process.cpuUsage() };
  Reflect.set(globalThis, key, made);
  guardStarters();
  return made;
}

type Starter = (...args: never[]) => unknown;

/** The same function, which throws in the fast lane; also as util.promisify makes a promise of it. */
function guarded(name: string, original: Starter): Starter {
  const refusing: Starter = (...args) => {
    refuseInFastLane(name);
    return original(...args);
  };
  const promised: unknown = Reflect.get(original, promisify.custom);
  if (typeof promised === 'function')
    Object.defineProperty(refusing, promisify.custom, { value: guarded(name, promised as Starter) });
  return refusing;
}

function guardStarters(): void {
  for (const name of ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork'] as const)
    Reflect.set(childProcess, name, guarded(name, childProcess[name] as Starter));
  workerThreads.Worker = new Proxy(workerThreads.Worker, {
    construct(worker, args, self) {
      refuseInFastLane('Worker');
      return Reflect.construct(worker, args, self);
    },
  });
  syncBuiltinESMExports();
}
