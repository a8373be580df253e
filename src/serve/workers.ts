// The primary's end of `serve --workers`: starts the workers one after the other, starts a new one where one has died, asks
// them, and hands the claims of each on to the others.
import cluster, { type Worker } from 'node:cluster';
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
  /** Asks all workers that are ready. Those that fail or are silent are left out, with a line in the log. */
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
/** A reload reads a file and opens listeners, on a machine that may be busy. */
const TURN_MS = 40_000;
const RESTART_MS = 1000;
/** For the others, when one could not be started. */
const GIVE_UP_MS = 10_000;

/**
 * Starts the workers.
 * @param stopped ends those that are still starting: one may be waiting for its database
 * @throws WorkerNotStarted when one ends before it is ready; the others are stopped then
 */
export async function startWorkers(
  count: number,
  logger: Logger,
  stopped: Promise<unknown>,
): Promise<Workers> {
  // Workers accept for themselves: a primary that hands every connection on costs more than the connection.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const members = new Map<number, Member>();
  let stopping = false;
  let questions = 0;
  let reloads = 0;
  let lastTurn = Promise.resolve();

  function start(number: number): Promise<void> {
    const worker = cluster.fork(placeInEnvironment({ number, of: count }));
    const member: Member = {
      number,
      worker,
      ready: false,
      waiting: new Map(),
      announced: new Set(),
      reloads,
    };
    members.set(number, member);
    return new Promise((resolve, reject) => {
      worker.on('message', (message: ToPrimary) => {
        if (message.kind === 'ready') {
          member.ready = true;
          for (const other of members.values()) {
            if (other !== member && other.announced.size > 0)
              tell(member, { kind: 'announce', ids: [...other.announced] });
          }
          if (member.reloads !== reloads) void reloadInTurn([member]);
          resolve();
        } else if (message.kind === 'answer') member.waiting.get(message.id)?.(message.value);
        else if (message.kind === 'failed') {
          logger.warn({ worker: number, err: message.because }, 'a worker could not answer');
          member.waiting.get(message.id)?.(undefined);
        } else relay(member, message);
      });
      worker.once('exit', (code, signal) => {
        members.delete(number);
        for (const answer of member.waiting.values()) answer(undefined);
        if (member.announced.size > 0) relay(member, { kind: 'withdraw', ids: [...member.announced] });
        reject(new WorkerNotStarted(code || 1));
        if (stopping || !member.ready) return;
        logger.error(
          { worker: number, pid: worker.process.pid, code, signal },
          'a worker has ended; starting another',
        );
        restart(number);
      });
    });
  }

  function restart(number: number): void {
    setTimeout(() => {
      if (stopping) return;
      start(number).catch(() => {
        logger.error({ worker: number }, 'a worker could not be started again; trying on');
        restart(number);
      });
    }, RESTART_MS);
  }

  function tell(member: Member, message: ToWorker): void {
    if (member.worker.isConnected()) member.worker.send(message, () => undefined);
  }

  function relay(from: Member, news: ClaimNews): void {
    for (const id of news.ids) {
      if (news.kind === 'announce') from.announced.add(id);
      else from.announced.delete(id);
    }
    for (const member of members.values()) if (member !== from) tell(member, news);
  }

  async function askOne(member: Member, question: Question, limitMs: number): Promise<unknown> {
    questions += 1;
    const id = questions;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<unknown>((resolve) => {
        member.waiting.set(id, resolve);
        timer = setTimeout(() => {
          logger.warn({ worker: member.number, question }, 'a worker gives no answer');
          resolve(undefined);
        }, limitMs);
        tell(member, { kind: 'ask', id, question });
      });
    } finally {
      clearTimeout(timer);
      member.waiting.delete(id);
    }
  }

  function reloadInTurn(asked: readonly Member[]): Promise<void> {
    lastTurn = lastTurn.then(async () => {
      for (const member of asked) await askOne(member, 'reload', TURN_MS);
    });
    return lastTurn;
  }

  const readyMembers = (): readonly Member[] => [...members.values()].filter((member) => member.ready);

  const workers: Workers = {
    async ask(question) {
      const answers = await Promise.all(readyMembers().map((member) => askOne(member, question, ANSWER_MS)));
      return answers.filter((answer) => answer !== undefined) as Answers[typeof question][];
    },
    running: () => readyMembers().length,
    reload() {
      reloads += 1;
      return reloadInTurn(readyMembers());
    },
    async stop(graceMs) {
      stopping = true;
      const gone = [...members.values()].map(
        ({ worker }) => new Promise<void>((resolve) => worker.once('exit', () => resolve())),
      );
      for (const member of members.values()) tell(member, { kind: 'stop' });
      const timer = setTimeout(() => {
        logger.error('a worker did not end in time; it is killed');
        for (const { worker } of members.values()) worker.process.kill('SIGKILL');
      }, graceMs);
      await Promise.all(gone);
      clearTimeout(timer);
    },
  };

  void stopped.then(() => {
    for (const member of members.values()) if (!member.ready) tell(member, { kind: 'stop' });
  });
  try {
    // One after the other: the first one prepares what all of them listen on.
    for (let number = 1; number <= count; number += 1) await start(number);
  } catch (error) {
    await workers.stop(GIVE_UP_MS);
    throw error;
  }
  return workers;
}
