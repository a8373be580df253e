// Fetches a few bytes by HTTPS from a host that a stranger named. What keeps that harmless: a name and never an IP address, port
// 443, a certificate for that name, addresses that are judged where the connection is made, no redirect to another host, an end
// by size and by time.
import { type LookupAddress, lookup } from 'node:dns';
import { type RequestOptions, request } from 'node:https';
import type { LookupFunction } from 'node:net';
import { isPublicName } from './key-places.ts';
import { isPublicAddress } from './public-address.ts';

/** Why nothing was fetched; `absent`: the host answered that there is nothing. */
export type FetchFailure = 'absent' | 'forbidden' | 'unreachable' | 'redirected' | 'too large' | 'too slow';

export type Fetched =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly because: FetchFailure };

export interface FetchLimits {
  readonly bytes: number;
  /** From the call to the last byte, redirects included. */
  readonly milliseconds: number;
}

/** What a test puts in place of the Internet. */
export interface Internet {
  readonly lookup: typeof lookup;
  /** Whether an address may be connected to. */
  readonly allowed: (address: string) => boolean;
  readonly more?: Pick<RequestOptions, 'ca' | 'port'>;
}

export const INTERNET: Internet = { lookup, allowed: isPublicAddress };

const MOST_REDIRECTS = 2;

/** Fetches; never rejects. */
export async function fetchPublic(url: URL, limits: FetchLimits, internet = INTERNET): Promise<Fetched> {
  const deadline = AbortSignal.timeout(limits.milliseconds);
  let next = url;
  for (let hops = 0; hops <= MOST_REDIRECTS; hops += 1) {
    const answer = await ask(next, limits.bytes, deadline, internet);
    if (!('redirect' in answer)) return answer;
    if (!URL.canParse(answer.redirect, next.href)) return { ok: false, because: 'redirected' };
    const target = new URL(answer.redirect, next);
    if (target.origin !== url.origin || target.username !== '' || target.password !== '')
      return { ok: false, because: 'redirected' };
    next = target;
  }
  return { ok: false, because: 'redirected' };
}

/** Resolves a name to those of its addresses that are allowed. The socket connects to what this gives, and asks nobody again. */
function guardedLookup({ lookup: resolve, allowed }: Internet): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return callback(error, '', 0);
      const usable = found.filter(({ address }) => allowed(address));
      const [first] = usable;
      if (first === undefined) return callback(new ForbiddenAddress(hostname), '', 0);
      if (options.all === true) callback(null, usable);
      else callback(null, first.address, first.family);
    });
  };
}

class ForbiddenAddress extends Error {
  constructor(hostname: string) {
    super(`${hostname} has no public address`);
  }
}

type Answer = Fetched | { readonly redirect: string };

function ask(url: URL, most: number, signal: AbortSignal, internet: Internet): Promise<Answer> {
  if (url.protocol !== 'https:' || url.port !== '' || !isPublicName(url.hostname))
    return Promise.resolve({ ok: false, because: 'forbidden' });
  return new Promise((resolve) => {
    const fail = (because: FetchFailure): void => resolve({ ok: false, because });
    const asked = request(
      url,
      {
        ...internet.more,
        lookup: guardedLookup(internet),
        signal,
        // A connection of its own: none that somebody else opened is used.
        agent: false,
        maxHeaderSize: 8192,
        headers: { accept: 'application/octet-stream, application/pgp-keys', 'accept-encoding': 'identity' },
      },
      (response) => {
        const { statusCode = 0, headers } = response;
        const refuse = (because: FetchFailure): void => {
          response.destroy();
          fail(because);
        };
        if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
          response.destroy();
          return resolve({ redirect: headers.location });
        }
        if (statusCode === 404 || statusCode === 410) return refuse('absent');
        // What is compressed could grow; it was not asked for.
        if (statusCode !== 200 || (headers['content-encoding'] ?? 'identity') !== 'identity')
          return refuse('unreachable');
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > most) refuse('too large');
          else chunks.push(chunk);
        });
        response.on('end', () => resolve({ ok: true, bytes: Buffer.concat(chunks) }));
        response.on('error', () => fail(signal.aborted ? 'too slow' : 'unreachable'));
        return undefined;
      },
    );
    asked.on('error', (error) => {
      if (error instanceof ForbiddenAddress) fail('forbidden');
      else fail(signal.aborted ? 'too slow' : 'unreachable');
    });
    asked.end();
  });
}
