// The test stand: a private PostgreSQL, the directory, one `sealpost serve`, the peers, and the next hop of them all. Made when
// the first part asks for it, and shared by all parts.
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { createGpgHome, type Decrypt, gpgDecrypt, makeKey } from '../test/support/keys.ts';
import { allocatePlaces, freePorts, type Places } from '../test/support/places.ts';
import { type PrivatePostgres, startPostgres } from '../test/support/private-postgres.ts';
import { createSealpost, placeSealpostPipe, type SealpostProcess } from '../test/support/sealpost-process.ts';
import { addKeyedUsers, addUsers, gpgImport } from './keyed-users.ts';
import { createNextHop, type NextHop } from './next-hop.ts';
import { createPeers, type Peers } from './peers.ts';
import type { PartOptions } from './rows.ts';

/** Users with keys, in the directory and in the peers' keyring: a company or a department. */
export const USERS = 200;
export const DOMAIN = 'example.org';
export const SENDER = 'carol@example.net';

/** Recipients, by what is special about them. */
export const RECIPIENTS = {
  /** The key that gpg makes by default (GnuPG 2.2: RSA 3072). */
  rsa: `alice@${DOMAIN}`,
  /** A Curve25519 key. */
  curve: `bob@${DOMAIN}`,
  /** With `2ten@` to `10ten@` ten users, each with a Curve25519 key of its own. */
  ten: `ten@${DOMAIN}`,
  /** No key; nor have `2plain@` to `10plain@`. */
  plain: `plain@${DOMAIN}`,
} as const;

export interface Stand {
  readonly nextHop: NextHop;
  readonly peers: Peers;
  readonly postgres: PrivatePostgres;
  readonly sealpost: SealpostProcess;
  readonly ports: { readonly smtp: number; readonly lmtp: number; readonly observe: number };
  /** The `sealpost-pipe` bundle. */
  readonly pipe: string;
  /** GNUPGHOME with the public keys of all users, and no secret one. */
  readonly keyring: string;
  readonly decrypt: Decrypt;
  close(): Promise<void>;
}

/** As an administrator of a small server sets PostgreSQL; everything else is its default, fsync included. */
const POSTGRES = ['shared_buffers=512MB', 'max_wal_size=4GB'];

let shared: Promise<Stand> | undefined;

/** The one stand of this run. */
export function theStand(options: PartOptions): Promise<Stand> {
  shared ??= createStand(options);
  return shared;
}

/** Ends everything that {@link theStand} has started. */
export async function closeTheStand(): Promise<void> {
  await (await shared?.catch(() => undefined))?.close();
  shared = undefined;
}

/** The names that smtp-source makes of one: `10name@`, ... `2name@`, `name@`. */
const tenOf = (recipient: string): string[] => [
  recipient,
  ...Array.from({ length: 9 }, (_, index) => `${index + 2}${recipient}`),
];

async function createStand({ progress, serveArguments }: PartOptions): Promise<Stand> {
  progress('making a PostgreSQL, keys, and a sealpost ...');
  const closing: (() => unknown)[] = [];
  try {
    const postgres = await startPostgres(POSTGRES);
    closing.push(() => postgres.remove());
    const places = await allocatePlaces();
    closing.push(() => places.remove());
    const keyring = await createGpgHome();
    const secrets = await createGpgHome();
    closing.push(
      () => keyring.close(),
      () => secrets.close(),
    );
    const [nextHopPort = 0] = await freePorts(1);
    const nextHop = await createNextHop(nextHopPort);
    closing.push(() => nextHop.close());
    const sealpost = await createServe(places, postgres.url, nextHopPort, serveArguments);
    closing.push(() => sealpost.close());
    const { configPath } = sealpost;

    const added = await sealpost.cli(['domain', 'add', DOMAIN]);
    if (added.code !== 0) throw new Error(`sealpost domain add: exit ${added.code}: ${added.stderr}`);
    const keys = [
      await makeKey(secrets, RECIPIENTS.rsa, 'default'),
      await makeKey(secrets, RECIPIENTS.curve, 'future-default'),
    ];
    const publicKeys = keys.map(({ publicKey }) => publicKey).join('\n');
    await gpgImport(keyring, publicKeys);
    await addUsers(configPath, [RECIPIENTS.rsa, RECIPIENTS.curve], publicKeys);
    await addKeyedUsers({ addresses: tenOf(RECIPIENTS.ten), configPath, keyring, secrets });
    const colleagues = Array.from({ length: USERS - 12 }, (_, index) => `colleague${index + 1}@${DOMAIN}`);
    await addKeyedUsers({ addresses: colleagues, configPath, keyring });
    await addUsers(configPath, tenOf(RECIPIENTS.plain), '');

    await sealpost.start();
    const pipe = join(places.dir, 'sealpost-pipe.mjs');
    await placeSealpostPipe(pipe);
    await chmod(pipe, 0o755);
    const peers = createPeers(keyring.dir, nextHopPort);
    closing.push(() => peers.close());
    return {
      nextHop,
      peers,
      postgres,
      sealpost,
      pipe,
      keyring: keyring.dir,
      ports: portsOf(places),
      decrypt: gpgDecrypt(secrets),
      close: () => closeAll(closing),
    };
  } catch (error) {
    await closeAll(closing);
    throw error;
  }
}

function portsOf({ smtpPort, lmtpPort, observePort }: Places): Stand['ports'] {
  return { smtp: smtpPort, lmtp: lmtpPort, observe: observePort };
}

/** Not started. The database's tables are made. */
function createServe(
  places: Places,
  databaseUrl: string,
  nextHopPort: number,
  serveArguments: readonly string[],
): Promise<SealpostProcess> {
  return createSealpost({
    commands: 'program',
    places,
    example: null,
    substitutions: {},
    serveArguments,
    config: {
      database: { url: databaseUrl },
      observe: { log_level: 'warn' },
      filter: {
        // For the attack of slow clients: beyond the default of 500 they would be turned away, and prove nothing.
        max_connections: 2000,
        next_hop: `smtp:127.0.0.1:${nextHopPort}`,
        listen: [
          { name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` },
          { name: 'smtp', protocol: 'smtp', address: `127.0.0.1:${places.smtpPort}` },
        ],
      },
    },
  });
}

/**
 * Another serve, started, over another database of the stand's PostgreSQL, with an empty directory; else the same stand. Close it
 * before the stand.
 * @param database its name; it is made
 */
export async function besideTheStand(
  stand: Stand,
  database: string,
  { serveArguments }: PartOptions,
): Promise<{ readonly stand: Stand; readonly databaseUrl: string; close(): Promise<void> }> {
  const url = new URL(stand.postgres.url);
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: stand.postgres.url });
  await client.connect();
  await client.query(`CREATE DATABASE ${database}`);
  await client.end();
  const places = await allocatePlaces();
  const sealpost = await createServe(places, url.href, stand.nextHop.port, serveArguments);
  await sealpost.start();
  return {
    stand: { ...stand, sealpost, ports: portsOf(places) },
    databaseUrl: url.href,
    close: () => closeAll([() => places.remove(), () => sealpost.close()]),
  };
}

async function closeAll(closing: (() => unknown)[]): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}
