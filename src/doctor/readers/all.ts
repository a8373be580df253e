// Every reader of facts, and what they keep open together.
import { ConfigError } from '../../config/errors.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { type Readers, Unseen } from '../facts.ts';
import { createDatabaseReaders } from './database.ts';
import { directoryReader, keysReader } from './directory.ts';
import { readDisks, readFiles, readMachine } from './machine.ts';
import { readHops, readListeners, readLookups } from './network.ts';
import { readPortal } from './portal.ts';
import { createPostfixReaders, type PostfixPlaces } from './postfix.ts';
import { probeReader } from './probe.ts';
import { publishingReader } from './publishing.ts';
import { readServe, readServeAnswer } from './serve.ts';

export interface ReaderOptions {
  /** @throws ConfigError */
  readonly load: () => LoadedConfig;
  readonly postfix: PostfixPlaces;
  readonly probe: boolean;
}

/** @returns the readers, and what ends their connections (never throws) */
export function createReaders({ load, postfix, probe }: ReaderOptions): {
  readonly readers: Readers;
  close(): Promise<void>;
} {
  const { open, close, ...database } = createDatabaseReaders();
  const readers: Readers = {
    configuration: async () => {
      try {
        const { path, keysSet } = load();
        return { name: `${path ?? 'no file, the defaults hold'}: ${keysSet} keys set`, failure: null };
      } catch (error) {
        if (error instanceof ConfigError) return { name: 'sealpost.toml', failure: error.message };
        throw error;
      }
    },
    config: async (ask) => {
      if ((await ask('configuration')).failure !== null)
        throw new Unseen('the configuration has errors', true);
      return load();
    },
    machine: readMachine,
    files: readFiles,
    disks: readDisks,
    serveAnswer: readServeAnswer,
    serve: readServe,
    ...database,
    directory: directoryReader(open),
    keys: keysReader(open),
    listeners: readListeners,
    lookups: readLookups,
    hops: readHops,
    probe: probeReader(probe, open),
    portal: readPortal,
    publishing: publishingReader(open),
    ...createPostfixReaders(postfix),
  };
  return { readers, close };
}
