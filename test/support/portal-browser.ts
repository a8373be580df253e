// A browser without JavaScript, as the portal sees one: keeps cookies, follows no redirect by itself, sends forms.
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';

export interface PlainBrowser {
  readonly cookies: Map<string, string>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<LightMyRequestResponse>;
  /** Sends the form of a page that was got before: its hidden token, and these fields. */
  post(
    path: string,
    fields?: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<LightMyRequestResponse>;
  /** The token of the last page's forms. */
  token(): string;
}

/** A browser that knows nothing yet. @param always header fields of each of its requests */
export function plainBrowser(
  server: Pick<FastifyInstance, 'inject'>,
  host = 'keys.seal.test',
  always: Readonly<Record<string, string>> = {},
): PlainBrowser {
  const cookies = new Map<string, string>();
  let token = '';
  const common = (headers: Readonly<Record<string, string>>) => ({
    host,
    cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
    ...always,
    ...headers,
  });
  const keep = (response: LightMyRequestResponse): LightMyRequestResponse => {
    for (const { name, value, maxAge, expires } of response.cookies as readonly Kept[]) {
      if (maxAge === 0 || (expires !== undefined && expires.getTime() < Date.now())) cookies.delete(name);
      else cookies.set(name, value);
    }
    token = /name="_csrf" value="([^"]+)"/.exec(response.body)?.[1] ?? token;
    return response;
  };
  return {
    cookies,
    token: () => token,
    get: async (path, headers = {}) =>
      keep(await server.inject({ method: 'GET', url: path, headers: common(headers) })),
    post: async (path, fields = {}, headers = {}) =>
      keep(
        await server.inject({
          method: 'POST',
          url: path,
          headers: common({ 'content-type': 'application/x-www-form-urlencoded', ...headers }),
          payload: new URLSearchParams({ _csrf: token, ...fields }).toString(),
        }),
      ),
  };
}

interface Kept {
  readonly name: string;
  readonly value: string;
  readonly maxAge?: number;
  readonly expires?: Date;
}
