// A whole mail server for the roads: Postfix wired by an example's very files, a running sealpost that knows every mailbox's
// owner and key, the mailboxes, and a server outside.
import { readFile } from 'node:fs/promises';
import { generateKey } from 'openpgp';
import { parse } from 'smol-toml';
import { loadConfig } from '../../src/config/load.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { openDatabase } from '../../src/database/open.ts';
import { addAlias } from '../../src/directory/aliases.ts';
import { addDomain } from '../../src/directory/domains.ts';
import { addUser } from '../../src/directory/users.ts';
import { importKeys } from '../../src/keys/store.ts';
import { type Decrypt, openpgpDecrypt } from './keys.ts';
import { pipeCommand } from './mail-system.ts';
import { allocatePlaces, exampleFile, exampleSubstitutions, freePorts, type Places } from './places.ts';
import { type PrivatePostfix, startPostfix } from './private-postfix.ts';
import { ALIASED, LOCAL, mailboxOf, makeSite, OVERRIDDEN, type Site, USERS, VIRTUAL } from './roads-site.ts';
import { createSealpost, type SealpostProcess } from './sealpost-process.ts';
import { type Sink, startSink } from './sink.ts';

/** One way of wiring, as the roads see it. */
export interface RoadsWiring {
  readonly name: string;
  /** Folders of postfix-examples, merged. */
  readonly examples: readonly string[];
  /** Laid over the wiring's main.cf. */
  readonly mainCf?: Readonly<Record<string, string>>;
}

/** Where mail is handed in. */
export interface Doors {
  /** For anybody: no relaying. */
  readonly outsider: number;
  /** For the machine's own people. */
  readonly local: number;
  /** With always_bcc. */
  readonly bcc: number;
  /** With header_checks that name another filter. */
  readonly headerFilter: number;
  /** With a content_filter of its own. */
  readonly contentFilter: number;
  /** With reject_unverified_recipient. */
  readonly verified: number;
}

export interface RoadsStand {
  readonly places: Places;
  readonly site: Site;
  readonly postfix: PrivatePostfix;
  readonly sealpost: SealpostProcess;
  readonly outside: Sink;
  readonly stores: readonly Sink[];
  readonly doors: Doors;
  readonly decrypts: ReadonlyMap<string, Decrypt>;
  close(): Promise<void>;
}

