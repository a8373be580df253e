// `sealpost domain set DOMAIN wks=on|off`: what happens with the domain's submission key.
import { existsSync } from 'node:fs';
import { showDomain } from '../directory/domains.ts';
import { Refused } from '../host/exit-codes.ts';
import { ownerOfSubmissionAddress } from '../publishing/published.ts';
import { submissionAddress } from '../publishing/submission-address.ts';
import { ensureSubmissionKey, submissionKeyPath } from '../publishing/submission-key.ts';
import type { CommandContext } from './command-context.ts';

/** The submission key as the command prints it. */
interface SubmissionView {
  readonly address: string;
  /** Of the secret key. */
  readonly file: string;
  /** Upper-case digits; null: there is none, or it was not looked at. */
  readonly fingerprint: string | null;
  readonly state: 'made' | 'kept' | 'unused' | 'none';
}

/**
 * Makes the key of a domain that is to have the Web Key Service; one that is to have it no more keeps its key.
 * @param wanted what `wks=` says
 * @throws Refused where it cannot be
 */
export async function prepareWks(
  context: CommandContext,
  typed: string,
  wanted: boolean,
): Promise<{ readonly view: SubmissionView; readonly words: readonly string[] }> {
  const view = await prepare(context, typed, wanted);
  return { view, words: wksInWords(view) };
}

async function prepare(
  { loaded, database }: CommandContext,
  typed: string,
  wanted: boolean,
): Promise<SubmissionView> {
  const { state_dir: stateDir, portal } = loaded.config;
  const opened = await database();
  const { name } = await showDomain(opened, typed);
  const address = submissionAddress(portal.key_address, name);
  const file = submissionKeyPath(stateDir, name);
  if (!wanted) return { address, file, fingerprint: null, state: existsSync(file) ? 'unused' : 'none' };
  const owner = await ownerOfSubmissionAddress(opened, address);
  if (owner !== null)
    throw new Refused(
      `${address} is ${owner === 'user' ? 'a user' : 'an alias'}, whose mail it gets; rename it, or set portal.key_address to another name, see "sealpost config set"`,
    );
  const { key, made } = await ensureSubmissionKey(stateDir, name, address);
  if (!key.addresses.includes(address))
    throw new Refused(
      `${file} is the key of ${key.addresses.join(', ') || 'nobody'}, expected one of ${address}; move it away, and run this command again`,
    );
  const fingerprint = key.certificate.getFingerprint().toUpperCase();
  return { address, file, fingerprint, state: made ? 'made' : 'kept' };
}

/** What became of the key, in words. */
function wksInWords(view: SubmissionView): readonly string[] {
  const { address, file, fingerprint, state } = view;
  switch (state) {
    case 'made':
      return [
        `made the submission key ${fingerprint} of ${address} in ${file}; every machine that serves this domain needs the same file`,
      ];
    case 'kept':
      return [`the submission key of ${address} is ${fingerprint}, in ${file}`];
    case 'unused':
      return [
        `${file} stays, and counts again with wks=on; remove it where that key is not to be used again`,
      ];
    case 'none':
      return [];
  }
}
