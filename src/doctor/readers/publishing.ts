// Whether the outside finds published keys: asked by HTTPS of the domains themselves, as mail programs ask.
import { lookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import type { Address } from '../../address/address.ts';
import { directoryHash } from '../../address/directory-hash.ts';
import { partsOf } from '../../address/normalise.ts';
import type { Config } from '../../config/schema.ts';
import type { Database } from '../../database/open.ts';
import { type PublishingDomain, publishedAddresses } from '../../publishing/published.ts';
import { createPublisher, type Publisher } from '../../publishing/publisher.ts';
import { submissionAddress } from '../../publishing/submission-address.ts';
import { readSubmissionKey } from '../../publishing/submission-key.ts';
import { type Ask, type PublishedDomainFacts, type Reader, Unseen } from '../facts.ts';

/** Each costs a few requests. */
const MOST_DOMAINS = 5;
const PATIENCE_MS = 3000;
/** No answer of ours is longer. */
const MOST_BYTES = 2 * 1024 * 1024;

/** Domains with the Web Key Service, or with somebody who is published. */
const WANTED = `SELECT d.id, d.name, d.fold_local_part AS fold, d.wks FROM domains AS d
  WHERE d.wks OR EXISTS (
    SELECT FROM users AS u JOIN keys AS k ON k.user_id = u.id AND k.kind = 'openpgp' AND k.status = 'active'
     WHERE u.domain_id = d.id AND u.status = 'active' AND coalesce(u.publish, d.publish) = 'on')
  ORDER BY d.name LIMIT $1`;

export const publishingReader =
  (open: (ask: Ask) => Promise<Database>): Reader<'publishing'> =>
  async (ask) => {
    if ((await ask('tables')).pending.length > 0) throw new Unseen('tables are missing', true);
    const [{ config }, database] = await Promise.all([ask('config'), open(ask)]);
    const { rows } = await database.pool.query<PublishingDomain>(WANTED, [MOST_DOMAINS]);
    if (rows.length === 0) throw new Unseen('no domain has wks=on, and no key is published', true);
    const publisher = createPublisher({ database, config: () => config, now: Date.now });
    const domains = await Promise.all(rows.map((each) => readDomain(each, config, database, publisher)));
    return { served: config.portal.listen !== null, domains };
  };

async function readDomain(
  domain: PublishingDomain,
  config: Config,
  database: Database,
  publisher: Publisher,
): Promise<PublishedDomainFacts> {
  const { name, wks } = domain;
  const address = submissionAddress(config.portal.key_address, name);
  const keyFile = wks ? await failureOfKey(config.state_dir, name, address) : null;
  const base = await placeOf(name);
  const submission = await publisher.submission(domain);
  const [someone] = await publishedAddresses(database, domain, 1);
  const { local } = partsOf((someone ?? '') as Address);
  const found = someone === undefined ? [] : await publisher.byEmail(domain, local);
  const [policy, submissionFailure, key] = await Promise.all([
    asked(`${base}/policy`, submission === null ? '' : `submission-address: ${submission}\n`),
    submission === null ? null : asked(`${base}/submission-address`, `${submission}\n`),
    found.length === 0
      ? null
      : asked(
          `${base}/hu/${directoryHash(local)}?l=${encodeURIComponent(local)}`,
          Buffer.concat(found.map(({ certificate }) => certificate)),
        ),
  ]);
  return {
    name,
    keyFile,
    policy,
    submission: submissionFailure,
    // Of the first who is published; a key without a user ID of its owner's is published by nobody.
    key: someone === undefined || found.length === 0 ? null : { address: someone, failure: key },
  };
}

async function failureOfKey(stateDir: string, domain: string, address: string): Promise<string | null> {
  try {
    const key = await readSubmissionKey(stateDir, domain);
    if (key === null) return `${domain} has no submission key on this machine`;
    return key.addresses.includes(address)
      ? null
      : `${key.path} is the key of ${key.addresses.join(', ')}, expected ${address}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The direct method counts only where the name of the advanced one is not there (draft, section 3.1). */
async function placeOf(domain: string): Promise<string> {
  const well = '/.well-known/openpgpkey';
  const advanced = `openpgpkey.${domain}`;
  const there = await lookup(advanced).then(
    () => true,
    () => false,
  );
  return there ? `https://${advanced}${well}/${domain}` : `https://${domain}${well}`;
}

/** @returns what was found, and what was expected, in words; null: that came */
export async function asked(
  url: string,
  expected: string | Uint8Array,
  options: { readonly ca?: string } = {},
): Promise<string | null> {
  const wanted = Buffer.from(expected);
  const answer = await answerOf(url, options);
  if (typeof answer === 'string') return `${url}: ${answer}`;
  const { status, body, origin } = answer;
  if (status !== 200) return `${url}: found ${status}, expected 200`;
  if (!body.equals(wanted)) return `${url}: found ${inWords(body)}, expected ${inWords(wanted)}`;
  return origin === '*'
    ? null
    : `${url}: found Access-Control-Allow-Origin ${origin ?? 'missing'}, expected *`;
}

function inWords(bytes: Buffer): string {
  if (bytes.length === 0) return 'nothing';
  const text = bytes.toString('latin1').trim();
  return text.length <= 100 && /^[\x20-\x7e]*$/.test(text) ? JSON.stringify(text) : `${bytes.length} bytes`;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly origin: string | undefined;
}

function answerOf(url: string, options: { readonly ca?: string }): Promise<Answer | string> {
  return new Promise((resolve) => {
    const request = get(url, { ...options, agent: false }, (response) => {
      readBody(response).then(
        (body) =>
          resolve({
            status: response.statusCode ?? 0,
            body,
            origin: response.headers['access-control-allow-origin'],
          }),
        (error: Error) => resolve(error.message),
      );
    });
    const clock = setTimeout(
      () => request.destroy(new Error(`no whole answer within ${PATIENCE_MS / 1000} s`)),
      PATIENCE_MS,
    );
    request.on('error', (error: Error & { code?: string }) => resolve(error.code ?? error.message));
    request.on('close', () => clearTimeout(clock));
  });
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += (chunk as Buffer).length;
    if (size > MOST_BYTES) throw new Error(`it answers more than ${MOST_BYTES} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
