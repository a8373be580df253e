// The clients of the lookup bench: Postfix's own postmap over 20,000 keys, and 100 connections that ask without pause.
import { connect } from 'node:net';
import { mustRun } from '../test/support/child.ts';

/**
 * Asks one table for all keys with `postmap -q -`.
 * @returns microseconds per key, the start of the process included
 * @throws Error unless every key was found with the answer that is expected of it
 */
export async function measurePostmap(
  configDir: string,
  table: string,
  keys: readonly string[],
  answerTo: (key: string) => string,
): Promise<number> {
  const stdin = keys.map((key) => `${key}\n`).join('');
  const started = process.hrtime.bigint();
  const { stdout } = await mustRun('postmap', ['-c', configDir, '-q', '-', table], {
    stdin,
    timeout: 300_000,
  });
  const micros = Number(process.hrtime.bigint() - started) / 1000;
  const lines = stdout.toString('utf8').split('\n').slice(0, -1);
  if (lines.length !== keys.length)
    throw new Error(`${table}: ${lines.length} answers for ${keys.length} keys`);
  const [first = '', last = ''] = [lines[0], lines.at(-1)];
  for (const [line, key] of [
    [first, keys[0]],
    [last, keys.at(-1)],
  ] as const) {
    if (line !== `${key}\t${answerTo(key ?? '')}`) throw new Error(`${table}: found ${line} for ${key}`);
  }
  return micros / keys.length;
}

export interface LoadFigure {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/**
 * Opens connections to a tcp_table port, each asking its next key when the one before was answered.
 * @throws Error for any answer but "found"
 */
export async function measureLoad(
  port: number,
  connections: number,
  perConnection: number,
  key: (index: number) => string,
): Promise<LoadFigure> {
  const times: number[] = [];
  const started = process.hrtime.bigint();
  let index = 0;
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect({ port, host: '127.0.0.1', noDelay: true });
          let left = perConnection;
          let asked = 0;
          const ask = (): void => {
            asked = performance.now();
            socket.write(`get ${key(index++)}\n`);
          };
          socket.once('connect', ask);
          socket.on('error', reject);
          socket.on('data', (chunk: Buffer) => {
            times.push(performance.now() - asked);
            if (!chunk.toString('latin1').startsWith('200 '))
              reject(new Error(`found ${chunk.toString('latin1')}`));
            left -= 1;
            if (left > 0) ask();
            else {
              socket.end();
              resolve();
            }
          });
        }),
    ),
  );
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  return { perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99) };
}

/** Asks for many keys on one connection, pipelined, with at most `window` unanswered. */
export async function ask(
  port: number,
  total: number,
  window: number,
  key: (index: number) => string,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let sent = 0;
    let answered = 0;
    const fill = (): void => {
      let text = '';
      while (sent < total && sent - answered < window) text += `get ${key(sent++)}\n`;
      if (text !== '') socket.write(text);
    };
    socket.once('connect', fill);
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) answered += 1;
      if (answered === total) {
        socket.end();
        resolve();
      } else if (sent - answered < window / 2) fill();
    });
  });
}
