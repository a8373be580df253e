// Answers that rest on cached facts alone, kept beside them: whoever asks for the same facts again gets the answer that was made
// of them. Facts never change, they are replaced; their answers go with them.
import type { StoredKey } from '../src/directory/types.ts';
import { readersOf } from './answers.ts';
import type { AddressFacts, Answer } from './facts.ts';

export interface KeptAnswers {
  /** The answer of a map whose function is pure in the facts. */
  of(map: 'virtual_alias' | 'virtual_mailbox' | 'transport', facts: AddressFacts, make: () => Answer): Answer;
  /** The answer of check_recipient where one is kept that holds for every message. */
  recipient(facts: AddressFacts): Answer | undefined;
  /** Keeps an answer of check_recipient, where it holds for every message and at any time. */
  keepRecipient(facts: AddressFacts, answer: Answer): void;
  /** The facts with the keys of their user: the same ones for the same facts and keys. */
  withKeys(facts: AddressFacts, keys: readonly StoredKey[], make: () => AddressFacts): AddressFacts;
  /** Forgets what rests on settings. */
  forget(): void;
}

interface State {
  readonly byMap: Readonly<
    Record<'virtual_alias' | 'virtual_mailbox' | 'transport', WeakMap<AddressFacts, Answer>>
  >;
  readonly keyed: WeakMap<
    AddressFacts,
    { readonly keys: readonly StoredKey[]; readonly facts: AddressFacts }
  >;
  recipients: WeakMap<AddressFacts, Answer>;
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
    recipient: (facts) => state.recipients.get(facts),
    keepRecipient(facts, answer) {
      if (holdsAlways(facts)) state.recipients.set(facts, answer);
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

/** Keys expire, and a message may be too large for what is left of a quota: an answer without either holds as long as its facts. */
function holdsAlways(facts: AddressFacts): boolean {
  return (
    facts.keysUnread === null &&
    facts.recipient.domainKeys.length === 0 &&
    readersOf(facts).every(
      (reader) =>
        reader.kind === 'outside' ||
        (reader.keys.length === 0 && (reader.kind !== 'user' || reader.user.quotaBytes === null)),
    )
  );
}
