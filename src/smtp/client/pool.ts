// The sessions with one next hop: a limited number, used again while they are alive, closed with QUIT when idle.
import { formatNextHop } from '../../config/units.ts';
import { reply } from '../replies.ts';
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

interface Waiter {
  readonly wake: (go: boolean) => void;
}

export function createPool(options: PoolOptions): Pool {
  const idle: { readonly session: Session; readonly timer: NodeJS.Timeout }[] = [];
  const inUse = new Set<Session>();
  const waiters: Waiter[] = [];
  let opening = 0;
  let closed = false;
  const name = formatNextHop(options.nextHop);

  const isOld = ({ opened }: Session): boolean => performance.now() - opened >= options.maxAgeMs;
  const connections = (): number => idle.length + inUse.size + opening;

  function takeIdle(): Session | null {
    for (let entry = idle.pop(); entry !== undefined; entry = idle.pop()) {
      clearTimeout(entry.timer);
      entry.session.channel.onUnexpected = null;
      if (!entry.session.channel.alive || entry.session.channel.unread > 0) entry.session.channel.destroy();
      else if (isOld(entry.session)) entry.session.channel.quit();
      else return entry.session;
    }
    return null;
  }

  /** Waits for a place. @returns false when the deadline came first */
  function turn(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const waiter: Waiter = {
        wake(go) {
          clearTimeout(timer);
          resolve(go);
        },
      };
      const timer = setTimeout(
        () => {
          waiters.splice(waiters.indexOf(waiter), 1);
          resolve(false);
        },
        Math.max(0, deadline - Date.now()),
      );
      waiters.push(waiter);
    });
  }

  function dismiss(entry: { readonly session: Session; readonly timer: NodeJS.Timeout }): void {
    clearTimeout(entry.timer);
    entry.session.channel.onUnexpected = null;
    entry.session.channel.quit();
  }

  return {
    get connections() {
      return connections();
    },
    async acquire(deadline, fresh) {
      for (;;) {
        if (closed)
          return {
            stage: 'connect',
            reply: reply(451, '4.3.2', `The connections to ${name} are being closed`),
          };
        const known = fresh ? null : takeIdle();
        if (known !== null) {
          inUse.add(known);
          return known;
        }
        if (connections() < options.maxConnections) break;
        const oldest = idle.shift();
        if (oldest !== undefined) {
          dismiss(oldest);
          break;
        }
        if (!(await turn(deadline))) {
          return {
            stage: 'connect',
            reply: reply(451, '4.4.5', `All ${options.maxConnections} connections to ${name} are busy`),
          };
        }
      }
      opening += 1;
      try {
        const session = await openSession(options, deadline);
        if ('channel' in session) inUse.add(session);
        else waiters.shift()?.wake(true);
        return session;
      } finally {
        opening -= 1;
      }
    },
    release(session) {
      inUse.delete(session);
      const { channel } = session;
      session.reused = true;
      if (!channel.alive || channel.unread > 0) channel.destroy();
      else if (closed || isOld(session)) channel.quit();
      else {
        const entry = { session, timer: setTimeout(() => retire(), options.idleMs) };
        const retire = (): void => {
          const at = idle.indexOf(entry);
          if (at !== -1) idle.splice(at, 1);
          dismiss(entry);
        };
        // An idle session that says something says goodbye.
        channel.onUnexpected = () => {
          retire();
          channel.destroy();
        };
        idle.push(entry);
      }
      waiters.shift()?.wake(true);
    },
    close() {
      closed = true;
      for (const entry of idle.splice(0)) dismiss(entry);
      for (const waiter of waiters.splice(0)) waiter.wake(true);
    },
    destroy() {
      closed = true;
      for (const entry of idle.splice(0)) {
        clearTimeout(entry.timer);
        entry.session.channel.destroy();
      }
      for (const session of inUse) session.channel.destroy();
      for (const waiter of waiters.splice(0)) waiter.wake(true);
    },
  };
}
