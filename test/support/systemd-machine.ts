// systemd(1) as the first process of a Debian in a folder, in namespaces of its own: the units of a package live as they do on a
// machine. It needs a cgroup2 hierarchy that may be written to (systemd-nspawn's way; no container engine is used).
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitUntil } from './child.ts';
import { OWN_DEVICES } from './debian-root.ts';
import { firstLineOf, HOST, type Machine, runIn } from './stock-debian.ts';

/** Milliseconds for systemd to bring up what is installed, on a busy machine. */
const BOOT_MS = 300_000;

/** Where this machine has its cgroup2; null where it has none that may be written to. */
function cgroups(): string | null {
  const mounts = readFileSync('/proc/mounts', 'latin1').split('\n');
  const [, place] = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2') ?? [];
  if (place === undefined || !existsSync(join(place, 'cgroup.procs'))) return null;
  try {
    accessSync(place, constants.W_OK);
    return place;
  } catch {
    return null;
  }
}

/** Why systemd cannot run here, as `TOOL: REASON`; null when it can. */
export function lackOfSystemd(): string | null {
  return cgroups() === null ? 'systemd: there is no cgroup2 hierarchy that may be written to' : null;
}

/** In the namespaces, before systemd: what it expects to find, as systemd.io/CONTAINER_INTERFACE has it. */
const PREPARE = `
  read -r pid rest < /proc/self/stat &&
  echo ${HOST} > "$0/etc/hostname" && ip link set lo up && mount --bind "$0" "$0" && ${OWN_DEVICES} && : > "$0/dev/console" &&
  mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" && mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup" &&
  mount -t tmpfs -o mode=755 tmpfs "$0/run" && mkdir "$0/run/lock" &&
  cd "$0" && pivot_root . mnt && umount -l /mnt &&
  echo "$pid" && exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --show-status=no >/dev/null 2>&1`;

/** A cgroup of its own, and an end with our standard input: also when this process is killed. */
const HOLD = `
  cgroup="$1/sealpost-$$" && mkdir "$cgroup" || exit
  sh -c 'echo $$ > "$0/cgroup.procs" && exec "$@"' "$cgroup" \\
    unshare --mount --propagation private --uts --ipc --net --cgroup --pid --fork --kill-child=KILL \\
    sh -c "$2" "$3" </dev/null &
  cat >/dev/null
  kill -KILL $!
  wait
  tries=0
  while [ -d "$cgroup" ] && [ $tries -lt 50 ]; do
    find "$cgroup" -depth -type d -exec rmdir {} \\; 2>/dev/null
    tries=$((tries + 1))
    sleep 0.1
  done`;

/** Starts it, and waits until everything that is to run by itself does. @param root with the package systemd-sysv in it */
export async function startSystemd(root: string): Promise<Machine> {
  const holder = spawn('sh', ['-c', HOLD, 'sh', cgroups() ?? '', PREPARE, root], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => {
    holder.once('close', () => resolve());
  });
  const pid = await firstLineOf(holder);
  const run = runIn(pid);
  // "degraded": a unit has failed, such as the one that loads modules into the kernel.
  await waitUntil('systemd to have started everything', BOOT_MS, async () =>
    /^(?:running|degraded)\n/.test((await run('systemctl is-system-running')).stdout.toString()),
  );
  return {
    run,
    end: async () => {
      holder.stdin?.end();
      await ended;
    },
  };
}
