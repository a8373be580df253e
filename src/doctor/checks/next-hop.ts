// The next hop: whether it answers, what it can take, and whether what it takes comes back to us.
import { nextHopsOf } from '../../config/next-hops.ts';
import { formatNextHop } from '../../config/units.ts';
import { ownEndpoints, reaches } from '../../postfix/entrances.ts';
import { check, type Finding, GROWTH, noneOf, nothingToLookAt, ok, warning, wrong } from '../check.ts';
import type { HopFacts } from '../facts.ts';

/** Judges what the next hops announce; of one that does not answer nothing is known. */
function announced(
  hops: readonly HopFacts[],
  good: string,
  isBad: (hop: HopFacts) => boolean,
  inWords: (list: string) => string,
): Finding {
  const bad = hops.filter((hop) => hop.failure === null && isBad(hop)).map(({ address }) => address);
  if (bad.length === 0 && hops.some(({ failure }) => failure !== null))
    return nothingToLookAt('the next hop does not answer');
  return noneOf(bad, good, inWords);
}

export const NEXT_HOP_CHECKS = [
  check({
    code: 'next_hop_answers',
    why: 'sealed and passed mail goes there: until it answers, Postfix keeps the mail',
    mend: 'start what listens at filter.next_hop, or correct it',
    reads: ['hops'],
    judge: ({ hops }) =>
      noneOf(
        hops.flatMap(({ address, failure }) => (failure === null ? [] : [`${address}: ${failure}`])),
        hops.map(({ address }) => `${address} answers`).join('; '),
        (list) => list,
        wrong,
      ),
  }),
  check({
    code: 'next_hop_is_another',
    why: 'mail that comes back to the filter goes round until it is refused as a loop',
    mend: 'filter.next_hop names the listener of Postfix or of the mail store, never one of [[filter.listen]]',
    reads: ['config'],
    judge: ({ config: { config } }) => {
      const own = ownEndpoints(config);
      const circular = nextHopsOf(config.filter).filter(({ endpoint }) =>
        own.some((at) => reaches(endpoint, at)),
      );
      return noneOf(
        circular.map(formatNextHop),
        'the next hop is no listener of ours',
        (list) => `${list} is our own listener`,
        wrong,
      );
    },
  }),
  check({
    code: 'next_hop_size',
    why: 'sealed mail is larger: what Postfix accepts, the next hop would refuse',
    mend: 'raise message_size_limit of the listener at filter.next_hop to 1.4 times filter.max_message_size',
    reads: ['hops', 'config'],
    judge: ({ hops, config: { config } }) => {
      const needed = Math.round(config.filter.max_message_size * GROWTH);
      return announced(
        hops,
        'the next hop takes sealed mail of the largest size',
        ({ size }) => size !== undefined && size > 0 && size < needed,
        (list) => `${list} takes less than ${needed} bytes`,
      );
    },
  }),
  check({
    code: 'next_hop_eight_bit',
    why: 'mail with 8-bit content, which passes as it comes, is refused where the next hop cannot take it',
    mend: 'let what listens at filter.next_hop announce 8BITMIME (smtpd_discard_ehlo_keywords = in Postfix)',
    reads: ['hops'],
    judge: ({ hops }) =>
      announced(
        hops,
        'the next hop takes 8-bit mail',
        ({ eightBit }) => !eightBit,
        (list) => `no 8BITMIME: ${list}`,
      ),
  }),
  check({
    code: 'next_hop_xforward',
    why: 'without XFORWARD the log of Postfix names 127.0.0.1 as the client of all mail behind the filter',
    mend: 'smtpd_authorized_xforward_hosts = 127.0.0.0/8 for the listener at filter.next_hop',
    reads: ['hops'],
    judge: ({ hops }) => {
      const smtp = hops.filter(({ protocol }) => protocol === 'smtp');
      if (smtp.length === 0) return ok('the next hop speaks LMTP: it is the mail store');
      return announced(
        smtp,
        'the next hop takes XFORWARD',
        ({ xforward }) => !xforward,
        (list) => `no XFORWARD: ${list}`,
      );
    },
  }),
  check({
    code: 'reinjection_probe',
    why: 'a letter on the very road that mail takes shows what no setting tells',
    mend: 'sealpost trace ADDRESS, and the log of Postfix',
    reads: ['probe'],
    judge: ({ probe: { accepted, recipient, reply, seen } }) => {
      if (!accepted) return wrong(`a letter to ${recipient} was answered ${reply}`);
      if (seen === null)
        return warning(
          `a letter to ${recipient} was answered ${reply}; trace.keep is 0, so that nobody can tell whether it came back`,
        );
      if (seen === 0)
        return warning(`a letter to ${recipient} was answered ${reply}, and no event tells of it`);
      return seen === 1
        ? ok(`a letter to ${recipient} went through once: ${reply}`)
        : wrong(
            `a letter to ${recipient} came through sealpost ${seen} times: the re-injection leads back to the filter`,
          );
    },
  }),
];
