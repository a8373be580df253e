// Whether a process can do its work.

/** Whether work can be done now, and if not, why: one short sentence each. */
export interface Health {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}
