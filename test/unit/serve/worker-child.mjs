// A worker that does nothing: it is ready when the file $WORKER_GO is there, and writes what it is asked to $WORKER_LOG.
import { appendFileSync, existsSync } from 'node:fs';

const { WORKER_GO = '', WORKER_LOG = '' } = process.env;
appendFileSync(WORKER_LOG, `started ${process.pid}\n`);
process.on('message', (message) => {
  if (message.kind === 'stop') process.exit(0);
  if (message.kind !== 'ask') return;
  appendFileSync(WORKER_LOG, `${message.question}\n`);
  process.send({ kind: 'answer', id: message.id, value: null });
});
const timer = setInterval(() => {
  if (!existsSync(WORKER_GO)) return;
  clearInterval(timer);
  process.send({ kind: 'ready' });
}, 5);
