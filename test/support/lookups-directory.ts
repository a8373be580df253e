// The directory of test/support/questions.ts in a real database, and clients of the three lookup protocols.
import { connect, type Socket } from 'node:net';
import { hexQuote, hexUnquote } from '../../policy/tcp-table-codec.ts';
import type { Database } from '../../src/database/open.ts';
import { addAlias } from '../../src/directory/aliases.ts';
import { parseAssignments } from '../../src/directory/assignments.ts';
import { addDomain, setDomain } from '../../src/directory/domains.ts';
import { addFingerprint } from '../../src/directory/fingerprints.ts';
import { addUser, setUser } from '../../src/directory/users.ts';
import { ALIASES, DOMAINS, FINGERPRINTS, TEMPORARY, USERS } from './questions.ts';

/** Adds everything of questions.ts, as an administrator's commands would. */
export async function fillDirectory(database: Database): Promise<void> {
  for (const { name, set = [] } of DOMAINS) {
    await addDomain(database, name);
    if (set.length > 0) await setDomain(database, name, parseAssignments(set, 'domain'));
  }
  for (const { address, set = [], disabled, quota, quotaMessages, used } of USERS) {
    await addUser(database, address, quota ?? null, '+');
    await setUser(database, address, {
      assignments: parseAssignments(set, 'user'),
      status: disabled ? 'disabled' : 'active',
      quotaMessages: quotaMessages ?? null,
    });
    if (used !== undefined) await setUsage(database, address, ...used);
  }
  for (const [address, ...targets] of ALIASES) await addAlias(database, address, targets, '+');
  for (const [fingerprint, expires] of FINGERPRINTS) await addFingerprint(database, fingerprint, expires);
}

/** As Dovecot would, through the documented function. */
export async function setUsage(
  database: Pick<Database, 'pool'>,
  mailbox: string,
  bytes: number,
  messages: number,
): Promise<void> {
  await database.pool.query('SELECT sealpost_set_usage($1, $2, $3)', [mailbox, bytes, messages]);
}

/** Where a daemon listens. */
export type Target = { readonly port: number } | { readonly path: string };

/** Opens a connection. */
export function open(target: Target): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = 'port' in target ? connect(target.port, '127.0.0.1') : connect(target.path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends everything at once and reads until the server closes, as it does after our half-close. latin1. */
export async function exchange(target: Target, text: string, ms = 20_000): Promise<string> {
  const socket = await open(target);
  return new Promise((resolve, reject) => {
    let answer = '';
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end of the answer within ${ms} ms: ${answer.slice(0, 200)}`));
    }, ms);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
    socket.end(text, 'latin1');
  });
}

const utf8 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');
const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Asks a tcp_table for several keys on one connection, all of them pipelined. */
export async function askTcp(target: Target, keys: readonly string[]): Promise<(string | null)[]> {
  const answer = await exchange(target, keys.map((key) => `get ${hexQuote(latin1(key))}\n`).join(''));
  return answer
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      if (line.startsWith('200 ')) return utf8(hexUnquote(line.slice(4)) ?? '');
      return line.startsWith('500 ') ? null : line.startsWith('400 ') ? TEMPORARY : line;
    });
}

/** The same of a socketmap. */
export async function askSocketmap(
  target: Target,
  questions: readonly (readonly [map: string, key: string])[],
): Promise<(string | null)[]> {
  const requests = questions.map(([map, key]) => {
    const request = latin1(`${map} ${key}`);
    return `${request.length}:${request},`;
  });
  let rest = await exchange(target, requests.join(''));
  const answers: (string | null)[] = [];
  while (rest !== '') {
    const colon = rest.indexOf(':');
    const length = Number(rest.slice(0, colon));
    const payload = rest.slice(colon + 1, colon + 1 + length);
    if (rest[colon + 1 + length] !== ',') throw new Error(`no netstring: ${rest.slice(0, 100)}`);
    rest = rest.slice(colon + 2 + length);
    if (payload.startsWith('OK ')) answers.push(utf8(payload.slice(3)));
    else answers.push(payload === 'NOTFOUND ' ? null : payload.startsWith('TEMP ') ? TEMPORARY : payload);
  }
  return answers;
}

/** What smtpd makes of a path before it asks a policy server: quotes and backslashes have done their work. */
function internalForm(path: string): string {
  return path.replace(
    /^"((?:[^"\\]|\\.)*)"@/,
    (_quoted, local: string) => `${local.replace(/\\(.)/g, '$1')}@`,
  );
}

/** Asks the policy server about recipients at RCPT time. @param recipients paths, as clients send them */
export async function askPolicy(target: Target, recipients: readonly string[], size = 0): Promise<string[]> {
  const requests = recipients.map(
    (recipient) =>
      `request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nsender=\nrecipient=${latin1(internalForm(recipient))}\nsize=${size}\n\n`,
  );
  const answer = await exchange(target, requests.join(''));
  const replies = answer.split('\n\n');
  if (replies.pop() !== '')
    throw new Error(`no empty line at the end: ${JSON.stringify(answer.slice(-100))}`);
  return replies.map((reply) => reply.replace(/^action=/, ''));
}
