// What the flow of enrolment gets from a command.
import type { FlowContext } from '../enrolment/types.ts';
import type { CommandContext } from './command-context.ts';

export async function flowContext({ loaded, database }: CommandContext): Promise<FlowContext> {
  const { config } = loaded;
  return { database: await database(), config: () => config, now: Date.now };
}
