// What is kept of each lookup: the metrics, a warning for a loop, an error for an answer that its protocol cannot carry, and at
// debug level the answer with its reason.
import type { Counter, Histogram } from 'prom-client';
import type { AddressForm } from '../src/observe/events.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import { LOOKUP_FAILED } from '../src/smtp/our-replies.ts';
import type { Answer, MapName } from './facts.ts';
import { type LookupProtocol, overReplyLimit } from './reply-limits.ts';

export interface LookupQuestion {
  readonly map: MapName;
  readonly key: string;
  readonly protocol: LookupProtocol;
}

/**
 * @param started performance.now() when the question came
 * @returns the answer, or a temporary failure in place of one that the protocol cannot carry
 */
export type RecordLookup = (question: LookupQuestion, answer: Answer, started: number) => Answer;

interface Children {
  readonly count: Counter.Internal;
  readonly seconds: Histogram.Internal<'map'>;
}

/**
 * @param form how an address is shown, as in the lines about messages; asked for each line
 */
export function createLookupRecorder(
  logger: Logger,
  metrics: Metrics | undefined,
  form: AddressForm,
): RecordLookup {
  /** By map, protocol and result: finding a metric by its labels anew costs more than a cached answer. */
  const children = new Map<string, Children>();

  function childrenFor(known: Metrics, { map, protocol }: LookupQuestion, result: Answer['kind']): Children {
    const label = `${map} ${protocol} ${result}`;
    const kept = children.get(label);
    if (kept !== undefined) return kept;
    const made = {
      count: known.lookups.labels(map, protocol, result),
      seconds: known.lookupSeconds.labels(map),
    };
    children.set(label, made);
    return made;
  }

  /** Postfix defers the mail for it until it bounces: the administrator has to hear of it. */
  function carried({ map, protocol }: LookupQuestion, answer: Answer): Answer {
    const over = overReplyLimit(protocol, answer);
    if (over === null) return answer;
    const reason = `the answer needs ${over.bytes} bytes, and ${protocol} carries at most ${over.longest}`;
    logger.error(
      { event: 'lookup_too_long', map, protocol, ...over },
      `a lookup is deferred: ${reason}; see docs/lookups.md`,
    );
    return { kind: 'temporary', enhanced: LOOKUP_FAILED.internal, reason };
  }

  return (question, given, started) => {
    const answer = carried(question, given);
    if (metrics !== undefined) {
      const { count, seconds } = childrenFor(metrics, question, answer.kind);
      count.inc();
      seconds.observe((performance.now() - started) / 1000);
    }
    const { map, protocol, key } = question;
    if (answer.kind === 'temporary' && answer.enhanced === LOOKUP_FAILED.aliasLoop) {
      logger.warn(
        { event: 'alias_loop', map, ...keyForLog(map, key, true, form), reason: answer.reason },
        'alias loop: deferred',
      );
    }
    if (logger.isLevelEnabled('debug')) {
      const ms = Math.round((performance.now() - started) * 1000) / 1000;
      const shown = keyForLog(map, key, answer.kind === 'found', form);
      logger.debug({ map, protocol, ...shown, result: answer.kind, reason: answer.reason, ms }, 'lookup');
    }
    return answer;
  };
}

/** Names of domains and fingerprints are nobody's address. No key where the form shows nobody. */
function keyForLog(map: MapName, key: string, ours: boolean, form: AddressForm): { readonly key?: string } {
  const text = key.length > 320 ? `${key.slice(0, 320)}...` : key;
  const shown = map.endsWith('_domains') || map === 'client_fingerprint' ? text : form(text, ours);
  return shown === '' ? {} : { key: shown };
}
