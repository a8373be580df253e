// Which requests are meant for the portal: by Host, and for those that change something, by where they come from. Pure.

/** Where browsers reach the portal, from `portal.url`. */
export interface OwnOrigin {
  /** As browsers write Origin. */
  readonly origin: string;
  /** As browsers write Host: without a default port. */
  readonly host: string;
  readonly secure: boolean;
}

/** Reads `portal.url`; null where a portal cannot live there: it has a path, a query, or is no HTTP address. */
export function ownOrigin(url: string): OwnOrigin | null {
  if (!URL.canParse(url)) return null;
  const { protocol, origin, host, pathname, search, hash } = new URL(url);
  if (!['http:', 'https:'].includes(protocol) || pathname !== '/' || search !== '' || hash !== '')
    return null;
  return { origin, host, secure: protocol === 'https:' };
}

/** Whether a Host field names the portal; a default port may stand there or not. */
export function isOwnHost(field: string | undefined, { host, secure }: OwnOrigin): boolean {
  if (field === undefined || field.length > 300) return false;
  const given = field.toLowerCase();
  return given === host || given === `${host}:${secure ? 443 : 80}`;
}

/**
 * Whether a request that changes something came from a page of ours, as far as the browser says it (Fetch Metadata, W3C; Origin,
 * RFC 6454). What says nothing is no browser, or an old one: the token in the form decides there.
 */
export function isOwnSource(
  headers: { readonly 'sec-fetch-site'?: string | undefined; readonly origin?: string | undefined },
  { origin }: OwnOrigin,
): boolean {
  const { 'sec-fetch-site': site, origin: given } = headers;
  if (site !== undefined) return site === 'same-origin';
  return given === undefined || given === origin;
}
