// One spool file on its way: read, decided on, sealed for each of its readers. What it gives holds ciphertext only.
import { createHash, randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Settings } from '../../src/config/settings.ts';
import { contentHash } from '../../src/delivery/content-hash.ts';
import type { Engine } from '../../src/delivery/engine.ts';
import { type BuiltCopy, createOutgoing } from '../../src/delivery/outgoing.ts';
import { type RuledMessage, ruledMessage } from '../../src/delivery/rules.ts';
import { DirectoryUnavailable } from '../../src/directory/types.ts';
import type { Logger } from '../../src/observe/log.ts';
import type { Metrics } from '../../src/observe/metrics.ts';
import type { PlaintextFile } from '../../src/openpgp/types.ts';
import type { Lease } from '../../src/smtp/server/budget.ts';
import type { Reply } from '../../src/smtp/types.ts';
import { decideForQueue, type Obstacle, type QueueDecision, type UserCopy } from '../queue/decide.ts';
import type { Parcel, SealedCopy, WaitingCiphertext } from '../queue/filing.ts';
import type { MessageId } from '../queue/types.ts';
import { readAddressee } from './addressee.ts';
import { readSpooled } from './maildir.ts';

/** What the way into the queue stands on. */
export interface SealingParts {
  readonly engine: Pick<Engine, 'directory' | 'chooser' | 'sealer'>;
  readonly global: () => Settings;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For ciphertext that does not fit into memory. */
  readonly outgoingDirectory: string;
}

/** What became of one file. */
export type Item =
  | {
      readonly kind: 'parcel';
      readonly parcel: Parcel;
      readonly arrived: Date;
      /** Gives back what it holds of memory and files: when the parcel is filed, or is not to be. Never rejects. */
      readonly release: () => Promise<void>;
    }
  | {
      readonly kind: 'wait' | 'refuse';
      readonly because: Obstacle;
      readonly reply: Reply;
      readonly userIds: readonly number[];
      readonly arrived: Date;
    }
  | { readonly kind: 'broken'; readonly because: string; readonly arrived: Date }
  | { readonly kind: 'gone' }
  /** There is no memory for it now. */
  | { readonly kind: 'no room' };

/** The plaintext, its ciphertext, and what the sealing worker holds meanwhile. */
const MEMORY_PER_BYTE = 4;
/** A larger message stays in its file: the worker reads it piece by piece, and only ciphertext is held whole. */
const WHOLE_UP_TO = 4 * 2 ** 20;
/** Bytes of ciphertext of a message with several readers that stay in memory; other copies wait in files. */
const COPIES_UP_TO = 4 * 2 ** 20;

export const SEALING_FAILED: Reply = {
  code: 451,
  enhanced: '4.7.5',
  text: 'Encryption failed; the mail stays queued and will be tried again',
};

const READ_ERROR: Reply = { code: 451, enhanced: '4.3.0', text: 'The message could not be read' };

/**
 * Reads and seals one file.
 * @throws DirectoryUnavailable, with which the whole batch has to wait
 */
export async function prepareItem(
  spool: string,
  name: string,
  limits: { readonly most: number; readonly admit: (bytes: number) => Lease | null },
  parts: SealingParts,
): Promise<Item> {
  const admit = (bytes: number): Lease | null => limits.admit(bytes * MEMORY_PER_BYTE);
  const spooled = await readSpooled(spool, name, limits.most, admit, WHOLE_UP_TO);
  if (spooled.kind === 'read error') {
    return { kind: 'wait', because: 'read error', reply: READ_ERROR, userIds: [], arrived: spooled.arrived };
  }
  if (spooled.kind !== 'message') return spooled;
  const { arrived, lease, head, file, size } = spooled;
  const release = (): void => lease?.release();
  let kept = false;
  try {
    const addressee = readAddressee(head);
    if (addressee === null) {
      return { kind: 'broken', because: 'no Delivered-To or X-Original-To names a recipient', arrived };
    }
    const decision = await decideFor(addressee.recipient, ruledMessage(head, addressee.sender, size), parts);
    if (decision.action !== 'file') {
      const { because, reply, userIds } = decision;
      return { kind: decision.action, because, reply, userIds, arrived };
    }
    const sha256 = await (file === null ? contentHash(head) : fileHash(file, size));
    const idOf = (user: number): MessageId => spoolId(name, user, sha256);
    const plaintext = file === null ? head : { fd: file.fd, size, sha256 };
    const sealed = await seal(plaintext, decision.copies, idOf, parts);
    if (sealed === null) {
      const userIds = decision.copies.map(({ user }) => user.id);
      return { kind: 'wait', because: 'sealing failed', reply: SEALING_FAILED, userIds, arrived };
    }
    kept = true;
    const { parcel, discard } = sealed;
    return {
      kind: 'parcel',
      parcel,
      arrived,
      release: async () => {
        release();
        await discard();
      },
    };
  } finally {
    if (!kept) release();
    await file?.close();
  }
}

