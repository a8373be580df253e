// What `sealpost init` takes over from a Postfix on the same machine, and what it says of it.
import type { Config } from '../config/schema.ts';
import type { Database } from '../database/open.ts';
import { listDomains, setDomain } from '../directory/domains.ts';
import { ChangeRefused } from '../directory/refused.ts';
import { planOtherNames } from '../postfix/other-names.ts';
import type { AskedPostfix } from '../postfix/postconf.ts';
import { type AddressSettings, OPERATOR_NAMES, OPERATORS } from '../postfix/settings.ts';
import { readAssignments } from './assignments.ts';

/** For people, and for --json. */
export interface TakenOver {
  readonly lines: readonly string[];
  readonly json: object;
}

/**
 * Gives the domain that stands in mydestination the machine's other names.
 * @param file whether sealpost.toml is new, and what it says in [postfix]
 */
export async function takeOver(
  database: Database,
  postfix: AskedPostfix,
  file: { readonly written: boolean; readonly configured: Config['postfix'] },
): Promise<TakenOver> {
  if (postfix.kind === 'none')
    return {
      lines: ['no Postfix was found on this machine: [postfix] has the defaults of Postfix'],
      json: { found: false },
    };
  if (postfix.kind === 'silent')
    return {
      lines: [
        `Postfix could not be asked, [postfix] has its defaults; repeat with --postfix-config: ${postfix.because}`,
      ],
      json: { found: false, because: postfix.because },
    };
  const { settings } = postfix;
  const names = await giveOtherNames(database, settings);
  const said = OPERATOR_NAMES.map(
    (name) => `${OPERATORS[name]} = ${settings.operators[name] ? 'yes' : 'no'}`,
  );
  const differs = OPERATOR_NAMES.filter((name) => settings.operators[name] !== file.configured[name]);
  return {
    lines: [
      `Postfix says ${said.join(', ')}${file.written ? '; taken over into [postfix]' : ''}`,
      ...differs.map(
        (name) =>
          `[postfix] ${name} = ${file.configured[name]} stands in a file that was kept; set it to ${settings.operators[name]}`,
      ),
      `Postfix delivers by itself for ${settings.localNames.join(', ') || 'no name'}`,
      ...settings.unread.map(
        (entry) =>
          `not read: ${entry} in mydestination; name what is in it by "sealpost domain set NAME other_names=..."`,
      ),
      names.words,
    ],
    json: {
      found: true,
      ...settings.operators,
      differs,
      local_names: settings.localNames,
      unread: settings.unread,
      other_names: names.given,
    },
  };
}

/** @returns what was given to whom, null for nothing, and that in words */
export async function giveOtherNames(
  database: Database,
  settings: AddressSettings,
): Promise<{ readonly given: object | null; readonly words: string }> {
  const plan = planOtherNames(settings, await listDomains(database));
  if (plan.kind === 'nothing')
    return { given: null, words: `other names of your domains were left as they are: ${plan.because}` };
  const { domain, names, added } = plan;
  try {
    await setDomain(
      database,
      domain,
      readAssignments([`other_names=${names.join(',')}`, 'local=on'], 'domain'),
    );
  } catch (error) {
    if (!(error instanceof ChangeRefused)) throw error;
    return { given: null, words: `${domain} did not get its other names: ${error.message}` };
  }
  const what =
    added.length === 0 ? 'stands in mydestination: local=on' : `is also reached as ${added.join(', ')}`;
  return { given: { domain, added }, words: `${domain} ${what}; see "sealpost domain show ${domain}"` };
}
