// Sends test mail one by one, with swaks.
import { mustRun } from './child.ts';
import { need } from './needs.ts';

need('swaks');

export interface Letter {
  readonly port: number;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly subject: string;
  readonly body: string;
}

/** One message by swaks(1), with its own Message-Id and Date. */
export async function swaks(letter: Letter): Promise<void> {
  await mustRun('swaks', [
    '--server',
    `127.0.0.1:${letter.port}`,
    '--helo',
    'client.outside.test',
    '--from',
    letter.sender,
    '--to',
    letter.recipients.join(','),
    '--header',
    `Subject: ${letter.subject}`,
    '--body',
    letter.body,
    '--suppress-data',
  ]);
}
