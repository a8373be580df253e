// Sends the outbox: a letter is composed, sealed by the filter's own sealing where the flow said so, and handed to the next hop
// directly. Its token is made here and stands in no table; the hash of it does.
import { randomBytes } from 'node:crypto';
import { effectiveSettings, type Settings } from '../config/settings.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import { type SealDecision, sealCopy } from '../delivery/seal-copy.ts';
import { findUser } from '../directory/find.ts';
import type { StoredKey } from '../directory/types.ts';
import type { KeyCache } from '../keys/cache.ts';
import { chooseKeys, type KeyChoice } from '../keys/choose.ts';
import { type Logger, withoutAddresses } from '../observe/log.ts';
import { submissionAddress } from '../publishing/submission-address.ts';
import { readSubmissionKey } from '../publishing/submission-key.ts';
import type { Sealer } from '../sealing/pool.ts';
import type { NextHopClient } from '../smtp/client/next-hop.ts';
import { logReply } from '../smtp/log-reply.ts';
import { ourEnvelope } from '../smtp/our-envelope.ts';
import { pathOfAddress } from '../smtp/paths.ts';
import { composeLetter, OUR_MESSAGE_ID } from './letters/compose.ts';
import { detailsSchema, LETTER_KINDS, type LetterDetails, type LetterKind } from './letters/texts.ts';
import { composeWksRequest, type WksRequest } from './letters/wks-request.ts';
import { claimLetter, dropLetter, type LetterRow, postponeLetter, settleLetter } from './outbox.ts';
import { type Addressee, loadAddressee, submissionOf } from './rows.ts';
import { linkOf, makeToken, type TokenAction, tokenOfLink } from './tokens.ts';
import type { FlowContext } from './types.ts';
import { understand } from './understand.ts';

/** What sending needs beside the flow's own context. */
export interface SenderContext extends FlowContext {
  readonly sealer: Pick<Sealer, 'encrypt' | 'sealInline'>;
  readonly inspect: KeyCache['inspect'];
  /** `filter.next_hop`, as it is now. */
  readonly nextHop: () => Pick<NextHopClient, 'send'>;
  readonly logger: Logger;
  /** Between two letters: it ends then. */
  readonly stopped?: () => boolean;
}

/** For one letter, from the connection to the next hop's reply. */
const LETTER_DEADLINE_MS = 2 * 60_000;
/** After so many failures in a row the next hop is away: the others wait too. */
const FAILURES_IN_A_ROW = 3;
/** What comes after them waits for the next round, which looks first at what time has brought. */
const LETTERS_IN_A_ROUND = 200;

const ACTIONS: { readonly [Kind in LetterKind]?: TokenAction } = {
  'sign in': 'sign-in',
  confirm: 'confirm',
  'first key': 'undo',
  'key came': 'sign-in',
  recovery: 'stop',
};

/** Why a letter is not sent now; `never`: trying again is of no use. `gone`: nobody needs it any more. */
type Trouble = { readonly because: string; readonly when: 'later' | 'never' | 'gone' };

/**
 * Sends what is due.
 * @returns how many letters the next hop took
 */
export async function sendLetters(context: SenderContext): Promise<number> {
  let sent = 0;
  let failures = 0;
  for (let count = 0; count < LETTERS_IN_A_ROUND && context.stopped?.() !== true; count += 1) {
    if (failures >= FAILURES_IN_A_ROW) break;
    const letter = await claimLetter(context);
    if (letter === null) break;
    if (await tryLetter(context, letter)) sent += 1;
    else failures += 1;
  }
  return sent;
}

