// What our listeners greet with, and how a greeting is told from that of another program on the same port.

/**
 * The first line of a session (RFC 5321, section 4.3.1; LMTP: RFC 2033), with its end.
 * @param hostname our name
 */
export function greeting(hostname: string, protocol: 'smtp' | 'lmtp'): string {
  return `220 ${hostname} ${protocol === 'lmtp' ? 'LMTP' : 'ESMTP'} sealpost\r\n`;
}

/** A line that {@link greeting} gives, and that amavisd, Postfix and others do not. */
export const OUR_GREETING = /^220 \S+ (?:LMTP|ESMTP) sealpost\r?$/m;
