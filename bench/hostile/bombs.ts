// Letters that are made to hold up everybody else's: each is small to send, or just within the limits, and was dear to read once.
// Every parser that reads what a stranger sent has some here.

import { BODY_BOMBS } from './body-bombs.ts';
import { type Bomb, filled, marks, simple } from './bomb.ts';
import { HEADER_BOMBS } from './header-bombs.ts';

const ENVELOPE_BOMBS: readonly Bomb[] = [
  {
    name: 'a sender of combining marks',
    rule: { name: 'x', pattern: '*' },
    sender: `${filled(380, marks).toString('utf8')}@example.net`,
    recipients: 28,
    letter: () => simple('', Buffer.from('Hello.\r\n')),
  },
  {
    name: 'a thousand recipients of combining marks',
    recipients: 1000,
    local: (index) => `user+${index}${filled(380, marks).toString('utf8')}`,
    letter: () => simple('', Buffer.from('Hello.\r\n')),
  },
];

export const BOMBS: readonly Bomb[] = [...HEADER_BOMBS, ...BODY_BOMBS, ...ENVELOPE_BOMBS];
