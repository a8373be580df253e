// The ESMTP parameters we announce, and what is answered to the ones we do not know or that are malformed. Pure.
import { badParameter, messageTooLarge, unsupportedParameter } from '../our-replies.ts';
import { findParameter, isAscii, type PathArgument } from '../paths.ts';
import type { EsmtpParameter, Reply } from '../types.ts';

/** One check for each keyword: whether the value has the form that its RFC gives it. */
type Checks = Readonly<Record<string, (value: string | undefined) => boolean>>;

const MAIL_CHECKS: Checks = {
  // RFC 1870, section 5: up to 20 digits.
  SIZE: (value) => value !== undefined && /^\d{1,20}$/.test(value),
  // RFC 6152; BINARYMIME needs CHUNKING, which we do not announce.
  BODY: (value) => value !== undefined && /^(7BIT|8BITMIME)$/i.test(value),
  // RFC 6531, section 3.4.
  SMTPUTF8: (value) => value === undefined,
  // RFC 3461, sections 4.3 and 4.4.
  RET: (value) => value !== undefined && /^(FULL|HDRS)$/i.test(value),
  ENVID: (value) => value !== undefined && isAscii(value),
};

const RCPT_CHECKS: Checks = {
  // RFC 3461, section 4.1.
  NOTIFY: (value) =>
    value !== undefined && /^(NEVER|(SUCCESS|FAILURE|DELAY)(,(SUCCESS|FAILURE|DELAY))*)$/i.test(value),
  // RFC 3461, section 4.2: address type, semicolon, xtext; RFC 6533 adds the type utf-8.
  ORCPT: (value) => value !== undefined && /^[^;]+;/.test(value),
};

function check(parameters: readonly EsmtpParameter[], checks: Checks): Reply | null {
  for (const { keyword, value } of parameters) {
    // What cannot be passed on must be refused (RFC 5321, section 4.1.1.11).
    if (!Object.hasOwn(checks, keyword)) return unsupportedParameter(keyword);
    if (checks[keyword]?.(value) !== true) return badParameter(keyword);
  }
  return null;
}

/**
 * Judges the parameters of MAIL.
 * @param maxSize in bytes: a larger declared SIZE is refused at once (RFC 1870, section 6.1)
 * @returns the refusal, or null
 */
export function checkMailParameters(argument: PathArgument, maxSize: number): Reply | null {
  const refusal = check(argument.parameters, MAIL_CHECKS);
  if (refusal !== null) return refusal;
  const size = declaredSize(argument.parameters);
  return size !== undefined && size > maxSize ? messageTooLarge(maxSize) : null;
}

/** Judges the parameters of RCPT. @returns the refusal, or null */
export function checkRcptParameters(argument: PathArgument): Reply | null {
  return check(argument.parameters, RCPT_CHECKS);
}

/** The declared SIZE in bytes; undefined without one. */
export function declaredSize(parameters: readonly EsmtpParameter[]): number | undefined {
  const value = findParameter(parameters, 'SIZE')?.value;
  return value === undefined ? undefined : Number(value);
}
