// What is told of a message that was refused or put off before there was anything to deliver.
import { describe, expect, it } from 'vitest';
import { tellNotTaken } from '../../../src/delivery/tell-not-taken.ts';
import type { Directory } from '../../../src/directory/types.ts';
import type { MessageEvent } from '../../../src/observe/events.ts';
import { BARE_NEWLINE, messageTooLarge, NO_STORAGE } from '../../../src/smtp/our-replies.ts';

const directory = {
  recipient: async (path: string) => ({ domain: path.endsWith('@x.test') ? { name: 'x.test' } : null }),
} as unknown as Pick<Directory, 'recipient'>;

async function told(
  what: Pick<Parameters<typeof tellNotTaken>[0], 'recipients' | 'because' | 'reply'>,
): Promise<readonly MessageEvent[]> {
  const events: MessageEvent[] = [];
  const tell = (event: MessageEvent): void => void events.push(event);
  await tellNotTaken({ id: 't-1', xforward: { IDENT: '4bX' }, size: 7, ...what }, { tell, directory });
  return events;
}

describe('a message that was not taken', () => {
  const cases = [
    ['too-large', messageTooLarge(1000), 'refused', 'too large'],
    ['bare-newline', BARE_NEWLINE, 'refused', 'bare newline'],
    ['no-room', NO_STORAGE, 'deferred', 'no room'],
  ] as const;
  it.each(cases)(
    '%s: each distinct recipient has a line with the reason',
    async (because, reply, event, word) => {
      const recipients = ['alice@x.test', 'carol@y.test', 'alice@x.test'];
      const common = { event, because: word, queueId: '4bX', transaction: 't-1', size: 7, keys: [] };
      expect(await told({ recipients, because, reply })).toMatchObject([
        {
          ...common,
          recipient: 'alice@x.test',
          ours: true,
          reply: expect.stringContaining(String(reply.code)),
        },
        { ...common, recipient: 'carol@y.test', ours: false },
      ]);
    },
  );

  it('has one line where no recipient was named yet', async () => {
    expect(await told({ recipients: [], because: 'no-room', reply: NO_STORAGE })).toMatchObject([
      { event: 'deferred', recipient: '', ours: false },
    ]);
  });
});
