// Answers that rest on cached facts alone, kept beside them: whoever asks for the same facts again gets the answer that was made
// of them. Facts never change, they are replaced; their answers go with them.
import { readersOf } from '../src/directory/readers.ts';
import type { StoredKey } from '../src/directory/types.ts';
import type { AddressFacts, Answer } from './facts.ts';

/** The maps whose function is pure in the facts. */
type PureMap = 'virtual_alias' | 'virtual_mailbox' | 'transport';

export interface KeptAnswers {
  /** The answer of a map whose function is pure in the facts. */
  of(map: PureMap, facts: AddressFacts, make: () => Answer): Answer;
  /** The answer of check_recipient where one is kept that holds for every message. @param now milliseconds of the clock */
  recipient(facts: AddressFacts, now: number): Answer | undefined;
  /** Keeps an answer of check_recipient that holds for every message: for a second where a key counts, which may expire. */
  keepRecipient(facts: AddressFacts, answer: Answer, now: number): void;
  /** The facts with the keys of their user: the same ones for the same facts and keys. */
  withKeys(facts: AddressFacts, keys: readonly StoredKey[], make: () => AddressFacts): AddressFacts;
  /** Forgets everything: some of it rests on settings. */
  forget(): void;
}

/** What is kept beside the same facts. */
interface Kept {
  virtual_alias?: Answer;
  virtual_mailbox?: Answer;
  transport?: Answer;
  /** Of check_recipient. `at`: milliseconds of the clock; null: it holds at any time. */
  recipient?: { readonly answer: Answer; readonly at: number | null };
  keyed?: { readonly keys: readonly StoredKey[]; readonly facts: AddressFacts };
}

/** As long as any cached answer may be out of date. */
const KEYED_MS = 1000;

export function createKeptAnswers(): KeptAnswers {
  const state = { beside: new WeakMap<AddressFacts, Kept>() };
  const keptBeside = (facts: AddressFacts): Kept => {
    const known = state.beside.get(facts);
    if (known !== undefined) return known;
    const kept: Kept = {};
    state.beside.set(facts, kept);
    return kept;
  };
  return {
    of(map, facts, make) {
      const kept = keptBeside(facts);
      kept[map] ??= make();
      return kept[map];
    },
    recipient(facts, now) {
      const kept = state.beside.get(facts)?.recipient;
      if (kept === undefined || kept.at === null) return kept?.answer;
      const age = now - kept.at;
      return age >= 0 && age < KEYED_MS ? kept.answer : undefined;
    },
    keepRecipient(facts, answer, now) {
      if (facts.keysUnread !== null || !isForAnySize(facts)) return;
      keptBeside(facts).recipient = { answer, at: hasKeys(facts) ? now : null };
    },
    withKeys(facts, keys, make) {
      const kept = keptBeside(facts);
      if (kept.keyed?.keys !== keys) kept.keyed = { keys, facts: make() };
      return kept.keyed.facts;
    },
    forget() {
      state.beside = new WeakMap();
    },
  };
}

/** Whether no quota is left that a message might not fit in. */
function isForAnySize(facts: AddressFacts): boolean {
  return readersOf(facts.recipient).every(
    (reader) => reader.kind !== 'user' || reader.user.quotaBytes === null,
  );
}

function hasKeys(facts: AddressFacts): boolean {
  return (
    facts.recipient.domainKeys.length > 0 ||
    readersOf(facts.recipient).some((reader) => reader.kind !== 'outside' && reader.keys.length > 0)
  );
}
