// The table of addresses and what Postfix makes of them (test/fixtures/as-postfix-resolves.tsv), and the machine that it is for.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResolveRules } from '../../src/address/as-postfix-resolves.ts';
import { repository } from './places.ts';

/** What is set otherwise than Postfix has it: `-percent`, `-bang`, `-dequote`, `+dot`. */
export const WIRINGS = ['', '+dot', '-percent', '-bang', '-dequote', '-percent -bang -dequote'] as const;
export type Wiring = (typeof WIRINGS)[number];

export const ORIGIN = 'sealpost.test';
export const HOSTNAME = 'mx.sealpost.test';
/** mydestination, and the literal of the interface. */
export const OWN = ['localhost', 'own.test', HOSTNAME, ORIGIN, '[127.0.0.1]'];

export function rulesOf(wiring: Wiring): ResolveRules {
  return {
    percentHack: !wiring.includes('-percent'),
    bangpath: !wiring.includes('-bang'),
    dequote: !wiring.includes('-dequote'),
    appendedDomain: wiring.includes('+dot') ? ORIGIN : null,
    isLocal: (domain) => OWN.includes(domain.toLowerCase().replace(/\.$/, '')),
    origin: ORIGIN,
    hostname: HOSTNAME,
  };
}

export interface TableRow {
  /** In internal form. */
  readonly address: string;
  readonly wiring: Wiring;
  readonly end: string;
  /** The steps: `local@domain (what it rests on)`, with arrows between. */
  readonly steps: string;
}

/** Each line: address, wiring, end and steps, with tabs between. */
export function resolverTable(): readonly TableRow[] {
  const text = readFileSync(join(repository, 'test/fixtures/as-postfix-resolves.tsv'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [address = '', set = '', end = '', steps = ''] = line.split('\t');
      const wiring = WIRINGS.find((each) => each === set);
      if (wiring === undefined) throw new Error(`no such wiring: ${set}`);
      return { address, wiring, end, steps };
    });
}
