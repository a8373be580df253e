#!/usr/bin/env node
// sealpost-pull: the client as a program of its own, for the user's machine. Bundled into one file (packaging/client.mjs).
import { Command } from 'commander';
import { runCommandLine } from '../src/host/command-line.ts';
import { asPull } from './command.ts';

/** Put in by the bundler: there is no package.json of ours to be found from here. */
declare const SEALPOST_VERSION: string;

await runCommandLine(
  asPull(new Command('sealpost-pull'), 'sealpost-pull')
    .version(SEALPOST_VERSION)
    .showHelpAfterError('(add --help for what is allowed, and an example)'),
);
