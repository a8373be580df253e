// The load: Postfix's smtp-source, and what it is told.
import { mustRun } from '../test/support/child.ts';

export interface Load {
  readonly protocol: 'smtp' | 'lmtp';
  readonly sessions: number;
  /** Many messages over one connection. */
  readonly reuse: boolean;
  /** More than one: as many recipients in one transaction, `10name@`, `9name@`, ... `name@`. */
  readonly recipients: number;
  /** Of the body. */
  readonly bytes: number;
  readonly recipient: string;
  /** Whether the recipients have keys. */
  readonly sealed: boolean;
  /** Each message goes to another one: `1name@`, `2name@`, ... */
  readonly numbered?: boolean;
}

/**
 * Sends `count` messages, each with a Message-Id of its own, and waits until the last one was answered.
 * @returns seconds, the start of smtp-source included
 * @throws Error unless every message was accepted
 */
export async function burst(port: number, load: Load, count: number): Promise<number> {
  const started = performance.now();
  await mustRun('smtp-source', [...loadArguments(load), '-m', String(count), `127.0.0.1:${port}`], {
    timeout: 300_000,
  });
  return (performance.now() - started) / 1000;
}

/** smtp-source(1). Pure. */
export function loadArguments(load: Load): string[] {
  return [
    ...(load.protocol === 'lmtp' ? ['-L'] : []),
    ...(load.reuse ? ['-d'] : []),
    ...(load.numbered ? ['-N'] : []),
    ...(load.recipients > 1 ? ['-r', String(load.recipients)] : []),
    '-s',
    String(load.sessions),
    '-l',
    String(load.bytes),
    '-f',
    'carol@example.net',
    '-t',
    load.recipient,
  ];
}

/** As an administrator would say it: `LMTP, 8 sessions, reuse, 10 recipients, 4 KB`. Pure. */
export function describeLoad({ protocol, sessions, reuse, recipients, bytes }: Load): string {
  const parts = [
    protocol.toUpperCase(),
    `${sessions} session${sessions === 1 ? '' : 's'}`,
    reuse ? 'reuse' : 'no reuse',
    ...(recipients > 1 ? [`${recipients} recipients`] : []),
    describeSize(bytes),
  ];
  return parts.join(', ');
}

/** 4 KB, 10 MB. Pure. */
export function describeSize(bytes: number): string {
  return bytes >= 2 ** 20 ? `${Math.round(bytes / 2 ** 20)} MB` : `${Math.round(bytes / 1024)} KB`;
}
