// What the running serve says of itself on its observe listener.
import { formatEndpoint } from '../../config/units.ts';
import { openFilesLimit } from '../../host/descriptors.ts';
import { askObserve } from '../../http/ask-observe.ts';
import { type Ask, type Had, type Reader, type ServeFacts, Unseen } from '../facts.ts';

const NOT_RUNNING = 'serve does not answer';

export const readServeAnswer: Reader<'serveAnswer'> = async (ask): Promise<Had> => {
  const listen = await observed(ask);
  const answer = await askObserve(listen, '/status');
  const failure =
    answer === null ? 'nothing answers' : answer.code === 200 ? null : `HTTP status ${answer.code}`;
  return { name: formatEndpoint(listen), failure };
};

async function observed(ask: Ask) {
  const { config } = await ask('config');
  if (config.observe.listen === null) throw new Unseen('observe.listen is off', true);
  return config.observe.listen;
}

export const readServe: Reader<'serve'> = async (ask): Promise<ServeFacts> => {
  if ((await ask('serveAnswer')).failure !== null) throw new Unseen(NOT_RUNNING, true);
  const listen = await observed(ask);
  const [status, health] = await Promise.all([askObserve(listen, '/status'), askObserve(listen, '/readyz')]);
  if (status === null || health === null) throw new Unseen(NOT_RUNNING);
  const said = tableOf(status.value);
  const { reasons } = tableOf(health.value);
  return {
    version: String(said.version ?? 'unknown'),
    config: typeof said.config === 'string' ? said.config : null,
    ready: health.code === 200,
    reasons: Array.isArray(reasons) ? reasons.map(String) : [],
    openFiles: typeof said.pid === 'number' ? openFilesLimit(`/proc/${said.pid}/limits`) : null,
  };
};

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
