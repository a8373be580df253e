// The primary's end of `serve --workers`: starts the workers one after the other, starts a new one where one has died, asks
// them, and hands the claims of each on to the others.
import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import type { Logger } from '../observe/log.ts';
import { placeInEnvironment } from './worker.ts';
import type { Answers, ClaimNews, Question, ToPrimary, ToWorker } from './worker-link.ts';

/** A worker ended before it was ready; it has said why on standard error. */
export class WorkerNotStarted extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super('a worker could not be started: see its message above');
    this.exitCode = exitCode;
  }
}

export interface Workers {
  /**
   * Starts them.
   * @param stopped ends those that are still starting: one may be waiting for its database
   * @throws WorkerNotStarted when one ends before it is ready; the others are stopped then
   */
  start(stopped: Promise<unknown>): Promise<void>;
  /** Asks all workers that are ready; for their health also those that are only starting. Those that fail or are silent are left out, with a line in the log. */
  ask<Q extends Question>(question: Q): Promise<readonly Answers[Q][]>;
  /** How many are ready to be asked. */
  running(): number;
  /**
   * Lets each of them read the configuration again, one after the other: two must not open a new socket at once. One that
   * is only starting follows when it is ready.
   */
  reload(): Promise<void>;
  /** Tells all of them to stop, waits so long (milliseconds), and kills what is left. */
  stop(graceMs: number): Promise<void>;
}

interface Member {
  readonly number: number;
  readonly worker: Worker;
  ready: boolean;
  readonly waiting: Map<number, (answer: unknown) => void>;
  readonly announced: Set<string>;
  /** How many reloads there had been when it was started: it may have read the configuration before the next one. */
  readonly reloads: number;
}

const ANSWER_MS = 4000;
/** Of one that is only starting: it may not have got so far. */
const STARTING_MS = 1000;
/** A reload reads a file and opens listeners, on a machine that may be busy. */
const TURN_MS = 40_000;
const RESTART_MS = 1000;
/** For the others, when one could not be started. */
const GIVE_UP_MS = 10_000;

/** What the primary knows of its workers. */
interface Crew {
  readonly count: number;
  /** As WorkerPlace has it. */
  readonly node: string;
  readonly logger: Logger;
  readonly members: Map<number, Member>;
  stopping: boolean;
  /** How many have been asked: the next one has a number of its own. */
  questions: number;
  /** How many reloads there have been. */
  reloads: number;
  /** The last reload that waits for its turn. */
  lastTurn: Promise<void>;
}

const readyIn = ({ members }: Crew): readonly Member[] =>
  [...members.values()].filter((member) => member.ready);

/** Nothing runs before {@link Workers.start}. */
export function createWorkers(count: number, logger: Logger): Workers {
  const crew: Crew = {
    count,
    node: randomUUID(),
    logger,
    members: new Map(),
    stopping: false,
    questions: 0,
    reloads: 0,
    lastTurn: Promise.resolve(),
  };
  return {
    start: (stopped) => startAll(crew, stopped),
    ask: (question) => askAll(crew, question),
    running: () => readyIn(crew).length,
    reload() {
      crew.reloads += 1;
      return reloadInTurn(crew, readyIn(crew));
    },
    stop: (graceMs) => stop(crew, graceMs),
  };
}

async function startAll(crew: Crew, stopped: Promise<unknown>): Promise<void> {
  // Workers accept for themselves: a primary that hands every connection on costs more than the connection.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  void stopped.then(() => {
    for (const member of crew.members.values()) if (!member.ready) tell(member, { kind: 'stop' });
  });
  try {
    // One after the other: the first one prepares what all of them listen on.
    for (let number = 1; number <= crew.count; number += 1) await start(crew, number, false);
  } catch (error) {
    await stop(crew, GIVE_UP_MS);
    throw error;
  }
}

/** Resolves when the worker is ready. @throws WorkerNotStarted when it ends before */
function start(crew: Crew, number: number, again: boolean): Promise<void> {
  const worker = cluster.fork(placeInEnvironment({ number, of: crew.count, node: crew.node, again }));
  const member: Member = {
    number,
    worker,
    ready: false,
    waiting: new Map(),
    announced: new Set(),
    reloads: crew.reloads,
  };
  crew.members.set(number, member);
  return new Promise((resolve, reject) => {
    worker.on('message', (message: ToPrimary) => {
      hear(crew, member, message);
      if (message.kind === 'ready') resolve();
    });
    worker.once('exit', (code, signal) => {
      bury(crew, member);
      reject(new WorkerNotStarted(code || 1));
      if (crew.stopping || !member.ready) return;
      crew.logger.error(
        { event: 'worker_ended', worker: number, pid: worker.process.pid, code, signal },
        'a worker has ended; starting another',
      );
      restart(crew, number);
    });
  });
}

