// The process that reads hostile uploads, one after the other, and measures each: as key import, the portal and keys by mail do.
import { generateKey } from 'openpgp';
import { judgeUpload } from '../../src/keys/import.ts';
import { judgeX509 } from '../../src/keys/judge-x509.ts';
import { plainUpload } from '../../src/keys/upload-text.ts';
import { isX509Upload } from '../../src/smime/upload.ts';
import { measureOne } from './measure-one.ts';
import { UPLOADS } from './uploads.ts';

const POLICY = { allowSha1: false };

// What runs for the first time is compiled meanwhile.
const { publicKey } = await generateKey({ userIDs: [{ email: 'user@example.org' }], format: 'armored' });
for (let count = 0; count < 20; count += 1) await read(Buffer.from(publicKey));

for (const { name, upload } of UPLOADS) {
  const given = upload();
  await measureOne(name, given.length, () => read(given));
}
process.disconnect();

function read(given: Buffer): Promise<unknown> {
  const plain = plainUpload(given);
  if (isX509Upload(plain)) return judgeX509(plain, { anchors: [], pin: true }, Date.now());
  return judgeUpload(plain, POLICY, Date.now());
}
