// The TLS proxy of a site in front of the portal: Debian's nginx or Caddy with the very file from packaging/proxy, in which only
// sockets, ports and certificates are others.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { openAuthority } from './authority.ts';
import { waitUntil } from './child.ts';
import { freePorts, repository } from './places.ts';
import { PORTAL_HOST } from './portal-stand.ts';
import { answerOf } from './socket-browser.ts';

/** Which of the examples. */
export type SiteProxyKind = 'nginx' | 'nginx with sign-in' | 'caddy';

export interface SiteProxyOptions {
  readonly kind: SiteProxyKind;
  /** What it passes requests on to: a unix socket. */
  readonly socket: string;
  /** Where an OpenID Connect proxy answers, of the one that signs users in. */
  readonly signInPort?: number;
}

export interface SiteProxy {
  /** What a browser asks through it. */
  readonly outside: Pick<FastifyInstance, 'inject'>;
  /** What it has written into its access log. */
  accessLog(): string;
  close(): Promise<void>;
}

/** Starts it; it answers when the promise resolves. */
export async function startSiteProxy(options: SiteProxyOptions): Promise<SiteProxy> {
  const dir = mkdtempSync(join(tmpdir(), 'sp-proxy-'));
  const authority = openAuthority();
  const [port = 0, plainPort = 0] = await freePorts(2);
  const issued = authority.issue('proxy', { extensions: [`subjectAltName=DNS:${PORTAL_HOST}`] });
  const places = {
    ...options,
    dir,
    port,
    plainPort,
    certificate: issued.certificateFile,
    key: issued.keyFile,
  };
  const child = options.kind === 'caddy' ? startCaddy(places) : startNginx(places);
  const outside = { inject: injectThrough(port, issued.pem) } as unknown as SiteProxy['outside'];
  const output = () => readFileSync(join(dir, 'output'), 'utf8');
  const proxy: SiteProxy = {
    outside,
    accessLog: () => (options.kind === 'caddy' ? output() : readFileSync(join(dir, 'access.log'), 'utf8')),
    async close() {
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      if (child.exitCode === null && child.kill('SIGTERM')) await ended;
      authority.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    await waitUntil(
      `${options.kind} to answer`,
      20_000,
      async () => {
        if (child.exitCode !== null) throw new Error(`${options.kind} ended\n${output()}`);
        return outside.inject({ method: 'GET', url: '/', headers: { host: PORTAL_HOST } }).then(
          () => true,
          () => false,
        );
      },
      output,
    );
  } catch (error) {
    await proxy.close();
    throw error;
  }
  return proxy;
}

interface Places extends SiteProxyOptions {
  readonly dir: string;
  readonly port: number;
  readonly plainPort: number;
  readonly certificate: string;
  readonly key: string;
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

function startNginx(places: Places): ChildProcess {
  const { dir, port, plainPort, certificate, key, socket, kind, signInPort = 0 } = places;
  const config = join(dir, 'nginx.conf');
  const common = [
    ['listen 443 ssl http2;', `listen 127.0.0.1:${port} ssl http2;`],
    ['    listen [::]:443 ssl http2;\n', ''],
    [`/etc/letsencrypt/live/${PORTAL_HOST}/fullchain.pem`, certificate],
    [`/etc/letsencrypt/live/${PORTAL_HOST}/privkey.pem`, key],
  ] as const;
  const included = join(dir, 'portal-proxy.conf');
  const site =
    kind === 'nginx'
      ? example('nginx.conf', [
          ...common,
          ['listen 80;', `listen 127.0.0.1:${plainPort};`],
          ['    listen [::]:80;\n', ''],
          ['/etc/nginx/sealpost-portal-proxy.conf', included],
        ])
      : example('nginx-sign-in.conf', [
          ...common,
          ['http://unix:/run/sealpost/portal-proxy.sock', `http://unix:${socket}`],
          ['http://127.0.0.1:4180', `http://127.0.0.1:${signInPort}`],
        ]);
  writeFileSync(included, example('nginx-proxy.conf', [['/run/sealpost/portal.sock', socket]]));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    config,
    `daemon off;
master_process off;
pid ${dir}/pid;
events {}
http {
  access_log ${dir}/access.log;
  ${temporary.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')}
${site}
}
`,
  );
  return start(dir, 'nginx', ['-e', join(dir, 'error.log'), '-p', dir, '-c', config]);
}

function startCaddy({ dir, port, certificate, key, socket }: Places): ChildProcess {
  const config = join(dir, 'Caddyfile');
  const site = example('Caddyfile', [
    [
      `\n${PORTAL_HOST} {\n`,
      `
{
	admin off
	auto_https off
}
https://${PORTAL_HOST}:${port} {
	bind 127.0.0.1
	tls ${certificate} ${key}
	log
`,
    ],
    ['unix//run/sealpost/portal.sock', `unix/${socket}`],
  ]);
  writeFileSync(config, site);
  const home = join(dir, 'home');
  mkdirSync(home);
  return start(dir, 'caddy', ['run', '--config', config, '--adapter', 'caddyfile'], {
    HOME: home,
    XDG_DATA_HOME: home,
    XDG_CONFIG_HOME: home,
  });
}

function start(
  dir: string,
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
  const output = openSync(join(dir, 'output'), 'a');
  const child = spawn(program, args, {
    stdio: ['ignore', output, output],
    env: { ...process.env, ...environment },
  });
  child.on('error', () => undefined);
  return child;
}

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload?: string;
}

/** As a browser asks that knows the proxy's certificate. */
function injectThrough(port: number, ca: string) {
  return ({ method, url: path, headers, payload = '' }: Asked): Promise<LightMyRequestResponse> =>
    new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port,
          method,
          path,
          ca,
          servername: PORTAL_HOST,
          headers: { ...headers, 'content-length': String(Buffer.byteLength(payload)) },
          agent: false,
        },
        (response) => {
          answerOf(response).then(resolve, reject);
        },
      );
      sent.on('error', reject);
      sent.end(payload);
    });
}
