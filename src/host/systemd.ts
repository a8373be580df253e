// The service manager's protocol: sockets passed by socket activation (sd_listen_fds(3)), and notifications (sd_notify(3)).
import { execFile } from 'node:child_process';
import type { Logger } from '../observe/log.ts';

/** The first passed file descriptor (SD_LISTEN_FDS_START). */
const FIRST_FD = 3;
/** A systemd-notify that takes longer must not hold up the next one. */
const NOTIFY_MS = 5000;

/**
 * The sockets that systemd passed, by FileDescriptorName; an empty map where there are none or they are for another process.
 * @param environment LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES of sd_listen_fds(3)
 */
export function passedSockets(environment: NodeJS.ProcessEnv, pid: number): ReadonlyMap<string, number> {
  const count = Number(environment.LISTEN_FDS ?? 0);
  if (Number(environment.LISTEN_PID) !== pid || !Number.isInteger(count) || count < 1) return new Map();
  const names = (environment.LISTEN_FDNAMES ?? '').split(':');
  return new Map(
    Array.from(
      { length: count },
      (_, index) => [names[index] || `fd${FIRST_FD + index}`, FIRST_FD + index] as const,
    ),
  );
}

export interface ServiceNotifier {
  /** READY=1: the listeners are open. */
  ready(): void;
  /** RELOADING=1 with the monotonic time, then READY=1 when it is done. */
  reloading(): void;
  /** STOPPING=1. */
  stopping(): void;
  /** One line for `systemctl status`. */
  status(line: string): void;
  close(): void;
}

/**
 * Notifies through systemd-notify(1), since Node.js has no datagram unix sockets; silent where NOTIFY_SOCKET is not set.
 * The unit needs NotifyAccess=all. With WATCHDOG_USEC it sends WATCHDOG=1 at half that interval for as long as
 * `alive` answers true.
 */
export function createServiceNotifier(
  environment: NodeJS.ProcessEnv,
  alive: () => Promise<boolean>,
  logger: Logger,
): ServiceNotifier {
  const notify = (...assignments: string[]): Promise<void> =>
    new Promise((resolve) => {
      if (environment.NOTIFY_SOCKET === undefined) return resolve();
      const args = [`--pid=${process.pid}`, ...assignments];
      execFile('systemd-notify', args, { timeout: NOTIFY_MS }, (error) => {
        if (error)
          logger.warn({ event: 'service_manager_deaf', err: error.message }, 'systemd-notify failed');
        resolve();
      });
    });
  /** READY=1 must not overtake the RELOADING=1 that it ends: each is a process of its own. Nothing else waits. */
  let reloading = Promise.resolve();
  const interval = Number(environment.WATCHDOG_USEC ?? 0) / 1000 / 2;
  const forUs = environment.WATCHDOG_PID === undefined || Number(environment.WATCHDOG_PID) === process.pid;
  const watchdog =
    interval > 0 && forUs
      ? setInterval(() => {
          void alive().then((well) => {
            if (well) void notify('WATCHDOG=1');
          });
        }, interval)
      : undefined;
  watchdog?.unref();
  return {
    ready: () => void reloading.then(() => notify('--ready')),
    reloading: () => {
      reloading = notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    },
    stopping: () => void notify('STOPPING=1'),
    status: (line) => void notify(`--status=${line}`),
    close: () => clearInterval(watchdog),
  };
}
