// The postconf(1) calls that make the same change as a plan, for people who want to make it themselves. Pure.
import { formatService } from './master-cf.ts';
import type { Plan } from './plan.ts';

/** One shell command a line. @param configDir as Postfix's own -c; null: where Postfix has it */
export function postconfCalls(
  plan: Extract<Plan, { kind: 'change' | 'nothing' }>,
  configDir: string | null,
): readonly string[] {
  const postconf = configDir === null ? 'postconf' : `postconf -c ${quoted(configDir)}`;
  return [
    ...plan.services.flatMap(({ name, service, action, options }) =>
      action === 'extend'
        ? options.map(([option, value]) => `${postconf} -P ${quoted(`${name}/${option}=${value}`)}`)
        : [`${postconf} -M ${quoted(`${name}=${formatService(service)}`)}`],
    ),
    ...plan.settings.map(({ name, value }) => `${postconf} -e ${quoted(`${name} = ${value}`)}`),
  ];
}

/** As one word of sh(1). */
function quoted(word: string): string {
  return /^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
