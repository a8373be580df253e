// The flow of enrolment over a real database, with a clock that can be moved and a next hop that keeps the letters.

import type { Command } from 'commander';
import { generateKey, type PrivateKey } from 'openpgp';
import { type Engine, openEngine } from '../../src/delivery/engine.ts';
import { requireUser } from '../../src/directory/find.ts';
import { mailDoorOf } from '../../src/enrolment/mail/door.ts';
import { runOnce } from '../../src/enrolment/run.ts';
import type { SenderContext } from '../../src/enrolment/send.ts';
import type { Asker, Proof } from '../../src/enrolment/types.ts';
import { createKeyCache } from '../../src/keys/cache.ts';
import { decryptWith } from './make-keys.ts';
import { type ListedHop, listedHop, openTrial, silent, type Trial, textOf } from './trial.ts';
import { armoredPart, fieldValues, splitMessage } from './unseal.ts';

export const PORTAL = 'https://keys.example.org';

export interface EnrolmentStand {
  readonly trial: Trial;
  readonly engine: Engine;
  readonly hop: ListedHop;
  readonly context: SenderContext;
  /** Moves the clock on. Milliseconds. */
  pass(ms: number): void;
  /** Adds a user, and gives who asks for one at a level of proof. */
  user(name: string): Promise<(proof?: Proof) => Asker>;
  /** Does what serve does in a round, and gives the letters that were sent in it. */
  round(): Promise<readonly Letter[]>;
  close(): Promise<void>;
}

/** A letter as the next hop got it. */
export interface Letter {
  readonly to: string;
  readonly sender: string;
  readonly raw: string;
  readonly sealed: boolean;
  readonly subject: string;
  /** The text of a letter in the clear, or of a sealed one as the key's owner reads it. Rejects where the key does not open it. */
  text(secret?: PrivateKey): Promise<string>;
}

export async function openEnrolmentStand(
  registers: readonly ((program: Command) => void)[],
  toml = '',
): Promise<EnrolmentStand> {
  const trial = await openTrial(registers, `[portal]\nurl = "${PORTAL}/"\n${toml}`);
  await trial.json('domain', 'add', 'example.org');
  const hop = listedHop();
  const { logger, metrics } = silent();
  let passed = 0;
  const engine = await openEngine({
    config: trial.config,
    logger,
    metrics,
    workers: 0,
    nextHop: hop,
    keyDoor: (database, config) => mailDoorOf(database, config, () => Date.now() + passed),
  });
  const context: SenderContext = {
    database: engine.database,
    config: () => trial.config,
    now: () => Date.now() + passed,
    sealer: engine.sealer,
    inspect: createKeyCache({ allowSha1: false }).inspect,
    nextHop: engine.nextHop,
    logger,
  };
  return {
    trial,
    engine,
    hop,
    context,
    pass(ms) {
      passed += ms;
    },
    async user(name) {
      await trial.json('user', 'add', `${name}@example.org`);
      const { user } = await requireUser(trial.database.orm, `${name}@example.org`);
      return (proof = { level: 'mailbox' }) => ({ userId: user.id, proof, name: 'portal', language: null });
    },
    async round() {
      const before = hop.sent.length;
      await runOnce(context);
      return hop.sent.slice(before).map(letterOf);
    },
    async close() {
      await engine.close();
      await trial.close();
    },
  };
}

function letterOf(request: ListedHop['sent'][number]): Letter {
  const raw = textOf(request);
  const { fields } = splitMessage(Buffer.from(raw, 'latin1'));
  const sealed = raw.includes('-----BEGIN PGP MESSAGE-----');
  return {
    to: request.envelope.recipients[0]?.path ?? '',
    sender: request.envelope.sender,
    raw,
    sealed,
    subject: fieldValues(fields, 'subject')[0]?.trim() ?? '',
    async text(secret) {
      if (!sealed) return fromQuotedPrintable(raw);
      if (secret === undefined) throw new Error('the letter is sealed');
      const inside = await decryptWith(secret, armoredPart(Buffer.from(raw, 'latin1')));
      return fromQuotedPrintable(inside.toString('latin1'));
    },
  };
}

function fromQuotedPrintable(text: string): string {
  const bytes = text
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_whole, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The token of a letter's link. */
export function tokenIn(text: string, action: string): string {
  const found = new RegExp(`${PORTAL}/${action}/([\\w-]{43})`).exec(text)?.[1];
  if (found === undefined) throw new Error(`no ${action} link in: ${text}`);
  return found;
}

export async function newKey(name: string): Promise<PrivateKey> {
  const { privateKey } = await generateKey({
    userIDs: [{ name, email: `${name}@example.org` }],
    type: 'ecc',
    curve: 'curve25519Legacy',
    date: new Date(Date.now() - 60_000),
    format: 'object',
  });
  return privateKey;
}

export function upload(secret: PrivateKey): Buffer {
  return Buffer.from(secret.toPublic().armor());
}

export function fingerprintOf(secret: PrivateKey): string {
  return secret.getFingerprint().toUpperCase();
}

/** What somebody has proved who read a letter sealed to a key. */
export function withKey(...secrets: readonly PrivateKey[]): Proof {
  return { level: 'key', fingerprints: secrets.map(fingerprintOf) };
}
