// Who answers at our own listeners, at the lookup daemons, and at the next hops.
import { connect, type Socket } from 'node:net';
import { nextHopsOf } from '../../config/next-hops.ts';
import type { Config } from '../../config/schema.ts';
import { type Endpoint, formatEndpoint, formatNextHop, type NextHop, reachable } from '../../config/units.ts';
import { openSession } from '../../smtp/client/session.ts';
import { OUR_GREETING } from '../../smtp/greeting.ts';
import type { Answered, HopFacts, Reader } from '../facts.ts';

const PATIENCE_MS = 5000;
const MOST_BYTES = 4096;

interface Exchange {
  readonly says?: string;
  readonly expected: RegExp;
  readonly goodbye?: string;
  /** What to say of another answer. */
  readonly unexpected?: (heard: string) => string;
}

/**
 * Says something on a new connection, and reads the first line of the answer.
 * @returns why it is not the one that is expected; null: it is
 */
export function converse(
  socket: Socket,
  { says = '', expected, goodbye = '', unexpected = inQuotes }: Exchange,
): Promise<string | null> {
  return new Promise((resolve) => {
    let heard = '';
    const end = (failure: string | null): void => {
      socket.end(goodbye);
      socket.destroySoon();
      resolve(failure);
    };
    socket.setTimeout(PATIENCE_MS, () => {
      socket.destroy();
      resolve(`no answer within ${PATIENCE_MS / 1000} s`);
    });
    if (says !== '') socket.on('connect', () => socket.write(says));
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1').slice(0, MOST_BYTES - heard.length);
      if (expected.test(heard)) end(null);
      else if (heard.length >= MOST_BYTES || heard.includes('\n')) end(unexpected(heard));
    });
    socket.on('error', (error: Error & { code?: string }) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve('it closes the connection'));
  });
}

function inQuotes(heard: string): string {
  return `it says ${JSON.stringify(heard.slice(0, 80))}`;
}

async function answered(name: string, endpoint: Endpoint, exchange: Exchange): Promise<Answered> {
  const at = reachable(endpoint);
  const socket = at.kind === 'unix' ? connect(at.path) : connect(at.port, at.host);
  return { name, address: formatEndpoint(endpoint), failure: await converse(socket, exchange) };
}

export const readListeners: Reader<'listeners'> = async (ask) => {
  const { config } = await ask('config');
  const wanted: readonly (readonly [string, Endpoint])[] = [
    ...config.filter.listen.map(({ name, protocol, address }) => [name ?? protocol, address] as const),
    ...config.receiver.listen.map((address) => ['receiver', address] as const),
  ];
  // Not any 220: where another program has the port, Postfix gives our mail to that one.
  const greeting = {
    expected: OUR_GREETING,
    goodbye: 'QUIT\r\n',
    unexpected: (heard: string) => `that is not sealpost: ${inQuotes(heard)}`,
  };
  return Promise.all(wanted.map(([name, at]) => answered(name, at, greeting)));
};

/** Nobody has this address: a reserved name (RFC 2606). */
const NOBODY = 'doctor@sealpost.invalid';
const REQUEST = `virtual_mailbox ${NOBODY}`;
const POLICY = `request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nsender=\nrecipient=${NOBODY}\n\n`;

export const readLookups: Reader<'lookups'> = async (ask) => {
  const { policy } = (await ask('config')).config;
  return Promise.all(
    questionsOf(policy).map(([name, at, says, expected]) => answered(name, at, { says, expected })),
  );
};

type Question = readonly [name: string, at: Endpoint, says: string, expected: RegExp];

function questionsOf(policy: Config['policy']): readonly Question[] {
  const tables = Object.entries(policy.tcp).flatMap(([map, at]): Question[] =>
    at === null ? [] : [[map, at, `get ${NOBODY}\n`, /^[25]\d\d /]],
  );
  const { socketmap, delegation } = policy;
  return [
    ...tables,
    ...(socketmap.listen === null
      ? []
      : [['socketmap', socketmap.listen, `${REQUEST.length}:${REQUEST},`, /^\d+:(?:OK|NOTFOUND) /] as const]),
    ...(delegation.listen === null ? [] : [['delegation', delegation.listen, POLICY, /^action=/] as const]),
  ];
}

export const readHops: Reader<'hops'> = async (ask) => {
  const { config } = await ask('config');
  return Promise.all(nextHopsOf(config.filter).map((hop) => readHop(hop, config.hostname)));
};

async function readHop(nextHop: NextHop, hostname: string): Promise<HopFacts> {
  const address = formatNextHop(nextHop);
  const session = await openSession(
    { nextHop, hostname, connectTimeoutMs: PATIENCE_MS, commandTimeoutMs: PATIENCE_MS },
    Date.now() + PATIENCE_MS,
  );
  const base = { name: 'next hop', address, protocol: nextHop.protocol };
  if (!('channel' in session))
    return {
      ...base,
      failure: session.reply.text,
      size: undefined,
      eightBit: false,
      xforward: false,
    };
  const { channel, extensions } = session;
  channel.write('QUIT\r\n');
  await channel.next(Date.now() + 1000);
  channel.destroy();
  const { size, eightBitMime, xforward } = extensions;
  return {
    ...base,
    failure: null,
    size,
    eightBit: eightBitMime,
    xforward: xforward.length > 0,
  };
}
