// A worker's end of `serve --workers`: it answers what the primary asks, and hands its claims on.
import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { messageOf } from '../database/exit.ts';
import type { ClaimPeers } from '../delivery/claims.ts';
import type { Answers, Question, ToPrimary, ToWorker } from './worker-link.ts';

/** Which worker this is; the first one also runs what must run once: the receiver and the notices. */
export interface WorkerPlace {
  readonly number: number;
  readonly of: number;
  /** Names this serve among the nodes that deliver from one database: its workers are one node. */
  readonly node: string;
  /** In the place of one that has ended. */
  readonly again?: boolean;
}

const NUMBER = 'SEALPOST_WORKER';
const OF = 'SEALPOST_WORKERS';
const NODE = 'SEALPOST_NODE';
const AGAIN = 'SEALPOST_WORKER_AGAIN';

/** The environment by which a worker knows its place. */
export function placeInEnvironment(place: WorkerPlace): Readonly<Record<string, string>> {
  return {
    [NUMBER]: String(place.number),
    [OF]: String(place.of),
    [NODE]: place.node,
    [AGAIN]: place.again === true ? '1' : '',
  };
}

/** @returns null in a process that is no worker */
export function workerPlace(environment: NodeJS.ProcessEnv = process.env): WorkerPlace | null {
  if (!cluster.isWorker) return null;
  return {
    number: Number(environment[NUMBER] ?? 1),
    of: Number(environment[OF] ?? 1),
    node: environment[NODE] ?? randomUUID(),
    again: environment[AGAIN] === '1',
  };
}

export interface PrimaryLink {
  readonly peers: ClaimPeers;
  /** Everything is open. */
  ready(): void;
}

export interface WorkerDuties {
  readonly answers: { readonly [Q in Question]: () => Promise<Answers[Q]> };
  stop(): void;
  heard(kind: 'announce' | 'withdraw', ids: readonly string[]): void;
}

/** Claims can be told at once; questions are answered from {@link PrimaryLink.ready} on. */
export function linkToPrimary(duties: () => WorkerDuties): PrimaryLink {
  const tell = (message: ToPrimary): void => {
    // A primary that is gone takes this process with it.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  };
  async function answer(id: number, question: Question): Promise<void> {
    try {
      tell({ kind: 'answer', id, value: await duties().answers[question]() });
    } catch (error) {
      tell({ kind: 'failed', id, because: messageOf(error) });
    }
  }
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'ask') void answer(message.id, message.question);
    else if (message.kind === 'stop') duties().stop();
    else duties().heard(message.kind, message.ids);
  });
  return {
    peers: {
      announce: (ids) => tell({ kind: 'announce', ids }),
      withdraw: (ids) => tell({ kind: 'withdraw', ids }),
    },
    ready: () => tell({ kind: 'ready' }),
  };
}
