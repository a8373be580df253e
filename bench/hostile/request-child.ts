// The process that answers hostile requests, one client after the other, and measures each: as the lookup daemons do, with a database
// that knows nobody.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import type pg from 'pg';
import { createLookupDatabase } from '../../policy/database.ts';
import { policyDelegation } from '../../policy/delegation.ts';
import { createLookups } from '../../policy/lookups.ts';
import { serveRequests } from '../../policy/serve-requests.ts';
import { socketmap } from '../../policy/socketmap.ts';
import { tcpTable } from '../../policy/tcp-table.ts';
import { createLogger } from '../../src/observe/log.ts';
import { measureOne } from './measure-one.ts';
import { type Asked, REQUEST_BOMBS } from './requests.ts';
import { stageConfig } from './stage.ts';

const logger = createLogger({ level: 'error' });
const nobody = { query: async () => ({ rows: [] }) } as unknown as Pick<pg.Pool, 'query'>;
const lookups = createLookups({
  config: { ...stageConfig(), state_dir: tmpdir() },
  database: createLookupDatabase({ primary: nobody, replica: null, replicaLag: 0, logger }),
  logger,
});
const ordinary = Buffer.from('get somebody@example.org\n'.repeat(2000));

for (let count = 0; count < 3; count += 1) await ask('tcp_table', ordinary);
for (const { name, protocol, bytes } of REQUEST_BOMBS) {
  const sent = bytes();
  await measureOne(name, sent.length, () => ask(protocol, sent));
}
process.disconnect();

/** Sends all of it at once to a daemon of this protocol, and reads what comes until it ends. */
async function ask(protocol: Asked, bytes: Buffer): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => serve(protocol, socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1');
  client.on('error', () => client.destroy());
  client.resume();
  client.end(bytes);
  await once(client, 'close');
  server.close();
  await once(server, 'close');
}

function serve(protocol: Asked, socket: Socket): void {
  const malformed = (): void => undefined;
  switch (protocol) {
    case 'tcp_table':
      serveRequests(socket, tcpTable('virtual_alias', lookups, malformed), logger);
      break;
    case 'socketmap':
      serveRequests(socket, socketmap(lookups, malformed), logger);
      break;
    case 'policy':
      serveRequests(socket, policyDelegation(lookups, malformed), logger);
  }
}
