// The process that reads hostile uploads, one after the other, and measures each: as key import, the portal and keys by mail do.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { generateKey } from 'openpgp';
import { judgeUpload } from '../../src/keys/import.ts';
import { judgeX509 } from '../../src/keys/judge-x509.ts';
import { plainUpload } from '../../src/keys/upload-text.ts';
import { isX509Upload } from '../../src/smime/upload.ts';
import { watchLoop } from './loop-meter.ts';
import { ownMegabytes } from './own-memory.ts';
import { UPLOADS } from './uploads.ts';

/** Of one upload. */
export interface ReadUpload {
  readonly name: string;
  readonly bytes: number;
  readonly blockMs: number;
  readonly memoryMegabytes: number;
  readonly seconds: number;
}

const POLICY = { allowSha1: false };

// What runs for the first time is compiled meanwhile.
const { publicKey } = await generateKey({ userIDs: [{ email: 'user@example.org' }], format: 'armored' });
for (let count = 0; count < 20; count += 1)
  await judgeUpload(plainUpload(Buffer.from(publicKey)), POLICY, Date.now());

for (const { name, upload } of UPLOADS) {
  const given = upload();
  const before = ownMegabytes('VmRSS');
  const started = performance.now();
  const meter = watchLoop();
  await nextTurn();
  const plain = plainUpload(given);
  if (isX509Upload(plain)) await judgeX509(plain, { anchors: [], pin: true }, Date.now());
  else await judgeUpload(plain, POLICY, Date.now());
  await nextTurn();
  await nextTurn();
  const measured: ReadUpload = {
    name,
    bytes: given.length,
    blockMs: meter.stop(),
    memoryMegabytes: Math.max(0, ownMegabytes('VmRSS') - before),
    seconds: (performance.now() - started) / 1000,
  };
  process.send?.(measured);
}
process.disconnect();
