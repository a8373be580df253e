// The mail addresses that an authority may certify (nameConstraints: RFC 5280, section 4.2.1.10). pkijs lets a certificate pass
// where one rfc822Name of several is allowed, and looks into neither SmtpUTF8Mailbox nor the subject beside a subjectAltName.
import { type Certificate, type GeneralSubtree, NameConstraints } from 'pkijs';
import { type AddressParts, normaliseDomain, parseTyped, toAddress } from '../address/normalise.ts';
import { parsed, RFC822_NAME } from './certificate.ts';
import { ID_NAME_CONSTRAINTS } from './object-identifiers.ts';

/**
 * The first address that an authority may not certify. Constraints of the form rfc822Name hold for every address that a
 * certificate names, wherever in it (RFC 9598, section 6).
 * @param addresses as written in the certificate; one that cannot be read is not allowed where there is any constraint
 * @returns null where all of them are allowed
 * @throws Error where the constraints cannot be read
 */
export function addressNotAllowed(authority: Certificate, addresses: readonly string[]): string | null {
  const constraints = parsed(authority, ID_NAME_CONSTRAINTS, NameConstraints);
  const permitted = mailNames(constraints?.permittedSubtrees);
  const excluded = mailNames(constraints?.excludedSubtrees);
  const refused = addresses.find((address) => {
    const parts = parseTyped(address);
    if (parts === null) return permitted.length + excluded.length > 0;
    const allowed = permitted.length === 0 || permitted.some((name) => covers(name, parts) === true);
    return !allowed || excluded.some((name) => covers(name, parts) !== false);
  });
  return refused ?? null;
}

function mailNames(subtrees: readonly GeneralSubtree[] = []): readonly string[] {
  return subtrees.filter(({ base }) => base.type === RFC822_NAME).map(({ base }) => String(base.value));
}

/**
 * Whether a constraint is about an address: it is a mailbox, a host, or with a dot before it every host below a domain.
 * Nothing at all is about every address, as NSS and Go have it; RFC 5280 does not say.
 * @returns null where the constraint cannot be read
 */
function covers(constraint: string, address: AddressParts): boolean | null {
  if (constraint === '') return true;
  if (constraint.includes('@')) {
    const mailbox = parseTyped(constraint);
    return mailbox === null ? null : toAddress(mailbox) === toAddress(address);
  }
  const domain = normaliseDomain(constraint.replace(/^\./, ''));
  if (domain === null) return null;
  return constraint.startsWith('.') ? address.domain.endsWith(`.${domain}`) : address.domain === domain;
}
