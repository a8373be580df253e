// A process with a lookup daemon and the filter's LMTP listener, to be run with few descriptors. Prints both ports, and how many
// lookup connections it would serve.
import { pino } from 'pino';
import { listenForLookups } from '../../../policy/listen.ts';
import { putOff } from '../../../policy/put-off.ts';
import { createRoom, lookupConnections } from '../../../policy/room.ts';
import { serveRequests } from '../../../policy/serve-requests.ts';
import { createTcpTableDecoder } from '../../../policy/tcp-table-codec.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { openFilesLimit } from '../../../src/host/descriptors.ts';
import { openListener } from '../filters/listener-support.ts';

const logger = pino({ level: 'silent' });
const most = lookupConnections(configSchema.parse({}), openFilesLimit());
const protocol = {
  decoder: createTcpTableDecoder,
  malformed: () => undefined,
  answer: () => Buffer.from('200 OK\n'),
  tooMany: Buffer.from('400 too many\n'),
};
const lookups = await listenForLookups({
  name: 'virtual_alias',
  endpoint: { kind: 'inet', host: '127.0.0.1', port: 0 },
  serve: (socket) => serveRequests(socket, protocol, logger),
  putOff: (socket) => putOff(socket, protocol),
  room: createRoom(most, logger, () => undefined),
  counted: () => undefined,
  logger,
});
const { handle } = await openListener();
process.stdout.write(`${lookups.address} ${handle.address} ${most}\n`);
