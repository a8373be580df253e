// The parts of `npm run bench`, in the order in which they run. A part that brings its rows alone:
//
//   {
//     name: 'receiver',
//     title: 'Receiver',
//     seconds: 40,
//     quickSeconds: 0,
//     run: async (options) => ({ rows: await receiverRows(options) }),
//   },
import { attackPart } from './attack.ts';
import { growthPart } from './growth.ts';
import { hostilePart } from './hostile.ts';
import { largePart } from './large.ts';
import { limitsPart } from './limits.ts';
import { lookupsPart } from './lookups.ts';
import { matrixPart } from './matrix.ts';
import { pipePart } from './pipe.ts';
import { proxyPart } from './proxy.ts';
import { pullPart } from './pull.ts';
import { receiverPart } from './receiver.ts';
import type { Part } from './rows.ts';
import { greetingPart, startupPart } from './startup.ts';

export const PARTS: readonly Part[] = [
  { name: 'proxy', title: 'Small messages', seconds: 85, quickSeconds: 35, run: proxyPart },
  { name: 'large', title: 'Large messages', seconds: 60, quickSeconds: 20, run: largePart },
  { name: 'pipe', title: 'Pipe filter', seconds: 15, quickSeconds: 6, run: pipePart },
  { name: 'greeting', title: 'Greeting', seconds: 2, quickSeconds: 2, run: greetingPart },
  { name: 'startup', title: 'Start-up', seconds: 40, quickSeconds: 18, run: startupPart },
  { name: 'matrix', title: 'The proxy under every load', seconds: 90, quickSeconds: 0, run: matrixPart },
  { name: 'limits', title: 'The limits of this machine', seconds: 10, quickSeconds: 5, run: limitsPart },
  { name: 'growth', title: 'Growth of the directory', seconds: 280, quickSeconds: 75, run: growthPart },
  { name: 'attack', title: 'The memory budget under attack', seconds: 45, quickSeconds: 0, run: attackPart },
  {
    name: 'hostile',
    title: 'Hostile mail',
    seconds: 900,
    quickSeconds: 0,
    ownReport: 'hostile.md',
    run: hostilePart,
  },
  { name: 'maps', title: 'Lookups', seconds: 80, quickSeconds: 0, run: lookupsPart },
  { name: 'receiver', title: 'The receiver', seconds: 40, quickSeconds: 15, run: receiverPart },
  { name: 'pull', title: 'pull, the client', seconds: 25, quickSeconds: 8, run: pullPart },
];
