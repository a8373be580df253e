// Nodes of one service: each a Postfix with the lookups and the filter of postfix-examples, and a `serve`, over a database that they
// share. All of their mail ends in one sink.
import { parse } from 'smol-toml';
import { parseMainCf } from './master-cf.ts';
import { allocatePlaces, exampleFile, exampleSubstitutions, freePorts, type Places } from './places.ts';
import { type PrivatePostfix, startPostfix } from './private-postfix.ts';
import { createSealpost, type SealpostProcess } from './sealpost-process.ts';

export interface MailNode {
  readonly places: Places;
  readonly postfix: PrivatePostfix;
  readonly sealpost: SealpostProcess;
  close(): Promise<void>;
}

export interface MailNodeOptions {
  /** Tables of sealpost.toml that say where the database is. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The port of the mailboxes, which speak LMTP. */
  readonly mailboxes: number;
  /** Makes the database's tables: one of the nodes does. */
  readonly migrate: boolean;
}

/** Starts one; when a step fails, what had been started is ended. */
export async function startNode({ config, mailboxes, migrate }: MailNodeOptions): Promise<MailNode> {
  const places = await allocatePlaces();
  const cleanups: (() => Promise<unknown>)[] = [() => places.remove()];
  const close = async (): Promise<void> => {
    for (const cleanup of cleanups.reverse()) await cleanup();
    cleanups.length = 0;
  };
  try {
    const [check = 0, alias = 0, certificate = 0] = await freePorts(3);
    const substitutions = exampleSubstitutions(places, {
      2244: String(check),
      4242: String(alias),
      2424: String(certificate),
      'group = "postfix"': 'group = "nogroup"',
      'mode = "0660"': 'mode = "0666"',
    });
    const lookups = parse(await exampleFile('lookups', 'sealpost.example.toml', substitutions));
    const sealpost = await createSealpost({
      places,
      example: 'after-queue-lmtp',
      substitutions,
      config: { ...lookups, ...config },
      migrate,
    });
    cleanups.push(() => sealpost.close());
    await sealpost.start();
    const postfix = await startPostfix({
      places,
      example: 'after-queue-lmtp',
      substitutions,
      mailboxes: `lmtp:inet:127.0.0.1:${mailboxes}`,
      // Whoever sends again and again is not slowed down.
      mainCf: {
        ...Object.fromEntries(parseMainCf(await exampleFile('lookups', 'main.cf', substitutions))),
        // What could not be looked up stays so for as long as this process of smtpd lives (docs/scaling.md).
        max_use: '10',
        smtpd_error_sleep_time: '0',
        smtpd_soft_error_limit: '1001',
        smtpd_hard_error_limit: '1000',
      },
    });
    cleanups.push(() => postfix.stop());
    return { places, postfix, sealpost, close };
  } catch (error) {
    await close();
    throw error;
  }
}
