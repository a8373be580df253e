// Everything that is fuzzed.
import { ADDRESS_TARGETS } from './address-targets.ts';
import { KEY_TARGETS } from './key-targets.ts';
import { MAIL_TARGETS } from './mail-targets.ts';
import type { Target } from './target.ts';
import { WIRE_TARGETS } from './wire-targets.ts';

export const TARGETS: readonly Target[] = [
  ...MAIL_TARGETS,
  ...WIRE_TARGETS,
  ...KEY_TARGETS,
  ...ADDRESS_TARGETS,
];
