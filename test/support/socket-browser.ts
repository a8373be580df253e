// What test/support/portal-browser.ts asks, over a real socket in place of fastify's own injection, from a client of one's choice.
import { type IncomingMessage, request } from 'node:http';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload?: string;
}

/** @param client the address that a proxy would name */
export function socketBrowser(port: number, client: string): Pick<FastifyInstance, 'inject'> {
  const inject = (asked: Asked): Promise<LightMyRequestResponse> =>
    new Promise((resolve, reject) => {
      const { method, url: path, payload = '' } = asked;
      const headers = {
        ...asked.headers,
        'x-forwarded-for': client,
        'content-length': String(Buffer.byteLength(payload)),
      };
      // No agent keeps it: the connection ends with the answer.
      const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
        answerOf(response).then(resolve, reject);
      });
      sent.on('error', reject);
      sent.end(payload);
    });
  return { inject } as unknown as Pick<FastifyInstance, 'inject'>;
}

/** An answer as fastify's injection gives it. */
export async function answerOf(response: IncomingMessage): Promise<LightMyRequestResponse> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const cookies = (response.headers['set-cookie'] ?? []).map((text) => {
    const [pair = '', ...attributes] = text.split('; ');
    const at = pair.indexOf('=');
    const expires = attributes.find((each) => each.startsWith('Expires='))?.slice('Expires='.length);
    return {
      name: pair.slice(0, at),
      value: decodeURIComponent(pair.slice(at + 1)),
      ...(expires === undefined ? {} : { expires: new Date(expires) }),
    };
  });
  const { statusCode = 0, headers } = response;
  const answer = { statusCode, headers, cookies, body: Buffer.concat(chunks).toString('utf8') };
  return answer as unknown as LightMyRequestResponse;
}