/** @returns false where it has to wait, or was given up */
async function tryLetter(context: SenderContext, letter: LetterRow): Promise<boolean> {
  const { logger } = context;
  const told = { letter: letter.id, kind: letter.kind };
  const trouble = await attempt(context, letter).catch(
    (error: unknown): Trouble => ({
      because: withoutAddresses(error instanceof Error ? error.message : String(error)),
      when: 'later',
    }),
  );
  if (trouble === null) {
    await settleLetter(context, letter);
    logger.info({ event: 'letter_sent', ...told }, 'a letter of enrolment was sent');
    return true;
  }
  const { because, when } = trouble;
  if (when === 'gone') {
    await dropLetter(context, letter);
    logger.info(
      { event: 'letter_dropped', ...told, because },
      'a letter of enrolment is not needed any more',
    );
    return true;
  }
  const over = await postponeLetter(context, letter, because, when === 'never');
  const why = { ...told, because, attempts: letter.attempts };
  if (over) logger.error({ event: 'letter_given_up', ...why }, 'a letter of enrolment was given up');
  else logger.warn({ event: 'letter_waits', ...why }, 'a letter of enrolment could not be sent yet');
  return false;
}

/** @returns null where the next hop took it */
async function attempt(context: SenderContext, letter: LetterRow): Promise<Trouble | null> {
  const config = context.config();
  const addressee = await loadAddressee(context.database.orm, letter.user_id);
  if (addressee === null) return { because: 'the user was removed', when: 'gone' };
  const kind = LETTER_KINDS.find((each) => each === letter.kind);
  // Of a newer program that shares the database.
  if (kind === undefined) return { because: 'this program does not know such a letter', when: 'later' };
  const settings = effectiveSettings(config.encryption, addressee.domainSettings, addressee.settings).values;
  const keys = await keysFor(context, letter, addressee, settings);
  if ('because' in keys) return keys;
  // Only the flow's own word leaves a letter in the clear; keys that cannot be used never do.
  if (letter.seal !== 'clear' && keys.use.length === 0) {
    return { because: 'there is no key that it could be sealed to', when: 'never' };
  }
  const date = new Date(context.now());
  const details = detailsSchema.parse(letter.details);
  const linkUntil = linkEnd(context, kind, details);
  const link = await makeLink(context, letter, { kind, details, linkUntil }, addressee, keys);
  if (typeof link !== 'string') return link;
  const to =
    kind === 'administrator' ? administratorOf(config.notices.administrator, addressee) : addressee.address;
  const from = submissionAddress(config.portal.key_address, addressee.domain);
  const common = { date, id: `${OUR_MESSAGE_ID}${randomBytes(16).toString('hex')}` };
  if (details.wks === true && keys.kind === 'openpgp') {
    const request = { ...common, sender: from, address: to, nonce: tokenOfLink(link), keys: keys.use };
    return sendWksRequest(context, addressee, { ...request, fingerprint: details.fingerprint ?? '' });
  }
  const message = await composeLetter({
    kind,
    language: addressee.language,
    frame: {
      address: addressee.address,
      portal: config.portal.url,
      link,
      linkUntil: link === '' ? null : linkUntil,
    },
    details,
    from,
    to,
    ...common,
  });
  const parts =
    letter.seal === 'clear'
      ? [message]
      : await sealCopy(
          message,
          asDecision(keys, settings),
          { host: config.hostname, queueId: '', date },
          context.sealer,
        );
  return handOver(context, to, parts);
}

async function sendWksRequest(
  context: SenderContext,
  { domain }: Addressee,
  request: WksRequest,
): Promise<Trouble | null> {
  const key = await readSubmissionKey(context.config().state_dir, domain);
  if (key === null)
    return { because: 'the domain has no submission key here (wks=on makes it)', when: 'later' };
  return handOver(context, request.address, [
    await composeWksRequest(request, key.secret, context.sealer.encrypt),
  ]);
}

async function handOver(
  context: SenderContext,
  to: string,
  message: readonly Uint8Array[],
): Promise<Trouble | null> {
  const { recipients } = await context.nextHop().send({
    envelope: ourEnvelope(pathOfAddress(to)),
    xforward: {},
    message,
    deadline: Date.now() + LETTER_DEADLINE_MS,
  });
  const [result] = recipients;
  if (result?.class === 'accepted') return null;
  const because = result === undefined ? 'the next hop gave no answer' : logReply(result.reply);
  return { because, when: result?.class === 'permanent' ? 'never' : 'later' };
}

