#!/usr/bin/env node
// The `sealpost` command: runs the command line of program.ts with the words of this process.
import { keepCompiled } from '../host/compile-cache.ts';

// As Node.js 21 has it. Where there is none, `pg` makes a Response to learn where it runs, for which Node.js loads an HTTP client:
// a twentieth of a second.
if (!('navigator' in globalThis)) {
  const userAgent = `Node.js/${process.versions.node.split('.')[0]}`;
  Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent },
    configurable: true,
    writable: true,
  });
}

keepCompiled();
// What is imported before that is compiled anew each time.
void import('./start.ts').then(({ start }) => start(process.argv.slice(2)));
