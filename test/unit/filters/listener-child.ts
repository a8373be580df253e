// A process that was given a listening socket as descriptor 3, as systemd gives one. Its argument is the address that the
// configuration names, if not any TCP port. Prints where it listens, or why it does not.
import { parseEndpoint } from '../../../src/config/units.ts';
import { openListener } from './listener-support.ts';

const wanted = process.argv[2] === undefined ? null : parseEndpoint(process.argv[2]);
try {
  const { handle } = await openListener({
    fd: 3,
    ...(wanted?.ok ? { listener: { address: wanted.value } } : {}),
  });
  process.stdout.write(`${handle.address}\n`);
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : error}\n`);
}
