// A test run that is killed cannot clean up. A small shell beside it does: when the test process is gone and its folder is
// still there, it ends the daemons whose pid files lie in that folder, and removes it.
import { spawn } from 'node:child_process';

/** The pid file that a daemon's starter writes into the folder, beside those that Postfix and PostgreSQL write. */
export const SERVE_PID_FILE = 'serve.pid';

const WATCH = `
while kill -0 "$1" 2>/dev/null && [ -d "$2" ]; do sleep 2; done
[ -d "$2" ] || exit 0
for file in "$2/postfix/spool/pid/master.pid" "$2/${SERVE_PID_FILE}" $(find "$2" -name postmaster.pid); do
  pid=$(head -n 1 "$file" 2>/dev/null | tr -d ' ')
  [ -n "$pid" ] && tr '\\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -qE 'master|serve|postgres' && kill "$pid"
done
sleep 3
rm -rf "$2"
`;

/** Watches over a folder from now on; ends by itself once the folder has been removed. */
export function endWithThisProcess(dir: string): void {
  spawn('sh', ['-c', WATCH, 'sh', String(process.pid), dir], {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
  }).unref();
}
