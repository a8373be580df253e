// An Internet of its own for programs that look names up and ask by HTTPS: a network namespace with nothing but loopback, where
// names are those of a hosts file, and one authority is the only one that anybody believes. A proxy of the site listens on 443.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { openAuthority } from './authority.ts';
import { waitUntil } from './child.ts';
import { need } from './needs.ts';
import { repository } from './places.ts';

need('root', 'iproute2', 'openssl', 'python3');

export interface Ran {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

export interface OwnInternet {
  /** Runs a program in it; gives its exit code and what it wrote. @throws where it takes longer than half a minute */
  run(
    program: string,
    args: readonly string[],
    environment?: Readonly<Record<string, string>>,
    input?: Buffer,
  ): Promise<Ran>;
  close(): Promise<void>;
}

export interface OwnInternetOptions {
  readonly proxy: 'nginx' | 'caddy';
  /** What the proxy passes requests on to: a unix socket. */
  readonly socket: string;
  /** The names that lead to the proxy, and for which it has a certificate. */
  readonly names: readonly string[];
}

/** A name server that knows no name: dirmngr asks for SRV records, and a server that is away is not "no such name" to it. */
const NOBODY = `import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 53))
print('ready', flush=True)
while True:
    asked, client = server.recvfrom(4096)
    end = asked.index(0, 12) + 5
    server.sendto(asked[:2] + bytes([0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]) + asked[12:end], client)
`;

const BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

/** Starts it; the proxy answers when the promise resolves. */
export async function openInternet(options: OwnInternetOptions): Promise<OwnInternet> {
  const dir = mkdtempSync(join(tmpdir(), 'sp-net-'));
  chmodSync(dir, 0o755);
  const authority = openAuthority();
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const ca = authority.issue('authority', {
    extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'],
    subject: '/O=Test/CN=Test Authority',
  });
  const site = authority.issue('site', {
    issuer: ca,
    extensions: [`subjectAltName=${options.names.map((name) => `DNS:${name}`).join(',')}`],
  });
  const hosts = file('hosts', `127.0.0.1 localhost ${options.names.join(' ')}\n`);
  const switches = file('nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files\n');
  const bundle = file('bundle.pem', ca.pem);
  const resolver = file('resolv.conf', 'nameserver 127.0.0.1\n');
  const nobody = file('nobody.py', NOBODY);
  const proxy = options.proxy === 'nginx' ? nginx : caddy;
  const command = proxy({ ...options, dir, certificate: site.certificateFile, key: site.keyFile, file });
  const script = [
    'ip link set lo up',
    `mount --bind ${hosts} /etc/hosts`,
    `mount --bind ${switches} /etc/nsswitch.conf`,
    `mount --bind ${bundle} ${BUNDLE}`,
    `mount --bind ${resolver} /etc/resolv.conf`,
    `exec ${command}`,
  ].join(' && ');
  const output: Buffer[] = [];
  const child = spawn('unshare', ['--net', '--mount', '--propagation', 'private', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  let names: ChildProcess | null = null;
  const internet: OwnInternet = {
    run: (program, args, environment = {}, input = Buffer.alloc(0)) =>
      ran(['-t', String(child.pid), '--net', '--mount', program, ...args], environment, input),
    async close() {
      if (names !== null) await ended(names);
      await ended(child);
      authority.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    await waitUntil(
      `${options.proxy} to answer`,
      20_000,
      async () => {
        if (child.exitCode !== null) throw new Error(`${options.proxy} ended\n${Buffer.concat(output)}`);
        const [name = ''] = options.names;
        return answers(internet, name);
      },
      () => Buffer.concat(output).toString(),
    );
    const asked = spawn('nsenter', ['-t', String(child.pid), '--net', '--mount', 'python3', nobody], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    names = asked;
    let ready = false;
    asked.stdout.once('data', () => {
      ready = true;
    });
    await waitUntil('the name server to listen', 20_000, async () => ready);
  } catch (error) {
    await internet.close();
    throw error;
  }
  return internet;
}

/** Not in one step: what is asked may answer from this very process. */
async function ran(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  input: Buffer,
): Promise<Ran> {
  const child = spawn('nsenter', [...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, SSL_CERT_FILE: BUNDLE, LC_ALL: 'C', ...environment },
    timeout: 30_000,
  });
  // Some read nothing.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [out, err] = [buffer(child.stdout), text(child.stderr)];
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code === null) throw new Error(`${args.slice(4).join(' ')} took longer than half a minute`);
  return { code, out: await out, err: await err };
}

async function answers(internet: OwnInternet, name: string): Promise<boolean> {
  return (
    (await internet.run('openssl', ['s_client', '-connect', `${name}:443`, '-verify_return_error'])).code ===
    0
  );
}

async function ended(child: ChildProcess): Promise<void> {
  const over = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await over;
}

interface Places extends OwnInternetOptions {
  readonly dir: string;
  readonly certificate: string;
  readonly key: string;
  /** Writes a file, and gives its path. */
  file(name: string, text: string): string;
}

/** An example with other words in it. @throws Error where it has no such words: what is tried would not be the example */
function example(name: string, others: readonly (readonly [words: string, others: string])[]): string {
  let text = readFileSync(join(repository, 'packaging/proxy', name), 'utf8');
  for (const [words, other] of others) {
    if (!text.includes(words)) throw new Error(`packaging/proxy/${name} does not say ${words}`);
    text = text.replaceAll(words, other);
  }
  return text;
}

function nginx({ dir, socket, certificate, key, names, file }: Places): string {
  const included = file(
    'portal-proxy.conf',
    example('nginx-proxy.conf', [['/run/sealpost/portal.sock', socket]]),
  );
  const published = file(
    'published-keys.conf',
    example('nginx-published-keys.conf', [['/etc/nginx/sealpost-portal-proxy.conf', included]]),
  );
  const site = example('nginx-domains.conf', [
    ['openpgpkey.example.org openpgpkey.example.net example.net', names.join(' ')],
    ['    listen [::]:443 ssl http2;\n', ''],
    ['/etc/letsencrypt/live/openpgpkey.example.org/fullchain.pem', certificate],
    ['/etc/letsencrypt/live/openpgpkey.example.org/privkey.pem', key],
    ['/etc/nginx/sealpost-published-keys.conf', published],
  ]);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${dir}/${name};`)
    .join(' ');
  const config = file(
    'nginx.conf',
    `daemon off;\nmaster_process off;\npid ${dir}/pid;\nevents {}\nhttp {\n  access_log off;\n  ${temporary}\n${site}}\n`,
  );
  return `nginx -e ${dir}/error.log -p ${dir} -c ${config}`;
}

function caddy({ dir, socket, certificate, key, names, file }: Places): string {
  const site = example('Caddyfile-domains', [
    ['unix//run/sealpost/portal.sock', `unix/${socket}`],
    [
      'openpgpkey.example.org, openpgpkey.example.net, example.net {\n',
      `${names.join(', ')} {\n\ttls ${certificate} ${key}\n`,
    ],
  ]);
  mkdirSync(join(dir, 'caddy'), { recursive: true });
  const config = file('Caddyfile', `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`);
  return `caddy run --config ${config} --adapter caddyfile`;
}

/** A GnuPG that knows nobody, with a dirmngr that resolves as everybody does. */
export function newHome(internet: OwnInternet): {
  readonly home: string;
  gpg(...args: readonly string[]): Promise<Ran>;
  close(): void;
} {
  const home = mkdtempSync(join(tmpdir(), 'sp-gpg-'));
  writeFileSync(join(home, 'dirmngr.conf'), 'standard-resolver\n');
  const environment = { GNUPGHOME: home };
  return {
    home,
    gpg: (...args) => internet.run('gpg', ['--batch', '--homedir', home, ...args], environment),
    close() {
      execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
      rmSync(home, { recursive: true, force: true });
    },
  };
}
