// The real filter over a real database, in front of a next hop that keeps what it gets: for letters to the key address.
import { join } from 'node:path';
import type { Command } from 'commander';
import { startProxyFilter } from '../../filters/proxy.ts';
import { configSchema } from '../../src/config/schema.ts';
import { type EnrolmentStand, openEnrolmentStand } from './enrolment-stand.ts';
import { sendRaw } from './submit.ts';
import { silent } from './trial.ts';

export interface MailDoor {
  /**
   * Hands a message over. Default: to keys@example.org, by LMTP.
   * @returns the replies, and for whom it went on to the next hop
   */
  post(
    message: Buffer,
    sender: string,
    recipients?: readonly string[],
    protocol?: 'lmtp' | 'smtp',
  ): Promise<{ readonly replies: readonly string[]; readonly passed: readonly string[] }>;
  close(): Promise<void>;
}

export interface MailDoorStand extends EnrolmentStand, MailDoor {
  close(): Promise<void>;
}

/** A filter over a stand that is there already. */
export async function openMailDoor(stand: EnrolmentStand): Promise<MailDoor> {
  const { folder } = stand.trial;
  const { logger, metrics } = silent();
  const listen = ['lmtp', 'smtp'].map((protocol) => ({
    name: protocol,
    protocol,
    address: `unix:${join(folder, protocol)}`,
  }));
  const config = configSchema.parse({ filter: { listen } });
  const proxy = await startProxyFilter(config, stand.engine, logger, metrics);
  return {
    async post(message, sender, recipients = ['keys@example.org'], protocol = 'lmtp') {
      const before = stand.hop.sent.length;
      const to = { path: join(folder, protocol) };
      const replies = await sendRaw({ to, protocol, sender, recipients, message });
      const passed = stand.hop.sent.slice(before).flatMap(({ envelope }) => envelope.recipients);
      return { replies, passed: passed.map(({ path }) => path) };
    },
    close: () => proxy.close(0),
  };
}

export async function openMailDoorStand(
  registers: readonly ((program: Command) => void)[],
  toml = '',
): Promise<MailDoorStand> {
  const stand = await openEnrolmentStand(registers, toml);
  const door = await openMailDoor(stand);
  return {
    ...stand,
    post: door.post,
    async close() {
      await door.close();
      await stand.close();
    },
  };
}