/** Starts everything; when a step fails, what had been started is ended. */
export async function startRoadsStand(wiring: RoadsWiring): Promise<RoadsStand> {
  const places = await allocatePlaces();
  const cleanups: (() => Promise<unknown>)[] = [() => places.remove()];
  const close = async (): Promise<void> => {
    for (const cleanup of cleanups.reverse()) await cleanup();
    cleanups.length = 0;
  };
  try {
    const [outsidePort = 0, otherPort = 0, localIn = 0, localBack = 0, ...doorPorts] = await freePorts(9);
    const [bcc = 0, headerFilter = 0, contentFilter = 0, verified = 0, outsider = 0] = doorPorts;
    const doors = { outsider, local: places.submitPort, bcc, headerFilter, contentFilter, verified };
    // Without DSN: reports of success are Postfix's own.
    const outside = await startSink({
      protocol: 'smtp',
      listen: { port: outsidePort },
      extensions: ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'],
    });
    cleanups.push(() => outside.stop());
    outside.behave({
      recipient: (path) => (path.startsWith('refused') ? '550 5.1.1 no such user' : undefined),
    });
    const stores = [
      await startStore({ path: places.dovecotSocket }, cleanups),
      await startStore({ port: otherPort }, cleanups),
    ];
    const substitutions = exampleSubstitutions(places, {
      10034: String(localIn),
      10027: String(localBack),
      ...(wiring.name === 'pipe' ? { '/usr/bin/sealpost-pipe': await pipeCommand(places) } : {}),
    });
    const sealpost = await createSealpost({
      places,
      example: null,
      substitutions,
      config: await mergedConfig(wiring.examples, substitutions),
    });
    cleanups.push(() => sealpost.close());
    const decrypts = await fillDirectory(places.sealpostConfig);
    await sealpost.start();
    const site = await makeSite(places.dir, { outside: outsidePort, other: otherPort });
    const postfix = await startPostfix({
      places,
      example: wiring.examples,
      substitutions,
      mailboxes: `smtp:[127.0.0.1]:${outsidePort}`,
      site: site.mainCf,
      masterCf: masterCf(doors),
      ...(wiring.mainCf === undefined ? {} : { mainCf: wiring.mainCf }),
    });
    cleanups.push(() => postfix.stop());
    return { places, site, postfix, sealpost, outside, stores, doors, decrypts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A mail store knows its users, by every name that Postfix lets through. */
async function startStore(
  listen: { port: number } | { path: string },
  cleanups: (() => Promise<unknown>)[],
): Promise<Sink> {
  // As Dovecot's: no DSN.
  const extensions = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'XFORWARD ADDR PORT'];
  const store = await startSink({ protocol: 'lmtp', listen, extensions });
  cleanups.push(() => store.stop());
  store.behave({
    recipient: (path) =>
      mailboxOf(Buffer.from(path, 'latin1').toString('utf8')) === undefined
        ? '550 5.1.1 no such mailbox'
        : undefined,
  });
  return store;
}

/** The examples' configurations as one: their listeners side by side, every other key from the first that has it. */
async function mergedConfig(
  examples: readonly string[],
  substitutions: Readonly<Record<string, string>>,
): Promise<Record<string, unknown>> {
  const files = await Promise.all(
    examples.map(async (example) =>
      parse(await exampleFile(example, 'sealpost.example.toml', substitutions)),
    ),
  );
  const filters = files.map((file) => (file.filter ?? {}) as Record<string, unknown>);
  return {
    ...files[0],
    filter: {
      ...Object.assign({}, ...[...filters].reverse()),
      listen: filters.flatMap((filter) => (filter.listen ?? []) as unknown[]),
    },
  };
}

const BY_THEMSELVES = `  -o smtpd_error_sleep_time=0
  -o smtpd_soft_error_limit=1000000
  -o smtpd_hard_error_limit=1000001
  -o smtpd_recipient_limit=5000
`;

function masterCf(doors: Doors): string {
  const smtpd = (port: number, more = '') =>
    `127.0.0.1:${port} inet n - n - - smtpd\n${BY_THEMSELVES}${more}`;
  return [
    smtpd(doors.local),
    smtpd(doors.outsider, '  -o mynetworks=\n  -o smtpd_relay_restrictions=reject_unauth_destination\n'),
    smtpd(doors.bcc, '  -o cleanup_service_name=bcc-cleanup\n'),
    `bcc-cleanup unix n - n - 0 cleanup\n  -o always_bcc=archive@${VIRTUAL}\n`,
    smtpd(doors.headerFilter, '  -o cleanup_service_name=header-cleanup\n'),
    'header-cleanup unix n - n - 0 cleanup\n  -o { header_checks = regexp:{{/^X-Road:/ FILTER virtual:}} }\n',
    smtpd(doors.contentFilter, '  -o content_filter=virtual:\n'),
    smtpd(
      doors.verified,
      '  -o smtpd_recipient_restrictions=reject_unauth_destination,reject_unverified_recipient\n',
    ),
  ].join('');
}

/** Domains, users and keys, before serve runs. @returns how to open each user's mail */
async function fillDirectory(configPath: string): Promise<ReadonlyMap<string, Decrypt>> {
  const { config } = loadConfig({ path: configPath });
  const database = await openDatabase(config, { requireMigrated: false, actor: 'test' });
  try {
    await applyMigrations(database);
    for (const domain of [VIRTUAL, OVERRIDDEN, LOCAL, ALIASED]) await addDomain(database, domain);
    for (const user of USERS) await addUser(database, user, null, config.recipient_delimiter);
    await addAlias(database, `postmaster@${LOCAL}`, [`mail@${LOCAL}`], config.recipient_delimiter);
    const made = await Promise.all(
      USERS.map((email) => generateKey({ userIDs: [{ email }], format: 'armored' })),
    );
    const results = await importKeys(
      database,
      Buffer.from(made.map(({ publicKey }) => publicKey).join('\n')),
      {
        policy: { allowSha1: false },
        delimiters: config.recipient_delimiter,
        source: 'cli',
        actor: 'test',
        now: Date.now(),
      },
    );
    const added = results.filter(({ result }) => result === 'added').length;
    if (added !== USERS.length) throw new Error(`${USERS.length} keys were given, ${added} were added`);
    return new Map(
      USERS.map((address, index) => [
        address,
        openpgpDecrypt({
          address,
          fingerprint: '',
          publicKey: made[index]?.publicKey ?? '',
          secretKey: made[index]?.privateKey ?? '',
        }),
      ]),
    );
  } finally {
    await database.close();
  }
}

/** The wiring's own words. */
export async function readmesOf(wiring: RoadsWiring): Promise<string> {
  const texts = await Promise.all(
    wiring.examples.map((example) =>
      readFile(new URL(`../../postfix-examples/${example}/README.md`, import.meta.url), 'utf8'),
    ),
  );
  return texts.join('\n');
}
