// Keeps Debian packages from starting their services while they are installed (invoke-rc.d(8): policy-rc.d), and leaves nothing of
// that behind, however the installation ends.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const MARK = '# While sealpost installs packages; packaging/no-services.mjs removes it.';
const LOCK = '/var/lib/dpkg/lock-frontend';

/**
 * Waits for the end of our process, by whatever signal, in a session of its own, which a signal to our group does not reach; then
 * for an apt-get that outlives us, as long as it holds its lock (proc(5), /proc/locks); and removes the file.
 */
const GUARD = `
cat >/dev/null
lock=$(stat -c %i ${LOCK} 2>/dev/null)
tries=0
while [ -n "$lock" ] && [ $tries -lt 1800 ] && grep -q ":$lock " /proc/locks 2>/dev/null; do
  sleep 1
  tries=$((tries + 1))
done
rm -f "$0"
`;

/**
 * Runs `install` while no service may start.
 * @template T
 * @param {() => T} install returns when it is over
 * @param {string} [path] where the policy stands; one that is there already, and not ours, stays as it is
 * @returns {T}
 */
export function withoutServices(install, path = '/usr/sbin/policy-rc.d') {
  if (existsSync(path) && !readFileSync(path, 'utf8').includes(MARK)) return install();
  const guard = spawn('sh', ['-c', GUARD, path], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  guard.unref();
  writeFileSync(path, `#!/bin/sh\n${MARK}\nexit 101\n`);
  chmodSync(path, 0o755);
  try {
    return install();
  } finally {
    rmSync(path, { force: true });
    guard.kill();
  }
}
