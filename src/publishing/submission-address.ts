// Where mail programs send a key that is to be published (draft-koch-openpgp-webkey-service-21, section 4.1). Pure.

/**
 * The submission address of a domain: it is in the domain itself, and the same that letters about keys come from.
 * @param keyAddress portal.key_address, a dot-string
 * @param domain A-labels in lower case
 */
export function submissionAddress(keyAddress: string, domain: string): string {
  return `${keyAddress}@${domain}`;
}
