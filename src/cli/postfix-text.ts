// What `sealpost postfix` says, for people and for --json. Pure.
import { postconfCalls } from '../postfix/calls.ts';
import type { Applied, WiringOutlook } from '../postfix/rewire.ts';
import type { Conflict } from '../postfix/site.ts';

/** One line for each thing that is in the way, and one for what to do about it. */
export function conflictsInWords(name: string, conflicts: readonly Conflict[]): string {
  return [
    `${name} was not applied, since something of this Postfix's own is in the way:`,
    ...conflicts.flatMap(({ where, found, remedy }) => [`  ${where}: ${found}`, `    ${remedy}`]),
  ].join('\n');
}

/** The calls and the diff, and what is to be known. */
export function outlookInWords(
  { wiring, plan, diff, missing }: WiringOutlook,
  configDir: string | null,
): string {
  if (plan.kind === 'conflicts') return conflictsInWords(wiring.name, plan.conflicts);
  const calls = postconfCalls(plan, configDir);
  const head =
    plan.kind === 'nothing'
      ? [`${wiring.name} is applied already: nothing would change`]
      : ['# what "sealpost postfix apply" does, as calls of postconf(1):', ...calls, '', diff.trimEnd()];
  return [...head, ...remarks(plan.notes, missing)].join('\n');
}

/** What stands in nobody's way. */
export function remarks(notes: readonly string[], missing: readonly string[]): readonly string[] {
  return [...notes.map((note) => `note: ${note}`), ...missing.map((each) => `still to do: ${each}`)];
}

/** For --json. */
export function outlookAsJson(outlook: WiringOutlook, configDir: string | null): Record<string, unknown> {
  const { wiring, plan, diff, missing } = outlook;
  const common = { wiring: wiring.name, config_dir: outlook.configDir };
  if (plan.kind === 'conflicts') return { ...common, changes: false, conflicts: plan.conflicts };
  return {
    ...common,
    changes: plan.kind === 'change',
    conflicts: [],
    calls: postconfCalls(plan, configDir),
    diff,
    notes: plan.notes,
    still_to_do: missing,
  };
}

/** What apply did with Postfix's files. */
export function appliedInWords({ outlook, changed, recovered }: Applied): readonly string[] {
  const { wiring, configDir } = outlook;
  return [
    ...(recovered === null ? [] : [recoveredInWords(recovered)]),
    changed
      ? `applied ${wiring.name} to main.cf and master.cf in ${configDir}; "sealpost postfix undo" takes it back`
      : `${wiring.name} is applied already: nothing was changed in ${configDir}`,
  ];
}

export function recoveredInWords({
  wiring,
  what,
}: {
  readonly wiring: string;
  readonly what: string;
}): string {
  return what === 'finished'
    ? `an interrupted undo of ${wiring} was finished first`
    : `an interrupted apply of ${wiring} was rolled back first`;
}
