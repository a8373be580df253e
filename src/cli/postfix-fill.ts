// What apply and undo do to sealpost's own side: [postfix] in sealpost.toml and the domains' other names, as Postfix now says.
import { ConfigError } from '../config/errors.ts';
import type { LoadedConfig } from '../config/load.ts';
import { isEmbeddedMissing } from '../database/embedded/place.ts';
import { messageOf } from '../database/exit.ts';
import { Refused } from '../host/exit-codes.ts';
import { askPostfix } from '../postfix/postconf.ts';
import { isRunning } from '../postfix/postfix.ts';
import { type AddressSettings, OPERATOR_NAMES, type Operator } from '../postfix/settings.ts';
import type { CommandContext } from './command.ts';
import { setKey } from './config-set.ts';
import { giveOtherNames, type TakenOver } from './init-postfix.ts';

/** A key of [postfix] that Postfix says otherwise. */
export interface OperatorChange {
  readonly name: Operator;
  readonly value: boolean;
  /** false: only once Postfix has read its files again. */
  readonly now: boolean;
}

/**
 * What is to be written into [postfix]. To read on in an address that Postfix does not read on in seals for a reader who gets no
 * mail; the other way round leaks. So `true` is written at once, and `false` when Postfix has it in force. Pure.
 * @param inForce whether Postfix has read its files since they were changed, or does not run
 */
export function operatorChanges(
  asked: AddressSettings['operators'],
  configured: Readonly<Record<Operator, boolean>>,
  inForce: boolean,
): readonly OperatorChange[] {
  return OPERATOR_NAMES.filter((name) => asked[name] !== configured[name]).map((name) => ({
    name,
    value: asked[name],
    now: asked[name] || inForce,
  }));
}

/** Fills in both. What cannot be done now is said, and stops nothing: Postfix's files are changed already. */
export async function fillIn(
  context: CommandContext,
  configDir: string | null,
  reloaded: boolean,
): Promise<TakenOver> {
  const asked = await askPostfix(configDir);
  if (asked.kind !== 'found')
    return { lines: ['[postfix] was left as it is: Postfix could not be asked'], json: { found: false } };
  const loaded = loadedOr(context);
  if (typeof loaded === 'string')
    return { lines: [`[postfix] was left as it is: ${loaded}`], json: { found: true, because: loaded } };
  const changes = operatorChanges(
    asked.settings.operators,
    loaded.config.postfix,
    reloaded || !(await isRunning(configDir)),
  );
  const written: Written[] = [];
  for (const change of changes) written.push(await write(change, loaded.path));
  const names = await otherNames(context, asked.settings);
  return {
    lines: [...written.map(({ words }) => words), names.words],
    json: {
      found: true,
      ...asked.settings.operators,
      written: written.filter(({ done }) => done).map(({ name }) => name),
      other_names: names.given,
    },
  };
}

/** Why there is none, in a sentence, where it cannot be read. */
function loadedOr(context: CommandContext): LoadedConfig | string {
  try {
    return context.loaded;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

interface Written {
  readonly name: Operator;
  readonly done: boolean;
  readonly words: string;
}

async function write({ name, value, now }: OperatorChange, path: string | null): Promise<Written> {
  const command = `sealpost config set postfix.${name} ${value}`;
  const later = (words: string): Written => ({ name, done: false, words });
  if (!now) return later(`when Postfix has been reloaded: ${command}`);
  if (path === null) return later(`there is no sealpost.toml yet; when there is one: ${command}`);
  try {
    const { file } = await setKey(`postfix.${name}`, String(value), { path });
    return { name, done: true, words: `${file}: postfix.${name} = ${value}, as main.cf has it now` };
  } catch (error) {
    if (!(error instanceof Refused || error instanceof ConfigError)) throw error;
    return later(`postfix.${name} was left as it is (${error.message}); ${command}`);
  }
}

async function otherNames(context: CommandContext, settings: AddressSettings) {
  const { config } = context.loaded;
  // Nothing is made here: that is for init.
  if (isEmbeddedMissing(config))
    return { given: null, words: 'there is no database yet: "sealpost init" makes one' };
  try {
    return await giveOtherNames(await context.database(), settings);
  } catch (error) {
    return {
      given: null,
      words: `other names of your domains were left as they are, since the database could not be asked (${messageOf(error)}); later: sealpost init`,
    };
  }
}
