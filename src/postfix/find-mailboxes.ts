// Asks postconf(1) and the disk where a machine's mailboxes are.
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { postconf } from './postconf.ts';
import { MAILBOX_SETTINGS, type Proposal, proposeWiring, readMailboxFacts } from './propose.ts';

/** @returns null where there is no Postfix to ask. @param configDir as Postfix's own -c */
export async function findMailboxes(configDir: string | null): Promise<Proposal | null> {
  try {
    const values = await postconf(configDir, ['-x', '-h', ...MAILBOX_SETTINGS]);
    const queue = readMailboxFacts(values, []).queue_directory;
    const places = ['/run/dovecot/lmtp', join(queue, 'private/dovecot-lmtp'), '/run/cyrus/socket/lmtp'];
    const sockets: string[] = [];
    for (const path of places)
      if ((await lstat(path).catch(() => null))?.isSocket() === true) sockets.push(path);
    return proposeWiring(readMailboxFacts(values, sockets));
  } catch {
    // askPostfix says why.
    return null;
  }
}
