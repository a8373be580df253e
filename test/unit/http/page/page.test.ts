// The page as a browser gets it from the observe listener: what it shows, whom it answers, and how long it takes.
import { type IncomingMessage, request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startObserveServer } from '../../../../src/http/observe.ts';
import type { PageFacts } from '../../../../src/http/page/facts.ts';
import type { HttpListener } from '../../../../src/http/server.ts';
import { createLogger } from '../../../../src/observe/log.ts';
import { createMetrics } from '../../../../src/observe/metrics.ts';
import { AWAY, STARTING, WELL } from '../../../support/page-samples.ts';

let server: HttpListener | undefined;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: WELL.now });
});
afterEach(async () => {
  vi.useRealTimers();
  await server?.close(0);
  server = undefined;
});

interface Answer {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Ask = (path?: string, method?: string, host?: string) => Promise<Answer>;

/** Starts a listener with the page of these facts. */
async function open(facts: PageFacts, questions = { status: 0 }): Promise<Ask> {
  server = await startObserveServer({
    endpoint: { kind: 'inet', host: '127.0.0.1', port: 0 },
    metrics: createMetrics({ processMetrics: false }),
    logger: createLogger({ level: 'silent' }),
    hosts: [facts.hostname],
    health: () => (facts.health === null ? new Promise(() => undefined) : Promise.resolve(facts.health)),
    status: async () => {
      questions.status += 1;
      return facts.status;
    },
    page: { hostname: facts.hostname, keepsHistory: facts.keepsHistory, history: async () => facts.day },
  });
  const { endpoint } = server;
  const port = endpoint.kind === 'inet' ? endpoint.port : 0;
  return (path = '/', method = 'GET', host = facts.hostname) =>
    new Promise((resolve, reject) => {
      const asked = request(
        { port, host: '127.0.0.1', path, method, headers: { host }, agent: false },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
          response.on('end', () =>
            resolve({ code: response.statusCode ?? 0, headers: response.headers, body }),
          );
        },
      );
      asked.on('error', reject).end();
    });
}

const textOf = (html: string): string => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

describe('the page', () => {
  it('says first whether mail flows, then whether plaintext goes out, and shows the day', async () => {
    const ask = await open(WELL);
    const { code, headers, body } = await ask();
    expect({ code, type: headers['content-type'] }).toEqual({ code: 200, type: 'text/html; charset=utf-8' });
    expect(textOf(body)).toMatch(/Good Mail flows\..*Good Nothing that should have been sealed/);
    expect(
      body.match(/<svg [^>]*role="img" aria-label="(?:sealed|passed|deferred), for each minute/g),
    ).toHaveLength(3);
    expect(textOf(body)).toMatch(/Users without a key 88 .*Expire within 30 days 11/);
  });

  it('has no script, no style of its own, and asks nobody else', async () => {
    const ask = await open(WELL);
    const { headers, body } = await ask();
    expect(headers['content-security-policy']).toBe(
      "default-src 'none';style-src 'self';img-src 'self';form-action 'none';frame-ancestors 'none';base-uri 'none';require-trusted-types-for 'script';trusted-types 'none'",
    );
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    expect(body).not.toMatch(/<script|<style|style=|<form|https?:|\bon\w+=/);
    const [, path = ''] = /<link rel="stylesheet" href="([^"]+)"/.exec(body) ?? [];
    const style = await ask(path);
    expect(style.headers['content-type']).toBe('text/css; charset=utf-8');
    expect(style.body).toContain('prefers-color-scheme: dark');
    expect(style.body).not.toMatch(/url\(|@import/);
  });

  it('escapes what others wrote, and shows no address', async () => {
    const ask = await open(AWAY);
    const { body } = await ask();
    expect(body).toContain('smtp:&lt;script&gt;alert(1)');
    expect(body).not.toMatch(/<script|<img/);
    expect(body).not.toContain('bob@');
    expect(textOf(body)).not.toMatch(/\w@\w/);
  });

  it('comes within a second while the database does not answer, with what is known', async () => {
    const ask = await open(AWAY);
    const started = performance.now();
    const { code, body } = await ask();
    expect(performance.now() - started).toBeLessThan(1000);
    expect(code).toBe(200);
    const text = textOf(body);
    expect(text).toMatch(/Wrong The database does not answer: mail is deferred/);
    expect(text).toMatch(/15 copies went out in plaintext/);
    expect(text).toMatch(/The database has not answered since 2026-11-30 01:43:05 UTC/);
    expect(text).toContain('database_lost');
    expect(text).not.toContain('config_odd');
    expect(text).toMatch(/Users without a key 87,996/);
  });

  it('says what is not known while serve starts', async () => {
    const text = textOf((await (await open(STARTING))()).body);
    expect(text).toMatch(/Mail may not flow\. The database is being opened\./);
    expect(text).toMatch(/not known yet.*Not read from the database yet.*not counted yet/);
  });

  it('says that no history is kept where trace.keep is "0"', async () => {
    const text = textOf((await (await open({ ...WELL, day: null, keepsHistory: false }))()).body);
    expect(text).toContain('No history is kept: trace.keep is &quot;0&quot;');
    expect(text).toMatch(/sealed 14 903 41,204/);
  });

  it('is made once for a crowd', async () => {
    const questions = { status: 0 };
    const ask = await open(WELL, questions);
    await Promise.all(Array.from({ length: 40 }, () => ask()));
    expect(questions.status).toBe(1);
  });

  it.each(['HEAD', 'POST', 'PUT', 'DELETE'])('refuses %s', async (method) => {
    expect((await (await open(WELL))('/', method)).code).toBe(405);
  });

  it.each(['evil.example', 'mx1.example.org.evil.example', 'x'.repeat(400)])(
    'refuses the host %s',
    async (host) => {
      const ask = await open(WELL);
      for (const path of ['/', '/page.css']) {
        const { code, body } = await ask(path, 'GET', host);
        expect(code).toBe(421);
        expect(body).not.toContain('Mail flows');
      }
    },
  );

  it('takes nothing of the address line into the page', async () => {
    const ask = await open(WELL);
    expect((await ask('/?q=%3Cb%3Emark%3C/b%3E')).body).not.toContain('mark<');
    expect((await ask('/nothing')).body).toBe(
      '{"error":"there are /, /metrics, /healthz, /readyz and /status"}',
    );
  });
});
