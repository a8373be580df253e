// Who a proxy says has signed in (OIDC, SAML, Kerberos), by a header field that it alone may write. Pure.
import { createHash, timingSafeEqual } from 'node:crypto';

/** The field that holds the shared secret, where the listener is no unix socket. */
export const SECRET_FIELD = 'x-sealpost-proxy-secret';

export type ToldUser =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'refused'; readonly because: 'two fields' | 'no secret' | 'no name' };

const LONGEST_NAME = 320;

/**
 * Reads the trusted field of a request.
 * @param raw names and values in turn, as they came (node:http's rawHeaders): a parsed header joins or drops a second field
 * @param field its name, in any case
 * @param secret what the proxy must send beside it; null where only the proxy can open the listener
 */
export function toldUser(raw: readonly string[], field: string, secret: string | null): ToldUser {
  const names = valuesOf(raw, field);
  const [name] = names;
  if (name === undefined) return { kind: 'nobody' };
  if (names.length > 1) return { kind: 'refused', because: 'two fields' };
  if (secret !== null && !isSecret(valuesOf(raw, SECRET_FIELD), secret))
    return { kind: 'refused', because: 'no secret' };
  const trimmed = name.trim();
  // A comma: a proxy before ours joined two fields into one.
  if (trimmed === '' || trimmed.length > LONGEST_NAME || /[\s,\p{Cc}]/u.test(trimmed))
    return { kind: 'refused', because: 'no name' };
  return { kind: 'user', name: trimmed };
}

/** Underscores count as hyphens: servers behind CGI and WSGI cannot tell them apart, and a proxy may pass the other one on. */
function valuesOf(raw: readonly string[], field: string): readonly string[] {
  const wanted = canonical(field);
  return raw.flatMap((name, index) =>
    index % 2 === 0 && canonical(name) === wanted ? [raw[index + 1] ?? ''] : [],
  );
}

function canonical(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** Hashed first, so that neither length nor content shows in the time. */
function isSecret(given: readonly string[], secret: string): boolean {
  if (given.length !== 1) return false;
  const [one = ''] = given;
  return timingSafeEqual(digest(one), digest(secret));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
