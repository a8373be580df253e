// What `serve` runs is a list of parts, and each of them is one value: whether it is wanted, in which process it runs, how it
// starts, and what it tells of itself. Nothing else in `serve` knows a part by name.
import type { Config } from '../../config/schema.ts';
import type { Engine } from '../../delivery/engine.ts';
import type { ObserveServerOptions } from '../../http/observe.ts';
import type { DayOf } from '../../http/page/facts.ts';
import type { Health } from '../../observe/health.ts';
import type { Logger } from '../../observe/log.ts';
import type { Metrics } from '../../observe/metrics.ts';

type KeyIn<Section extends keyof Config> =
  Config[Section] extends Readonly<Record<string, unknown>>
    ? `${Section}.${keyof Config[Section] & string}`
    : never;

/** A key of sealpost.toml: a section as a whole, or what stands in it. */
export type ConfigKey = keyof Config | { [Section in keyof Config]: KeyIn<Section> }[keyof Config];

/** An open listener, as /status tells of it. A socket that systemd passes is for the listener of its name. */
export interface PartListener {
  readonly name: string;
  /** As a person writes it; the port that was really opened. */
  readonly address: string;
  readonly connections: number;
}

/** What a part says of itself in /status, under names of its own. */
export interface PartStatus {
  readonly in_flight?: { readonly transactions: number; readonly bytes: number };
  readonly [more: string]: unknown;
}

/** A part that runs, with the configuration that it started with. */
export interface FixedPart {
  listeners(): readonly PartListener[];
  /** Why it is not well, one sentence each; none: it is. */
  complaints(): Promise<readonly string[]>;
  describe(): Promise<PartStatus>;
  /** Begins nothing new, and lets what is under way finish within the grace. Twice is harmless. */
  close(graceMs: number): Promise<void>;
}

/** A part that runs, and follows a configuration that was read again. */
export interface FollowingPart extends FixedPart {
  /**
   * Takes a new configuration.
   * @throws Error with a sentence for the administrator; the part is as it was then
   */
  reconfigure(config: Config): void | Promise<void>;
}

/** What every part gets. */
export interface PartContext {
  /** Divided among the workers for a part that runs in every worker, else the whole. */
  readonly config: Config;
  readonly logger: Logger;
  /** File descriptors from systemd, by the name of the listener. */
  readonly passed: ReadonlyMap<string, number>;
  /** What there is to tell of all parts, and of all workers. */
  readonly observed: {
    readonly metrics: ObserveServerOptions['metrics'];
    health(): Promise<Health>;
    status(): Promise<object>;
    /** The last day, as it was read last; null: it was not. */
    history?(): Promise<DayOf | null>;
  };
}

/** What a part gets that works with the database. */
export interface WorkingContext extends PartContext {
  readonly engine: Engine;
  readonly metrics: Metrics;
  /** The whole configuration as it is now: what was read again since the start is in it. */
  readonly current: () => Config;
}

interface AnyPart {
  /** For --only, unless `goesWith` is set, and for the reasons of /readyz. */
  readonly name: string;
  /** The part that --only names it with. */
  readonly goesWith?: string;
  /** Whether the configuration asks for it. */
  wanted(config: Config): boolean;
  /** What it cannot follow without a restart, whether it runs or not. */
  readonly fixedKeys: readonly ConfigKey[];
  /**
   * When it ends: while mail in flight is finished; after that, because Postfix needs it to take such mail; or last, to tell of
   * the others.
   */
  readonly closes: 'with the mail' | 'after the mail' | 'last';
  /** What /status says in its place where it does not run. */
  readonly absent?: PartStatus;
}

/** A part that works with the database: in every worker, or in the first one because it is needed once. */
export interface WorkingPart extends AnyPart {
  readonly runs: 'in every worker' | 'in the first worker';
  /** Mail comes in here: what the first message would have to wait for is done before it starts. */
  readonly takesMail?: true;
  /** @throws Error with a sentence for the administrator; nothing is left open then */
  start(context: WorkingContext): Promise<FollowingPart>;
}

/** A part that the primary of several workers runs for all of them. The primary does not read its configuration again. */
export interface PrimaryPart extends AnyPart {
  readonly runs: 'in the primary';
  /** @throws Error with a sentence for the administrator; nothing is left open then */
  start(context: PartContext): Promise<FixedPart>;
}

export type Part = WorkingPart | PrimaryPart;
