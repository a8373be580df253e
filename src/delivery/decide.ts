// One writer of the decision, for the filter, the pipe, the queue, check_recipient, `encrypt` and `explain`: it inspects the
// keys that may count, fixes the moment, and plans. What it gives carries everything that it rests on.
// The reasons themselves, and so why a letter waits: plan.ts and plan-reader.ts; their words in a reply: src/smtp/our-replies.ts.
import type { GlobalSettings } from '../config/encryption.ts';
import type { Config } from '../config/schema.ts';
import { readersOf } from '../directory/readers.ts';
import type { RecipientFacts, StoredKey } from '../directory/types.ts';
import { createKeyCache, type KeyCache, type KeyCacheOptions } from '../keys/cache.ts';
import { chooseKeys, type InspectedKey } from '../keys/choose.ts';
import type { Detection } from '../message/detection.ts';
import type { Decision, PlanInput } from './decision.ts';
import { type KeyAddress, keyAddressOf, keyDoorOf } from './key-address.ts';
import { planCopy, planEach, type ReaderDecision } from './plan.ts';
import type { RuledMessage } from './rules.ts';
import { untilAccepted } from './until-accepted.ts';

/** What is known of the message when the question is asked. */
export interface Seen {
  readonly detection: Detection;
  /** What rules look at; null while there is no message: rules are not tried then. */
  readonly message: RuledMessage | null;
}

/** A copy for each reader alone, or the decision that leaves nobody to give one to. */
export interface EachDecided {
  readonly facts: RecipientFacts;
  readonly copies: readonly ReaderDecision[];
  /** The decision on the address as a whole where it has no reader: a loop, an alias without targets, nobody. */
  readonly whole: Decision | null;
}

export interface Decider {
  /** One copy for everybody behind the address. Rejects when a key cannot be inspected now: never "no key". */
  copy(facts: RecipientFacts, seen: Seen): Promise<Decision>;
  /**
   * A copy for each reader alone, of the encrypted queue: all of it is sealed, header included, with OpenPGP, whatever the
   * message is already; a rule that lets mail pass is for mailboxes that show plaintext, and is as if it were not there.
   */
  forQueue(facts: RecipientFacts, message: RuledMessage): Promise<EachDecided>;
  /** What the key settings of each reader say of a message that has not been sent yet; at once where no key is known. */
  beforehand(facts: RecipientFacts): EachDecided | Promise<EachDecided>;
  /** Reads and verifies the keys that a decision on these facts needs, so that the next one finds them in the cache. */
  prepare(facts: RecipientFacts): Promise<void>;
}

export interface DeciderContext {
  readonly inspect: KeyCache['inspect'];
  /** The [encryption] settings, read for every decision. */
  readonly global: () => GlobalSettings;
  /** Where people hand over their keys; default: nowhere. Read for every decision. */
  readonly keyAddress?: () => KeyAddress | null;
  /** Unix milliseconds; default: the clock. */
  readonly now?: () => number;
}

/** Mail that is encrypted already is sealed all the same: its header must not be readable in the queue. */
const SEALED_WHOLE: Detection = { encrypted: false, because: 'in the queue everything is sealed' };

/** The message has not been seen: it counts as one that needs a key. */
const NOT_SEEN: Detection = { encrypted: false, because: 'the message has not been sent yet' };

/**
 * A decider over a configuration, with a cache of inspected keys of its own.
 * @param keyDoor whether letters to the key address are read here
 */
export function deciderOf(
  config: () => Pick<Config, 'encryption' | 'keys' | 'portal' | 'recipient_delimiter'>,
  certificates?: KeyCacheOptions['certificates'],
  keyDoor = false,
): Decider {
  const cache = createKeyCache({
    allowSha1: config().keys.allow_sha1,
    ...(certificates === undefined ? {} : { certificates }),
  });
  return createDecider({
    inspect: cache.inspect,
    global: () => config().encryption,
    keyAddress: () => (keyDoor ? keyAddressOf(config()) : null),
  });
}

/** The decider itself; it keeps nothing between two questions. */
export function createDecider({
  inspect,
  global,
  keyAddress = () => null,
  now = () => Date.now(),
}: DeciderContext): Decider {
  /** The plan's input for one moment, once every key that it may ask about has been inspected. */
  function inputFor(
    facts: RecipientFacts,
    { detection, message }: Seen,
    inspected: ReadonlyMap<StoredKey, InspectedKey>,
  ): PlanInput {
    const moment = now();
    const found = (key: StoredKey): InspectedKey => {
      const known = inspected.get(key);
      // Left out it would count as "no key": that must not happen by mistake.
      if (known === undefined) throw new Error('a key of this recipient was not inspected');
      return known;
    };
    const choose: PlanInput['choose'] = (keys, prefer) => chooseKeys(keys.map(found), moment, prefer);
    return { facts, global: global(), detection, message, choose };
  }

  async function inspectAll(keys: readonly StoredKey[]): Promise<ReadonlyMap<StoredKey, InspectedKey>> {
    return new Map(await Promise.all(keys.map(async (key) => [key, await inspect(key)] as const)));
  }

  return {
    async copy(facts, seen) {
      const input = inputFor(facts, seen, await inspectAll(keysAround(facts)));
      return untilAccepted(planCopy({ ...input, keyDoor: keyDoorOf(facts, keyAddress()) }));
    },
    async forQueue(facts, message) {
      const input = inputFor(
        facts,
        { detection: SEALED_WHOLE, message },
        await inspectAll(keysAround(facts)),
      );
      return eachUntilAccepted(
        withoutPassingRules({
          ...input,
          choose: (keys, prefer) =>
            input.choose(
              keys.filter(({ kind }) => kind === 'openpgp'),
              prefer,
            ),
        }),
      );
    },
    beforehand(facts) {
      const decide = (inspected: ReadonlyMap<StoredKey, InspectedKey>): EachDecided =>
        eachUntilAccepted(eachOf(inputFor(facts, { detection: NOT_SEEN, message: null }, inspected)));
      const keys = keysAround(facts);
      return keys.length === 0 ? decide(new Map()) : inspectAll(keys).then(decide);
    },
    async prepare(facts) {
      await inspectAll(keysAround(facts));
    },
  };
}

/** Every key that a plan on these facts may ask about. */
function keysAround(facts: RecipientFacts): readonly StoredKey[] {
  return [
    ...facts.domainKeys,
    ...readersOf(facts).flatMap((reader) => (reader.kind === 'outside' ? [] : reader.keys)),
  ];
}

/** Each reader's copy alone. Pure. */
export function eachOf(input: PlanInput): EachDecided {
  const copies = planEach(input);
  return { facts: input.facts, copies, whole: copies.length === 0 ? planCopy(input) : null };
}

/** All of them, as they count where the database was restored. Pure. */
function eachUntilAccepted({ facts, copies, whole }: EachDecided): EachDecided {
  if (facts.restoredFrom === undefined) return { facts, copies, whole };
  return {
    facts,
    copies: copies.map(({ reader, decision }) => ({ reader, decision: untilAccepted(decision) })),
    whole: whole === null ? null : untilAccepted(whole),
  };
}

/** The queue holds ciphertext only: a rule that passes does not count there. Pure. */
function withoutPassingRules(input: PlanInput): EachDecided {
  const decided = eachOf(input);
  const unruled = planEach({ ...input, message: null });
  const copies = decided.copies.map((copy, index) =>
    copy.decision.action === 'pass' && copy.decision.because === 'rule' ? (unruled[index] ?? copy) : copy,
  );
  return { ...decided, copies };
}
