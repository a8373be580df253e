// Answers that rest on cached facts alone, kept beside them: whoever asks for the same facts again gets the answer that was made
// of them. Facts never change, they are replaced; their answers go with them.
import type { StoredKey } from '../src/directory/types.ts';
import { readersOf } from './answers.ts';
import type { AddressFacts, Answer } from './facts.ts';

export interface KeptAnswers {
  /** The answer of a map whose function is pure in the facts. */
  of(map: 'virtual_alias' | 'virtual_mailbox' | 'transport', facts: AddressFacts, make: () => Answer): Answer;
  /** The answer of check_recipient where one is kept that holds for every message. @param now milliseconds of the clock */
  recipient(facts: AddressFacts, now: number): Answer | undefined;
  /** Keeps an answer of check_recipient that holds for every message: for a second where a key counts, which may expire. */
  keepRecipient(facts: AddressFacts, answer: Answer, now: number): void;
  /** The facts with the keys of their user: the same ones for the same facts and keys. */
  withKeys(facts: AddressFacts, keys: readonly StoredKey[], make: () => AddressFacts): AddressFacts;
  /** Forgets what rests on settings. */
  forget(): void;
}

interface KeptRecipient {
  readonly answer: Answer;
  /** Milliseconds of the clock; null: it holds at any time. */
  readonly at: number | null;
}

/** As long as any cached answer may be out of date. */
const KEYED_MS = 1000;

interface State {
  readonly byMap: Readonly<
    Record<'virtual_alias' | 'virtual_mailbox' | 'transport', WeakMap<AddressFacts, Answer>>
  >;
  readonly keyed: WeakMap<
    AddressFacts,
    { readonly keys: readonly StoredKey[]; readonly facts: AddressFacts }
  >;
  recipients: WeakMap<AddressFacts, KeptRecipient>;
}

export function createKeptAnswers(): KeptAnswers {
  const state: State = {
    byMap: { virtual_alias: new WeakMap(), virtual_mailbox: new WeakMap(), transport: new WeakMap() },
    keyed: new WeakMap(),
    recipients: new WeakMap(),
  };
  return {
    of(map, facts, make) {
      const answers = state.byMap[map];
      const kept = answers.get(facts);
      if (kept !== undefined) return kept;
      const made = make();
      answers.set(facts, made);
      return made;
    },
    recipient(facts, now) {
      const kept = state.recipients.get(facts);
      if (kept === undefined || kept.at === null) return kept?.answer;
      const age = now - kept.at;
      return age >= 0 && age < KEYED_MS ? kept.answer : undefined;
    },
    keepRecipient(facts, answer, now) {
      if (facts.keysUnread !== null || !isForAnySize(facts)) return;
      state.recipients.set(facts, { answer, at: hasKeys(facts) ? now : null });
    },
    withKeys(facts, keys, make) {
      const kept = state.keyed.get(facts);
      if (kept?.keys === keys) return kept.facts;
      const made = make();
      state.keyed.set(facts, { keys, facts: made });
      return made;
    },
    forget() {
      state.recipients = new WeakMap();
    },
  };
}

/** Whether no quota is left that a message might not fit in. */
function isForAnySize(facts: AddressFacts): boolean {
  return readersOf(facts).every((reader) => reader.kind !== 'user' || reader.user.quotaBytes === null);
}

function hasKeys(facts: AddressFacts): boolean {
  return (
    facts.recipient.domainKeys.length > 0 ||
    readersOf(facts).some((reader) => reader.kind !== 'outside' && reader.keys.length > 0)
  );
}
