// How a command ends: the exit codes, and the errors that lead to them. Stands alone, so that `sealpost-pull`, which runs on a
// user's own machine, needs neither configuration nor database.

/** The exit codes of every command (see the manual page, "Exit status"). */
export const EXIT = { done: 0, refused: 1, usage: 2, temporary: 75 } as const;

/** A refusal or failure that a person should read: one sentence of what was found and expected, and the help. Exit 1. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** The command could not be carried out now, and may be later. Exit 75. */
export class Temporary extends Error {
  override readonly name = 'Temporary';
}

/** What was typed makes no sense. Exit 2. */
export class WrongUsage extends Error {
  override readonly name = 'WrongUsage';
}
