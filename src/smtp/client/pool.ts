// The sessions with one next hop: a limited number, used again while they are alive, closed with QUIT when idle.
import { formatNextHop } from '../../config/units.ts';
import { connectionsBusy, connectionsClosing } from '../our-replies.ts';
import { type NoSession, openSession, type Session, type SessionOptions } from './session.ts';

export interface PoolOptions extends SessionOptions {
  readonly maxConnections: number;
  readonly idleMs: number;
  /** No session that is older begins a further message: what serves it may still have an old configuration. */
  readonly maxAgeMs: number;
}

export interface Pool {
  /**
   * A session to be used by nobody else until {@link release}.
   * @param fresh no session that has been used before, because one of those has just been found dead
   * @param deadline Unix milliseconds
   */
  acquire(deadline: number, fresh: boolean): Promise<Session | NoSession>;
  /** Gives a session back; a dead one is dropped. */
  release(session: Session): void;
  /** Ends idle sessions with QUIT; those in use end when they are released. */
  close(): void;
  /** Cuts every connection. */
  destroy(): void;
  /** Open or being opened. */
  readonly connections: number;
}

interface IdleSession {
  readonly session: Session;
  /** Ends it when nobody has needed it for long. */
  readonly timer: NodeJS.Timeout;
}

/** Told whether it may try again, or that its deadline has come. */
type Wake = (go: boolean) => void;

/** The state of a pool. */
interface Sessions {
  readonly options: PoolOptions;
  /** The next hop as a person writes it. */
  readonly name: string;
  /** The one that was used last stands last. */
  readonly idle: IdleSession[];
  readonly inUse: Set<Session>;
  /** Those who wait for a place, in order. */
  readonly waiting: Wake[];
  /** Sessions that are being opened. */
  opening: number;
  closed: boolean;
}

export function createPool(options: PoolOptions): Pool {
  const sessions: Sessions = {
    options,
    name: formatNextHop(options.nextHop),
    idle: [],
    inUse: new Set(),
    waiting: [],
    opening: 0,
    closed: false,
  };
  return {
    get connections() {
      return connectionsOf(sessions);
    },
    acquire: (deadline, fresh) => acquire(sessions, deadline, fresh),
    release: (session) => release(sessions, session),
    close: () => close(sessions),
    destroy: () => destroy(sessions),
  };
}

function connectionsOf({ idle, inUse, opening }: Sessions): number {
  return idle.length + inUse.size + opening;
}

async function acquire(sessions: Sessions, deadline: number, fresh: boolean): Promise<Session | NoSession> {
  const { options, name, inUse, idle } = sessions;
  for (;;) {
    if (sessions.closed) return { stage: 'connect', reply: connectionsClosing(name) };
    const known = fresh ? null : takeIdle(sessions);
    if (known !== null) {
      inUse.add(known);
      return known;
    }
    if (connectionsOf(sessions) < options.maxConnections) return open(sessions, deadline);
    const oldest = idle.shift();
    if (oldest !== undefined) {
      dismiss(oldest);
      return open(sessions, deadline);
    }
    if (!(await place(sessions, deadline)))
      return { stage: 'connect', reply: connectionsBusy(name, options.maxConnections) };
  }
}

async function open(sessions: Sessions, deadline: number): Promise<Session | NoSession> {
  sessions.opening += 1;
  try {
    const session = await openSession(sessions.options, deadline);
    if ('channel' in session) sessions.inUse.add(session);
    else wakeNext(sessions);
    return session;
  } finally {
    sessions.opening -= 1;
  }
}

function isOld({ maxAgeMs }: PoolOptions, { opened }: Session): boolean {
  return performance.now() - opened >= maxAgeMs;
}

function takeIdle({ idle, options }: Sessions): Session | null {
  for (let entry = idle.pop(); entry !== undefined; entry = idle.pop()) {
    clearTimeout(entry.timer);
    const { channel } = entry.session;
    channel.onUnexpected = null;
    if (!channel.alive || channel.unread > 0) channel.destroy();
    else if (isOld(options, entry.session)) channel.quit();
    else return entry.session;
  }
  return null;
}

/** Waits for a place. @returns false when the deadline came first */
function place({ waiting }: Sessions, deadline: number): Promise<boolean> {
  return new Promise((resolve) => {
    const wake: Wake = (go) => {
      clearTimeout(timer);
      resolve(go);
    };
    const timer = setTimeout(
      () => {
        waiting.splice(waiting.indexOf(wake), 1);
        resolve(false);
      },
      Math.max(0, deadline - Date.now()),
    );
    waiting.push(wake);
  });
}

function wakeNext({ waiting }: Sessions): void {
  waiting.shift()?.(true);
}

function release(sessions: Sessions, session: Session): void {
  sessions.inUse.delete(session);
  const { channel } = session;
  session.reused = true;
  if (!channel.alive || channel.unread > 0) channel.destroy();
  else if (sessions.closed || isOld(sessions.options, session)) channel.quit();
  else keepIdle(sessions, session);
  wakeNext(sessions);
}

function keepIdle({ idle, options }: Sessions, session: Session): void {
  const retire = (): void => {
    const at = idle.indexOf(entry);
    if (at !== -1) idle.splice(at, 1);
    dismiss(entry);
  };
  const entry: IdleSession = { session, timer: setTimeout(retire, options.idleMs) };
  // An idle session that says something says goodbye.
  session.channel.onUnexpected = () => {
    retire();
    session.channel.destroy();
  };
  idle.push(entry);
}

function dismiss({ timer, session }: IdleSession): void {
  clearTimeout(timer);
  session.channel.onUnexpected = null;
  session.channel.quit();
}

function close(sessions: Sessions): void {
  sessions.closed = true;
  for (const entry of sessions.idle.splice(0)) dismiss(entry);
  for (const wake of sessions.waiting.splice(0)) wake(true);
}

function destroy(sessions: Sessions): void {
  sessions.closed = true;
  for (const { timer, session } of sessions.idle.splice(0)) {
    clearTimeout(timer);
    session.channel.destroy();
  }
  for (const session of sessions.inUse) session.channel.destroy();
  for (const wake of sessions.waiting.splice(0)) wake(true);
}
