// GET / of the observe listener: the page for a person. It asks nothing that can wait for the database: what is known is shown.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Eta } from 'eta';
import type { FastifyInstance } from 'fastify';
import { packageRoot } from '../../config/package.ts';
import type { Health } from '../../observe/health.ts';
import { within } from '../../pacing/within.ts';
import type { DayOf, PageFacts, SeenStatus } from './facts.ts';
import type { Tone } from './verdict.ts';
import { type PageView, viewOf } from './view.ts';
import { numberOf } from './words.ts';

export interface PageOptions {
  readonly hostname: string;
  /** Whether trace.keep lets the last day be kept at all. */
  readonly keepsHistory: boolean;
  /** The last day as it was read last; null: it was not. */
  history(): Promise<DayOf | null>;
}

/** What the server asks for its other paths, too. */
export interface Asked {
  health(): Promise<Health>;
  status(): Promise<unknown>;
}

/** Whoever waits for the page waits for less than a second, whatever does not answer. */
const PATIENCE_MS = 400;
/** Asked by a crowd, the page is made once in so long. */
const SHOWN_MS = 2000;
const STYLE_AGE_S = 3600;

/** Beside the colour, for who does not see it. */
const TONES: Readonly<Record<Tone, string>> = {
  good: 'Good',
  look: 'Worth a look',
  bad: 'Wrong',
  unknown: 'Not known',
};

/** Adds the page and what it is made of. @throws Error where a file of web/ cannot be read */
export function addPage(server: FastifyInstance, options: PageOptions, asked: Asked): void {
  const web = join(packageRoot(), 'web');
  const template = new Eta({ views: join(web, 'page'), autoEscape: true, cache: true, useWith: false });
  const print = (view: PageView): string =>
    template.render('page', { ...view, tones: TONES, number: numberOf });
  const page = remembered(async () => print(viewOf(await factsOf(options, asked))));
  // The portal's colours and cards, and what is the page's own.
  const style = Buffer.concat([
    readFileSync(join(web, 'portal.css')),
    readFileSync(join(web, 'page', 'page.css')),
  ]);
  const icon = readFileSync(join(web, 'icon.svg'));
  server.get('/', async (_, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(await page()),
  );
  const files = [
    ['/page.css', 'text/css; charset=utf-8', style],
    ['/icon.svg', 'image/svg+xml', icon],
  ] as const;
  for (const [path, type, content] of files)
    server.get(path, async (_, reply) =>
      reply.type(type).header('cache-control', `max-age=${STYLE_AGE_S}`).send(content),
    );
}

async function factsOf({ hostname, keepsHistory, history }: PageOptions, asked: Asked): Promise<PageFacts> {
  const inTime = async <T>(question: () => Promise<T>): Promise<T | null> => {
    try {
      return await within(PATIENCE_MS, question(), null);
    } catch {
      return null;
    }
  };
  const [health, status, day] = await Promise.all([
    inTime(() => asked.health()),
    inTime(() => asked.status()),
    inTime(history),
  ]);
  return {
    hostname,
    now: Date.now(),
    health,
    status: typeof status === 'object' && status !== null ? (status as SeenStatus) : {},
    day,
    keepsHistory,
  };
}

/** Makes a text once for all who ask within {@link SHOWN_MS}. What fails is made again. */
function remembered(make: () => Promise<string>): () => Promise<string> {
  const state: { made: Promise<string> | null; at: number } = { made: null, at: 0 };
  return () => {
    const now = performance.now();
    if (state.made !== null && now - state.at < SHOWN_MS) return state.made;
    state.at = now;
    const made = make();
    state.made = made;
    made.catch(() => {
      if (state.made === made) state.made = null;
    });
    return made;
  };
}
