// Asks the observe listener of a running serve, as `sealpost status` and `sealpost doctor` do.
import { request } from 'node:http';
import type { Endpoint } from '../config/units.ts';

export interface Observed {
  /** HTTP status. */
  readonly code: number;
  /** What the JSON says; null where it is none. */
  readonly value: unknown;
}

const ASK_DEADLINE_MS = 6000;
const MOST_BYTES = 1_000_000;

/**
 * @param path such as `/status`
 * @returns null when nobody answers in time. Never rejects
 */
export function askObserve(listen: Endpoint, path: string): Promise<Observed | null> {
  return new Promise((resolve) => {
    const target =
      listen.kind === 'unix' ? { socketPath: listen.path } : { host: listen.host, port: listen.port };
    const asked = request({ ...target, path, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > MOST_BYTES) asked.destroy();
      });
      response.on('error', () => resolve(null));
      response.on('end', () => resolve({ code: response.statusCode ?? 0, value: readJson(body) }));
    });
    const timer = setTimeout(() => asked.destroy(), ASK_DEADLINE_MS);
    asked.on('close', () => {
      clearTimeout(timer);
      resolve(null);
    });
    asked.on('error', () => resolve(null));
    asked.end();
  });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
