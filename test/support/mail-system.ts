// A whole private mail system for one wiring: Postfix with the example's files, a running sealpost, a directory with keyed,
// unkeyed and aliased users, and a sink that stands for the mailboxes.
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { createGpgHome, type GpgHome, makeKey, type TestKey } from './keys.ts';
import { allocatePlaces, exampleSubstitutions, freePorts, type Places } from './places.ts';
import { type PrivatePostfix, startPostfix } from './private-postfix.ts';
import { createSealpost, placeSealpostPipe, type SealpostProcess } from './sealpost-process.ts';
import { type Sink, startSink } from './sink.ts';

/** One way of standing behind Postfix, as a folder of postfix-examples/ describes it. */
export interface Wiring {
  readonly example: string;
  /** sealpost's next hop is the mailboxes themselves; else it is Postfix's re-injection listener. */
  readonly deliversItself: boolean;
}

export const DOMAIN = 'seal.test';
export const SENDER = 'sender@outside.test';
export const ALICE = `alice@${DOMAIN}`;
export const BOB = `bob@${DOMAIN}`;
/** A user without a key. */
export const ULLA = `ulla@${DOMAIN}`;
/** An alias for alice and bob, known to sealpost and to Postfix, which expands it before. */
export const TEAM = `team@${DOMAIN}`;
/** The same, known to sealpost alone: a mailbox for Postfix. */
export const CREW = `crew@${DOMAIN}`;
/** In our domain, and unknown to sealpost. */
export const STRANGER = `stranger@${DOMAIN}`;

export interface MailSystem {
  readonly places: Places;
  readonly postfix: PrivatePostfix;
  readonly sealpost: SealpostProcess;
  /** Where mail ends up. */
  readonly mailboxes: Sink;
  /** What sealpost hands its mail to: the mailboxes, a sink in place of the re-injection, or null: Postfix. */
  readonly nextHop: Sink | null;
  readonly gpg: GpgHome;
  /** By address. */
  readonly keys: ReadonlyMap<string, TestKey>;
  close(): Promise<void>;
}

export interface MailSystemOptions {
  /** Puts a scriptable sink in the place of Postfix's re-injection listener. */
  readonly sinkAsNextHop?: boolean;
  /** Laid over the example's sealpost.example.toml. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly mainCf?: Readonly<Record<string, string>>;
  /** Where Postfix finds the filter, in place of its own port: somebody listens there who passes everything on. */
  readonly filterPort?: (lmtpPort: number) => Promise<number>;
}

/** Starts everything; when a step fails, what had been started is ended. */
export async function startMailSystem(wiring: Wiring, options: MailSystemOptions = {}): Promise<MailSystem> {
  const places = await allocatePlaces();
  const cleanups: (() => Promise<unknown>)[] = [() => places.remove()];
  const close = async (): Promise<void> => {
    for (const cleanup of cleanups.reverse()) await cleanup();
    cleanups.length = 0;
  };
  try {
    const [mailPort = 0, nextHopPort = 0] = await freePorts(2);
    const mailboxes = await startSink({
      protocol: 'lmtp',
      listen: wiring.deliversItself ? { path: places.dovecotSocket } : { port: mailPort },
    });
    cleanups.push(() => mailboxes.stop());
    let nextHop = wiring.deliversItself ? mailboxes : null;
    if (options.sinkAsNextHop && !wiring.deliversItself) {
      nextHop = await startSink({ protocol: 'smtp', listen: { port: nextHopPort } });
      cleanups.push(nextHop.stop);
    }
    const pipe: Record<string, string> =
      wiring.example === 'pipe' ? { '/usr/bin/sealpost-pipe': await pipeCommand(places) } : {};
    const substitutions = exampleSubstitutions(places, {
      ...pipe,
      // What virtual(8) would write into its files goes to the sink.
      'content_filter=sealpost-virtual:': `content_filter=lmtp:inet:127.0.0.1:${mailPort}`,
      // And what local(8) would.
      'content_filter=sealpost-local:': `content_filter=lmtp:inet:127.0.0.1:${mailPort}`,
      '10034': String(places.lmtpPort),
      '10027': String(places.reinjectPort),
    });

    const sealpost = await createSealpost({
      places,
      example: wiring.example,
      substitutions:
        nextHop === null || wiring.deliversItself
          ? substitutions
          : { ...substitutions, '10026': String(nextHopPort), '10027': String(nextHopPort) },
      ...(options.config === undefined ? {} : { config: options.config }),
    });
    cleanups.push(() => sealpost.close());
    const gpg = await createGpgHome();
    cleanups.push(() => gpg.close());
    const keys = new Map<string, TestKey>();
    for (const address of [ALICE, BOB]) keys.set(address, await makeKey(gpg, address));
    await sealpost.start();
    await fillDirectory(sealpost, keys);

    const front = await options.filterPort?.(places.lmtpPort);
    const postfix = await startPostfix({
      places,
      example: wiring.example,
      substitutions:
        front === undefined
          ? substitutions
          : { ...substitutions, '10024': String(front), '10034': String(front) },
      mailboxes: wiring.deliversItself
        ? `lmtp:unix:${places.dovecotSocket}`
        : `lmtp:inet:127.0.0.1:${mailPort}`,
      domains: [DOMAIN],
      aliases: { [TEAM]: [ALICE, BOB] },
      ...(options.mainCf === undefined ? {} : { mainCf: options.mainCf }),
    });
    cleanups.push(() => postfix.stop());
    return { places, postfix, sealpost, mailboxes, nextHop, gpg, keys, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The bundle as pipe(8) runs it: by itself, and where an unprivileged user can read it. */
export async function pipeCommand(places: Places): Promise<string> {
  const program = join(places.dir, 'sealpost-pipe.mjs');
  await placeSealpostPipe(program);
  await chmod(program, 0o755);
  return `${program} --config ${places.sealpostConfig}`;
}

async function fillDirectory(sealpost: SealpostProcess, keys: ReadonlyMap<string, TestKey>): Promise<void> {
  const { must } = sealpost;
  await must(['domain', 'add', DOMAIN]);
  for (const address of [ALICE, BOB, ULLA]) await must(['user', 'add', address]);
  for (const alias of [TEAM, CREW]) await must(['alias', 'add', alias, ALICE, BOB]);
  for (const key of keys.values()) await must(['key', 'import', '-'], key.publicKey);
}
