// A policy server (SMTPD_POLICY_README): check_recipient with the size of the message.
import { NOT_CHECKED } from '../src/smtp/our-replies.ts';
import { createPolicyDecoder, encodeAction, type PolicyRequest } from './delegation-codec.ts';
import { type Answer, TOO_MANY_CONNECTIONS } from './facts.ts';
import { pathOfInternalForm } from './internal-form.ts';
import type { Lookups } from './lookups.ts';
import type { ListenerProtocol } from './put-off.ts';

/** The protocol. */
export function policyDelegation(
  lookups: Lookups,
  malformed: (reason: string) => void,
): ListenerProtocol<PolicyRequest> {
  return {
    decoder: createPolicyDecoder,
    malformed,
    tooMany: encodePolicyAnswer(TOO_MANY_CONNECTIONS),
    answer(request) {
      const recipient = request.get('recipient') ?? '';
      // Before RCPT there is none; at DATA and END-OF-MESSAGE Postfix names it only when it is the only one.
      if (recipient === '') return encodeAction('DUNNO');
      const answer = lookups.answer('check_recipient', pathOfInternalForm(recipient), {
        protocol: 'policy',
        size: sizeOf(request),
      });
      return answer instanceof Promise ? answer.then(encodePolicyAnswer) : encodePolicyAnswer(answer);
    },
  };
}

/** An answer as an action: what is not found has no objection, what is not known now is deferred. */
export function encodePolicyAnswer(answer: Answer): Buffer {
  switch (answer.kind) {
    case 'found':
      return encodeAction(answer.value);
    case 'not found':
      return encodeAction('DUNNO');
    case 'temporary':
      return encodeAction(`DEFER ${answer.enhanced} ${NOT_CHECKED}`);
  }
}

/** Bytes as MAIL FROM's SIZE or the end of the message gave them; null where they are unknown (0: not told). */
export function sizeOf(request: PolicyRequest): number | null {
  const text = request.get('size') ?? '';
  if (!/^\d{1,15}$/.test(text)) return null;
  const size = Number(text);
  return size === 0 ? null : size;
}
