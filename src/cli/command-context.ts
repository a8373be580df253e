// What a command's action is given.
import type { LoadedConfig } from '../config/load.ts';
import type { Database } from '../database/open.ts';

/** What a command's action gets beside its own arguments. */
export interface CommandContext {
  /** Read when it is first asked for: `init` runs where there is none yet, or a bad one of somebody else. */
  readonly loaded: LoadedConfig;
  /** true when --json was given. */
  readonly json: boolean;
  /** Opens the database (started when it is embedded and nobody runs it); closed when the action ends. */
  database(): Promise<Database>;
  /** Prints `value` as JSON under --json, else `text`. Call it once, at the end. */
  print(value: unknown, text: string): void;
}

/** The options that every command has. */
export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}
