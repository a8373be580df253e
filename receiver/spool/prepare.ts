// One spool file on its way: read, decided on, sealed for each of its readers. What it gives holds ciphertext only.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { contentHash } from '../../src/delivery/content-hash.ts';
import { ruledMessage } from '../../src/delivery/rules.ts';
import { findQueueId, messageIdOnDemand } from '../../src/message/received.ts';
import { FILE_UNREADABLE, SEALING_FAILED } from '../../src/smtp/our-replies.ts';
import type { Lease } from '../../src/smtp/server/budget.ts';
import type { RawPath, Reply } from '../../src/smtp/types.ts';
import type { Obstacle } from '../queue/decide.ts';
import { sealedFor } from '../queue/decide.ts';
import type { Parcel } from '../queue/filing.ts';
import { decideFor, type SealingContext, seal } from '../queue/seal.ts';
import type { MessageId } from '../queue/types.ts';
import { readAddressee } from './addressee.ts';
import { readSpoolFile } from './maildir.ts';

/** What is told of the message in a file. */
export interface SpoolMail {
  readonly recipient: RawPath;
  /** Whether the recipient is in a domain of ours. */
  readonly ours: boolean;
  /** Of the topmost Received field; '' where there is none. */
  readonly queueId: string;
  readonly messageId: () => string;
  /** Bytes. */
  readonly size: number;
  /** Fingerprints of the keys that the copies are sealed to, and why; empty where there are none. */
  readonly keys: readonly string[];
  readonly reason: string;
}

/** What became of one file. */
export type PreparedFile =
  | {
      readonly kind: 'parcel';
      readonly mail: SpoolMail;
      readonly parcel: Parcel;
      readonly arrived: Date;
      /** Gives back what it holds of memory and files: when the parcel is filed, or is not to be. Never rejects. */
      readonly release: () => Promise<void>;
    }
  | {
      readonly kind: 'wait' | 'refuse';
      /** null: the file could not be read. */
      readonly mail: SpoolMail | null;
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
/**
 * Reads and seals one file.
 * @throws DirectoryUnavailable, with which the whole batch has to wait
 */
export async function prepareFile(
  spool: string,
  name: string,
  limits: { readonly most: number; readonly admit: (bytes: number) => Lease | null },
  context: SealingContext,
): Promise<PreparedFile> {
  const admit = (bytes: number): Lease | null => limits.admit(bytes * MEMORY_PER_BYTE);
  const found = await readSpoolFile(spool, name, limits.most, admit, WHOLE_UP_TO);
  if (found.kind === 'read error') {
    return {
      kind: 'wait',
      mail: null,
      because: 'read error',
      reply: FILE_UNREADABLE,
      userIds: [],
      arrived: found.arrived,
    };
  }
  if (found.kind !== 'message') return found;
  const { arrived, lease, head, file, size } = found;
  const release = (): void => lease?.release();
  let kept = false;
  try {
    const addressee = readAddressee(head);
    if (addressee === null) {
      return { kind: 'broken', because: 'no Delivered-To or X-Original-To names a recipient', arrived };
    }
    const decision = await decideFor(
      addressee.recipient,
      ruledMessage(head, addressee.sender, size),
      context,
    );
    const mail = mailOf(head, size, addressee.recipient, decision.ours);
    if (decision.action !== 'file') {
      const { because, reply, userIds } = decision;
      return { kind: decision.action, mail, because, reply, userIds, arrived };
    }
    const sha256 = await (file === null ? contentHash(head) : fileHash(file, size));
    const idOf = (user: number): MessageId => spoolId(name, user, sha256);
    const plaintext = file === null ? head : { fd: file.fd, size, sha256 };
    const sealed = await seal(plaintext, decision.copies, idOf, context);
    if (sealed === null) {
      const userIds = decision.copies.map(({ user }) => user.id);
      return { kind: 'wait', mail, because: 'sealing failed', reply: SEALING_FAILED, userIds, arrived };
    }
    kept = true;
    const { parcel, discard } = sealed;
    return {
      kind: 'parcel',
      mail: { ...mail, ...sealedFor(decision.copies) },
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

function mailOf(head: Buffer, size: number, recipient: RawPath, ours: boolean): SpoolMail {
  const messageId = messageIdOnDemand(head);
  return { recipient, ours, queueId: findQueueId(head), messageId, size, keys: [], reason: '' };
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
