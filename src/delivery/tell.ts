// Where an event goes: a line of the log, and a row of the table `events`.
import { createHmac } from 'node:crypto';
import { internalForm, MAX_ADDRESS, normalisePath, stripExtension } from '../address/normalise.ts';
import type { Config } from '../config/schema.ts';
import type { EventWriter } from '../database/events.ts';
import { type AddressForm, eventFields, type MessageEvent } from '../observe/events.ts';
import type { Logger } from '../observe/log.ts';
import { addressForm, createPseudonym } from '../observe/pseudonym.ts';

export interface TellerContext {
  /** Read for every event, so that SIGHUP takes effect with the next one. */
  readonly config: () => Pick<Config, 'log' | 'recipient_delimiter'>;
  readonly logger: Logger;
  /** null: no events are kept. */
  readonly writer: Pick<EventWriter, 'write'> | null;
  /** Of the pseudonyms, and of what stands for a Message-ID. */
  readonly key: Uint8Array;
}

/** @returns what takes an event; it never throws */
export function createTeller({ config, logger, writer, key }: TellerContext): (event: MessageEvent) => void {
  const pseudonym = foldedPseudonym(config, key);
  return (told) => {
    const mode = config().log.addresses;
    logger.info(eventFields(told, addressForm(mode, pseudonym)), told.reason);
    if (writer === null) return;
    const kept = keptForm(mode, pseudonym);
    writer.write({
      at: told.at,
      event: told.event,
      queueId: told.queueId,
      transaction: told.transaction,
      messageId: hashedMessageId(key, told.messageId()),
      recipient: keptRecipient(told, kept),
      because: told.because,
      reason: told.reason,
      keys: told.keys,
      size: told.size,
      ms: told.duration,
      reply: told.reply,
    });
  };
}

/** How a line of the log that is no event shows a recipient, so that it is the same as in the event's own line. */
export function createShown({ config, key }: Pick<TellerContext, 'config' | 'key'>): AddressForm {
  const pseudonym = foldedPseudonym(config, key);
  return (path, ours) => addressForm(config().log.addresses, pseudonym)(path, ours);
}

/**
 * The same for every way to write an address, so that the log shows what the table holds. An extension of ours is left out: who
 * looks for a user, or erases one, knows none.
 */
function foldedPseudonym(config: TellerContext['config'], key: Uint8Array): AddressForm {
  const digits = createPseudonym(key);
  return (path, ours) => {
    const folded = foldedRecipient(path);
    return digits(ours ? withoutExtension(folded, config().recipient_delimiter) : folded);
  };
}

/** @param address folded @param delimiters recipient_delimiter */
export function withoutExtension(address: string, delimiters: string): string {
  const at = address.lastIndexOf('@');
  const bare = at === -1 ? null : stripExtension(address.slice(0, at), delimiters);
  return bare === null ? address : `${bare}${address.slice(at)}`;
}

/** How the table has recipients: whom nobody may read in the log must be found all the same by whoever knows the address. */
export function keptForm(mode: Config['log']['addresses'], pseudonym: AddressForm): AddressForm {
  return addressForm(mode === 'own' ? 'own' : 'hmac', pseudonym);
}

function keptRecipient({ recipient, ours }: MessageEvent, form: AddressForm): string {
  return recipient === '' ? '' : form(foldedRecipient(recipient), ours);
}

/** As the table has a recipient, before a pseudonym may stand for it: folded where it can be read, else as it came. */
export function foldedRecipient(path: string): string {
  const bounded = path.slice(0, MAX_ADDRESS);
  return normalisePath(bounded) ?? internalForm(bounded) ?? bounded;
}

/** What stands for a Message-ID in the table; '' for none. @param messageId without angle brackets */
export function hashedMessageId(key: Uint8Array, messageId: string): string {
  if (messageId === '') return '';
  return createHmac('sha256', key).update(`message-id ${messageId}`).digest('hex').slice(0, 32);
}
