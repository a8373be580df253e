// Two `sealpost serve` over one PostgreSQL and one next hop, as two machines behind a balancer are, and letters that come to either.
import type { Places } from './places.ts';
import { allocatePlaces, exampleSubstitutions } from './places.ts';
import { type PrivatePostgres, startPostgres } from './private-postgres.ts';
import { createSealpost, type SealpostProcess } from './sealpost-process.ts';
import { type Sink, startSink } from './sink.ts';
import { sendRaw } from './submit.ts';

/** Short, so that a test need not wait; never so short that a busy machine loses it. */
export const LEASE_MS = 1500;

export interface NodeOfTwo {
  readonly serve: SealpostProcess;
  /** One letter, the same whenever the text is. @returns the reply for its recipient, or `gone` where the node ended over it */
  send(text: string): Promise<string>;
}

export interface TwoNodes {
  readonly first: NodeOfTwo;
  readonly second: NodeOfTwo;
  readonly postgres: PrivatePostgres;
  readonly sink: Sink;
  /** Has the next hop wait with its answer to one DATA. */
  hold(): Held;
  /** How often the next hop has taken a letter. */
  copies(text: string): number;
  close(): Promise<void>;
}

/** The next hop waits with its 354, once `held`. */
export interface Held {
  readonly held: () => boolean;
  release(): void;
}

function holdOne(sink: Sink): Held {
  const state = { held: false };
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const hold = (): Promise<void> => {
    state.held = true;
    return released;
  };
  sink.behave({ hold }, 1);
  return { held: () => state.held, release };
}

/** Neither node is started. */
export async function createTwoNodes(): Promise<TwoNodes> {
  const [postgres, ...places] = await Promise.all([startPostgres(), allocatePlaces(), allocatePlaces()]);
  const [firstPlaces, secondPlaces] = places as [Places, Places];
  const port = firstPlaces.reinjectPort;
  const sink = await startSink({ protocol: 'smtp', listen: { port } });
  const create = async (own: Places, migrate: boolean): Promise<NodeOfTwo> => {
    const serve = await createSealpost({
      places: own,
      example: null,
      substitutions: exampleSubstitutions(own),
      migrate,
      config: {
        database: { url: postgres.url },
        filter: {
          next_hop: `smtp:127.0.0.1:${port}`,
          claim_lease: `${LEASE_MS}ms`,
          listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${own.lmtpPort}` }],
        },
      },
    });
    return { serve, send: (text) => sendTo(own, text) };
  };
  const first = await create(firstPlaces, true);
  const second = await create(secondPlaces, false);
  return {
    first,
    second,
    postgres,
    sink,
    hold: () => holdOne(sink),
    copies: (text) =>
      sink.deliveries().filter(({ message }) => message.toString('latin1').includes(`<${text}@x>`)).length,
    async close() {
      for (const { serve } of [first, second]) {
        const pid = serve.pid();
        if (pid !== undefined) process.kill(pid, 'SIGCONT');
        await serve.close();
      }
      await sink.stop();
      await postgres.remove();
      for (const each of places) await each.remove();
    },
  };
}

async function sendTo({ lmtpPort }: Places, text: string): Promise<string> {
  const sent = sendRaw({
    to: { port: lmtpPort },
    protocol: 'lmtp',
    sender: 'c@outside.example',
    recipients: ['carol@elsewhere.example'],
    message: Buffer.from(
      `From: <c@outside.example>\r\nSubject: x\r\nMessage-ID: <${text}@x>\r\n\r\n${text}\r\n`,
    ),
  });
  return (await sent.catch(() => ['gone']))[0] ?? 'gone';
}
