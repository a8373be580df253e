// What can go wrong with the server, as two kinds of error: one to try again after, and one that will come again.

/** The server will say the same again: the token is not good, or this is not sealpost. Exit 1. */
export class ServerRefused extends Error {
  override readonly name = 'ServerRefused';
}

/** The connection was lost, or the server cannot answer now. Worth another try. */
export class ServerAway extends Error {
  override readonly name = 'ServerAway';
  /** Milliseconds that the server asks us to wait; null: it did not say. */
  readonly retryAfter: number | null;
  constructor(message: string, retryAfter: number | null = null, options?: ErrorOptions) {
    super(message, options);
    this.retryAfter = retryAfter;
  }
}

/** What an answer other than 2xx means for the client. Pure. */
export function judgeStatus(
  status: number,
  retryAfter: string | null,
  base: string,
): ServerRefused | ServerAway {
  if (status === 401) {
    return new ServerRefused(
      `${base} does not take the token: it is wrong or was revoked; ask for a new one ("sealpost token add ADDRESS" on the server)`,
    );
  }
  if (status === 429 || status >= 500) {
    const seconds = retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : null;
    const what = status === 429 ? 'too many requests' : `the server answered ${status}`;
    return new ServerAway(`${base}: ${what}`, seconds === null ? null : seconds * 1000);
  }
  return new ServerRefused(
    `${base} answered ${status}; expected the HTTP interface of sealpost there: check --server`,
  );
}
