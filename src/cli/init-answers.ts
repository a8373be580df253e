// What `sealpost init` cannot find out: the flags say it, or somebody at the terminal. Found things are proposed.
import { domainToASCII } from 'node:url';
import { configSchema } from '../config/schema.ts';
import { parseNextHop } from '../config/units.ts';
import { isHostName } from '../config/values.ts';
import { WrongUsage } from '../host/exit-codes.ts';
import type { Proposal } from '../postfix/propose.ts';
import { readWiring, wiringNames } from '../postfix/wiring.ts';
import type { Asker } from './ask.ts';

/** As flags say it; undefined: not said. */
export interface Flags {
  readonly databaseUrl?: string;
  readonly wiring?: string;
  readonly nextHop?: string;
  readonly domain?: string;
  readonly makeUser?: boolean;
}

/** What was found out. */
export interface Found {
  readonly proposal: Proposal | null;
  /** myorigin where Postfix delivers for it, else ''. */
  readonly domain: string;
  /** Whether the system user is missing and this process may make it. */
  readonly userMissing: boolean;
}

export interface Answers {
  /** null: the embedded one. */
  readonly databaseUrl: string | null;
  /** null: none was chosen. */
  readonly wiring: string | null;
  readonly nextHop: string | null;
  readonly domain: string | null;
  readonly makeUser: boolean;
}

/**
 * @param asker null: nobody is asked, and what no flag says stays open
 * @throws WrongUsage for a flag that makes no sense
 * @throws Refused for a wiring that there is not, or a question that was cancelled
 */
export async function findAnswers(flags: Flags, found: Found, asker: Asker | null): Promise<Answers> {
  judge('--database-url', flags.databaseUrl, problemWithDatabase);
  judge('--next-hop', flags.nextHop, problemWithNextHop);
  judge('--domain', flags.domain, problemWithDomain);
  if (flags.wiring !== undefined) readWiring(flags.wiring);
  const databaseUrl =
    flags.databaseUrl ??
    (await asker?.text(
      'PostgreSQL: embedded: is one of its own, postgres://... one of yours',
      'embedded:',
      problemWithDatabase,
    )) ??
    null;
  const wiring = flags.wiring ?? (asker === null ? null : await askWiring(asker, found.proposal));
  const nextHop =
    flags.nextHop ?? (wiring === null ? null : await findNextHop(wiring, found.proposal, asker));
  const domain =
    flags.domain ??
    (await asker?.text('A domain whose mail arrives here (empty: none yet)', found.domain, (typed) =>
      typed === '' ? null : problemWithDomain(typed),
    )) ??
    null;
  const makeUser =
    flags.makeUser ??
    (found.userMissing &&
      asker !== null &&
      (await asker.yes('Make the system user sealpost, which the service runs as?', true)));
  return {
    databaseUrl: databaseUrl === 'embedded:' ? null : databaseUrl,
    wiring,
    nextHop,
    domain: domain === '' ? null : domain,
    makeUser,
  };
}

async function askWiring(asker: Asker, proposal: Proposal | null): Promise<string> {
  const choices = wiringNames()
    .filter((name) => name !== 'lookups')
    .map((name) => ({
      value: name,
      label: name,
      ...(name === proposal?.wiring ? { hint: proposal.because } : {}),
    }));
  return asker.choice(
    'How Postfix and sealpost are wired (README, "Wire it into your Postfix")',
    choices,
    proposal?.wiring ?? 'delivery-lmtp',
  );
}

/** Where a wiring hands mail on: what was found for it; a store has to be named where none was; else what the wiring says. */
async function findNextHop(
  wiring: string,
  proposal: Proposal | null,
  asker: Asker | null,
): Promise<string | null> {
  const known = proposal?.wiring === wiring ? proposal.nextHop : null;
  if (wiring !== 'delivery-lmtp' || asker === null) return known;
  return asker.text(
    'Where the mail store takes LMTP',
    known ?? 'lmtp:unix:/run/dovecot/lmtp',
    problemWithNextHop,
  );
}

function judge(flag: string, typed: string | undefined, problemWith: (typed: string) => string | null): void {
  const problem = typed === undefined ? null : problemWith(typed);
  // What was typed may hold a password.
  if (problem !== null) throw new WrongUsage(`${flag}: ${problem}`);
}

function problemWithDatabase(typed: string): string | null {
  const parsed = configSchema.safeParse({ database: { url: typed } });
  return parsed.success ? null : (parsed.error.issues[0]?.message ?? 'expected a URL');
}

function problemWithNextHop(typed: string): string | null {
  const parsed = parseNextHop(typed);
  return parsed.ok ? null : `expected ${parsed.expected}`;
}

function problemWithDomain(typed: string): string | null {
  return isHostName(domainToASCII(typed)) ? null : 'expected a domain such as "example.org"';
}