/**
 * The decision on one recipient address.
 * @throws DirectoryUnavailable
 */
export async function decideFor(
  path: string,
  message: RuledMessage,
  parts: SealingParts,
): Promise<QueueDecision> {
  const { directory, chooser } = parts.engine;
  const facts = await directory.recipient(path);
  try {
    const decision = decideForQueue({
      facts,
      message,
      global: parts.global(),
      choose: await chooser(facts, Date.now()),
    });
    for (const { user, seal: chosen } of decision.action === 'file' ? decision.copies : []) {
      if (chosen.leftOut.length > 0)
        parts.logger.warn({ user: user.id, leftOut: chosen.leftOut }, chosen.reason);
    }
    return decision;
  } catch (error) {
    if (error instanceof DirectoryUnavailable) throw error;
    parts.logger.error({ err: error }, 'a recipient could not be decided on; the mail stays where it is');
    return {
      action: 'wait',
      because: 'internal error',
      reply: { code: 451, enhanced: '4.3.0', text: 'Internal error; the mail will be tried again' },
      userIds: [],
    };
  }
}

export interface Sealed {
  readonly parcel: Parcel;
  /** Nobody needs the ciphertext any more. Never rejects. */
  readonly discard: () => Promise<void>;
}

/**
 * Seals a message whole, its header too, once for each user. Where these are several, what exceeds 4 MiB of ciphertext waits in
 * files.
 * @returns null when sealing failed, which is logged
 */
export async function seal(
  message: Uint8Array | PlaintextFile,
  copies: readonly UserCopy[],
  idOf: (userId: number) => MessageId,
  { engine, metrics, logger, outgoingDirectory }: SealingParts,
): Promise<Sealed | null> {
  const outgoing = createOutgoing(
    outgoingDirectory,
    randomBytes(12).toString('hex'),
    copies.length === 1 ? Number.POSITIVE_INFINITY : COPIES_UP_TO,
    engine.sealer.giveBack,
  );
  const built: BuiltCopy[] = [];
  const discard = async (): Promise<void> => {
    const discarded = await Promise.allSettled(built.map((copy) => copy.discard(true)));
    for (const each of discarded)
      if (each.status === 'rejected')
        logger.warn({ err: each.reason }, 'a file with ciphertext could not be removed');
  };
  try {
    const sealed: SealedCopy[] = [];
    for (const { user, seal: decision } of copies) {
      const stop = metrics.sealSeconds.startTimer();
      const { keys, hideKeyIds } = decision;
      const ciphertext = await engine.sealer.encrypt({
        plaintext: message,
        keys,
        hideKeyIds,
        format: 'binary',
      });
      stop();
      const copy = await outgoing.keep([ciphertext]);
      built.push(copy);
      sealed.push({ id: idOf(user.id), userId: user.id, ciphertext: waiting(copy, ciphertext.length) });
    }
    return { parcel: { copies: sealed }, discard };
  } catch (error) {
    await discard();
    logger.error({ err: error }, 'sealing failed; the mail stays where it is');
    return null;
  }
}

function waiting(copy: BuiltCopy, length: number): WaitingCiphertext {
  return {
    length,
    async read() {
      const [ciphertext] = await copy.bytes();
      if (ciphertext?.length !== length) throw new Error('ciphertext that waited in a file is not whole');
      return ciphertext;
    },
  };
}

/** SHA-256 in hexadecimal of so many bytes from the beginning of a file. */
async function fileHash(file: FileHandle, size: number): Promise<string> {
  const hash = createHash('sha256');
  const stream = file.createReadStream({ start: 0, end: size - 1, autoClose: false });
  for await (const bytes of stream) hash.update(bytes);
  return hash.digest('hex');
}

/**
 * The id of a spool file's copy for one user: the same whenever it is filed again. The content is in it, so that another
 * message under a name that was used before is another message.
 */
function spoolId(name: string, userId: number, content: string): MessageId {
  return createHash('sha256')
    .update(['sealpost spool', name, String(userId), content].join('\0'), 'latin1')
    .digest('hex')
    .slice(0, 32);
}
