// The programs that people use today, started when they are first asked for: proxies on aiosmtpd, and pipe filters in Python.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { freePorts, repository } from '../test/support/places.ts';
import { waitForPort } from './next-hop.ts';

/** Proxies behind aiosmtpd: see the head of each script in bench/peers/. */
export const PROXIES = {
  plain: { script: 'aiosmtpd-plain-proxy.py', name: 'aiosmtpd + gpg' },
  'lacre-like': { script: 'aiosmtpd-lacre-proxy.py', name: 'aiosmtpd + gpg, built as Lacre is' },
  overlapping: { script: 'aiosmtpd-gpg-proxy.py', name: 'aiosmtpd + gpg, overlapped and stripped' },
} as const;

export type ProxyPeer = keyof typeof PROXIES;

export interface RunningPeer {
  readonly port: number;
  readonly pid: number;
}

export interface Peers {
  proxy(peer: ProxyPeer): Promise<RunningPeer>;
  /** The call of a Python pipe filter for one recipient. */
  pipe(
    script: string,
    sender: string,
    recipient: string,
  ): { readonly command: string; readonly args: readonly string[] };
  close(): void;
}

/** Debian's own, since that is where its python3-aiosmtpd is found. */
const PYTHON = '/usr/bin/python3';

/** @param keyring GNUPGHOME with the public keys of all users */
export function createPeers(keyring: string, nextHopPort: number): Peers {
  const running = new Map<ProxyPeer, Promise<RunningPeer>>();
  const children: ChildProcess[] = [];
  const script = (name: string): string => join(repository, 'bench/peers', name);

  async function start(peer: ProxyPeer): Promise<RunningPeer> {
    const [port = 0] = await freePorts(1);
    const args = [
      script(PROXIES[peer].script),
      ...['--listen', `127.0.0.1:${port}`],
      ...['--next-hop', `127.0.0.1:${nextHopPort}`],
      ...['--homedir', keyring],
    ];
    const child = spawn(PYTHON, args, { stdio: 'ignore' });
    children.push(child);
    await waitForPort(port).catch(() => {
      throw new Error(`${PROXIES[peer].script} did not start; is Debian's python3-aiosmtpd installed?`);
    });
    return { port, pid: child.pid ?? 0 };
  }

  return {
    proxy(peer) {
      const started = running.get(peer) ?? start(peer);
      running.set(peer, started);
      return started;
    },
    pipe: (name, sender, recipient) => ({
      command: PYTHON,
      args: [
        script(name),
        ...['--homedir', keyring, '--next-hop', `127.0.0.1:${nextHopPort}`],
        ...['-f', sender, '--', recipient],
      ],
    }),
    close() {
      for (const child of children) child.kill('SIGTERM');
    },
  };
}
