// What every branch of the deciding is given, and what they all ask of it. Pure.
import type { Decided, DecidedResult, Effect, EnrolmentState, FlowSettings } from './state.ts';
import type { FlowRefusal, Proof, RefusalCode } from './types.ts';

export interface Question {
  readonly state: EnrolmentState;
  readonly proof: Proof;
  /** Unix milliseconds. */
  readonly now: number;
  readonly settings: FlowSettings;
}

export function done(effects: readonly Effect[], result: DecidedResult = 'done'): Decided {
  return { ok: true, effects, result };
}

export function refuse(because: RefusalCode): FlowRefusal {
  return { ok: false, because };
}

export function knows({ keys }: EnrolmentState, fingerprint: string): boolean {
  return keys.some((key) => key.fingerprint === fingerprint);
}

/**
 * Whether the user has a key that somebody counts on. A disabled one counts: an administrator left it out, and whoever reads the
 * mailbox must not put another one in its place. Behind a revoked one the mail waits, so that the next one is a first key again.
 */
export function hasKey({ keys }: EnrolmentState): boolean {
  return keys.some(({ revoked }) => !revoked);
}

/** Whether the proof is of key level, and still counts. */
export function isProven({ state, proof }: Pick<Question, 'state' | 'proof'>): boolean {
  if (proof.level !== 'key') return proof.level === 'administrator';
  return (
    proof.fingerprints.length > 0 &&
    proof.fingerprints.every((read) =>
      state.keys.some(({ fingerprint, current }) => current && fingerprint === read),
    )
  );
}
