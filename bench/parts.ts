// The parts of `npm run bench`, in the order in which they run. A part that brings its rows alone:
//
//   {
//     name: 'receiver',
//     title: 'Receiver',
//     seconds: 40,
//     quickSeconds: 0,
//     run: async (options) => ({ rows: await receiverRows(options) }),
//   },
import type { Part } from './rows.ts';

export const PARTS: readonly Part[] = [];