function restart(crew: Crew, number: number): void {
  setTimeout(() => {
    if (crew.stopping) return;
    start(crew, number, true).catch(() => {
      crew.logger.error(
        { event: 'worker_not_started', worker: number },
        'a worker could not be started again; trying on',
      );
      restart(crew, number);
    });
  }, RESTART_MS);
}

function hear(crew: Crew, member: Member, message: ToPrimary): void {
  if (message.kind === 'ready') welcome(crew, member);
  else if (message.kind === 'answer') member.waiting.get(message.id)?.(message.value);
  else if (message.kind === 'failed') {
    crew.logger.warn(
      { event: 'worker_silent', worker: member.number, err: message.because },
      'a worker could not answer',
    );
    member.waiting.get(message.id)?.(undefined);
  } else relay(crew, member, message);
}

/** Tells a worker that is ready what the others have told each other meanwhile. */
function welcome(crew: Crew, member: Member): void {
  member.ready = true;
  for (const other of crew.members.values()) {
    if (other !== member && other.announced.size > 0)
      tell(member, { kind: 'announce', ids: [...other.announced] });
  }
  if (member.reloads !== crew.reloads) void reloadInTurn(crew, [member]);
}

/** Answers for a worker that is gone, and withdraws what it had announced. */
function bury(crew: Crew, member: Member): void {
  crew.members.delete(member.number);
  for (const answer of member.waiting.values()) answer(undefined);
  if (member.announced.size > 0) relay(crew, member, { kind: 'withdraw', ids: [...member.announced] });
}

function tell(member: Member, message: ToWorker): void {
  if (member.worker.isConnected()) member.worker.send(message, () => undefined);
}

function relay(crew: Crew, from: Member, news: ClaimNews): void {
  for (const id of news.ids) {
    if (news.kind === 'announce') from.announced.add(id);
    else from.announced.delete(id);
  }
  for (const member of crew.members.values()) if (member !== from) tell(member, news);
}

async function askAll<Q extends Question>(crew: Crew, question: Q): Promise<readonly Answers[Q][]> {
  const asked = question === 'health' ? [...crew.members.values()] : readyIn(crew);
  const answers = await Promise.all(
    asked.map((member) => askOne(crew, member, question, member.ready ? ANSWER_MS : STARTING_MS)),
  );
  return answers.filter((answer) => answer !== undefined) as Answers[Q][];
}

/** @returns undefined when there is no answer */
async function askOne(crew: Crew, member: Member, question: Question, limitMs: number): Promise<unknown> {
  crew.questions += 1;
  const id = crew.questions;
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<unknown>((resolve) => {
      member.waiting.set(id, resolve);
      timer = setTimeout(() => {
        if (member.ready)
          crew.logger.warn(
            { event: 'worker_silent', worker: member.number, question },
            'a worker gives no answer',
          );
        resolve(undefined);
      }, limitMs);
      tell(member, { kind: 'ask', id, question });
    });
  } finally {
    clearTimeout(timer);
    member.waiting.delete(id);
  }
}

function reloadInTurn(crew: Crew, asked: readonly Member[]): Promise<void> {
  crew.lastTurn = crew.lastTurn.then(async () => {
    for (const member of asked) await askOne(crew, member, 'reload', TURN_MS);
  });
  return crew.lastTurn;
}

async function stop(crew: Crew, graceMs: number): Promise<void> {
  crew.stopping = true;
  const members = [...crew.members.values()];
  const gone = members.map(
    ({ worker }) => new Promise<void>((resolve) => worker.once('exit', () => resolve())),
  );
  for (const member of members) tell(member, { kind: 'stop' });
  const timer = setTimeout(() => {
    crew.logger.error({ event: 'worker_killed' }, 'a worker did not end in time; it is killed');
    for (const { worker } of crew.members.values()) worker.process.kill('SIGKILL');
  }, graceMs);
  await Promise.all(gone);
  clearTimeout(timer);
}
