// Starts the worker thread from sources, for tests and development: Node.js 20 reads TypeScript through tsx only. A built
// package starts worker.js itself and does not have this file.
import { register } from 'tsx/esm/api';

register();
export const { encrypt, detect, inline } = await import('./worker.ts');