/** The keys that a letter is sealed to, chosen as for any mail. */
async function keysFor(
  context: SenderContext,
  letter: LetterRow,
  addressee: Addressee,
  { prefer }: Settings,
): Promise<KeyChoice | Trouble> {
  const stored = await storedKeys(context, letter, addressee);
  if ('because' in stored) return stored;
  const inspected = await Promise.all(stored.map(context.inspect));
  return chooseKeys(inspected, context.now(), prefer === 'smime' ? 'x509' : 'openpgp');
}

async function storedKeys(
  context: SenderContext,
  letter: LetterRow,
  addressee: Addressee,
): Promise<readonly StoredKey[] | Trouble> {
  switch (letter.seal) {
    case 'clear':
      return [];
    case 'current':
      return addressee.keys;
    case 'former': {
      const { key_kind: kind, fingerprint, certificate, created_at: createdAt } = letter;
      if (kind === null || fingerprint === null || certificate === null) {
        return { because: 'the letter has lost its key', when: 'never' };
      }
      return [{ kind, fingerprint, certificate, status: 'active', source: 'portal', createdAt }];
    }
    case 'submission': {
      const submission = await submissionOf(context.database.orm, letter.submission_id);
      if (submission === null) return { because: 'the key was withdrawn', when: 'gone' };
      const owner = { userId: addressee.userId, address: addressee.address };
      const understood = await understand(
        context.database.orm,
        owner,
        submission.upload,
        context.config(),
        context.now(),
      );
      return understood.ok
        ? [understood.key.sealTo]
        : { because: understood.key?.sentence ?? understood.because, when: 'never' };
    }
  }
}

/** @returns '' for a letter without a link */
async function makeLink(
  context: SenderContext,
  letter: LetterRow,
  { kind, details, linkUntil }: Readonly<{ kind: LetterKind; details: LetterDetails; linkUntil: number }>,
  addressee: Addressee,
  keys: KeyChoice,
): Promise<string | Trouble> {
  const action = ACTIONS[kind];
  if (action === undefined) return '';
  const { url } = context.config().portal;
  if (url === '') return { because: 'portal.url is not set: its link would lead nowhere', when: 'later' };
  if (action === 'sign-in' && addressee.status === 'disabled')
    return { because: 'the user is disabled', when: 'gone' };
  if (kind === 'first key' && addressee.undoUntil === null)
    return { because: 'it was taken back', when: 'gone' };
  const token = await inOrmTransaction(context.database, async (tx) => {
    // Two letters at once would each leave the other's token.
    if ((await findUser(tx, addressee.userId, 'no key update')) === null) return null;
    return makeToken(tx, {
      userId: addressee.userId,
      address: addressee.address,
      action,
      ...(details.fingerprint === undefined ? {} : { fingerprint: details.fingerprint }),
      submissionId: letter.submission_id,
      recoveryId: letter.recovery_id,
      sealedTo: action === 'sign-in' ? keys.use.map(({ fingerprint }) => fingerprint) : [],
      expiresAt: linkUntil,
    });
  });
  return token === null ? { because: 'the user was removed', when: 'gone' } : linkOf(url, action, token);
}

/** A link that only ever protects counts as long as there is something to protect against. Unix milliseconds. */
function linkEnd(context: SenderContext, kind: LetterKind, { until }: LetterDetails): number {
  const lifetime = context.now() + context.config().portal.token_lifetime;
  return kind === 'first key' || kind === 'recovery' ? Math.max(lifetime, until ?? 0) : lifetime;
}

function administratorOf(administrator: string, { domain }: Addressee): string {
  return administrator === '' ? `postmaster@${domain}` : administrator;
}

/** As the plan would have it, but for the Subject: it says nothing that is secret, and the letter has to be found by it. */
function asDecision({ use, kind, leftOut }: KeyChoice, settings: Settings): SealDecision {
  return {
    action: 'seal',
    because: 'usable key',
    reason: 'a letter of enrolment',
    leftOut,
    keys: use,
    kind,
    smimeCipher: settings.smime_cipher,
    style: settings.style,
    subject: 'keep',
    headerPolicy: 'no_confidentiality',
    headerOutside: [],
    hideKeyIds: settings.hide_key_ids,
  };
}
