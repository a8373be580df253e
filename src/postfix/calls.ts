// The postconf(1) calls that make the same change as a plan, for people who want to make it themselves. Pure.
import { shellWord } from '../host/shell-word.ts';
import { formatService } from './master-cf.ts';
import type { Plan } from './plan.ts';

/** One shell command a line. @param configDir as Postfix's own -c; null: where Postfix has it */
export function postconfCalls(
  plan: Extract<Plan, { kind: 'change' | 'nothing' }>,
  configDir: string | null,
): readonly string[] {
  const postconf = configDir === null ? 'postconf' : `postconf -c ${shellWord(configDir)}`;
  return [
    ...plan.services.flatMap(({ name, service, action, options }) =>
      action === 'extend'
        ? options.map(([option, value]) => `${postconf} -P ${shellWord(`${name}/${option}=${value}`)}`)
        : [`${postconf} -M ${shellWord(`${name}=${formatService(service)}`)}`],
    ),
    ...plan.settings.map(({ name, value }) => `${postconf} -e ${shellWord(`${name} = ${value}`)}`),
  ];
}
