// A process that was given a listening socket as descriptor 3, as systemd gives one.
import { openListener } from './listener-support.ts';

const { handle } = await openListener({ fd: 3 });
process.stdout.write(`${handle.address}\n`);
