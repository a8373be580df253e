// Certificates that are made to take long: within the bound of an upload, as full as can be.
// @module-tag slow
import { generateKey, PacketList, type PrivateKey, reformatKey, SignaturePacket } from 'openpgp';
import { describe, expect, it } from 'vitest';
import { judgeUpload } from '../../../src/keys/import.ts';
import { MAX_UPLOAD } from '../../../src/keys/refusals.ts';

const MAIL = 'a@example.org';
const LONG_AGO = Date.UTC(2026, 0, 1);

async function secretKey(subkeys = 1): Promise<PrivateKey> {
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ email: MAIL }],
    subkeys: Array.from({ length: subkeys }, () => ({})),
    date: new Date(LONG_AGO),
    format: 'object',
  });
  return privateKey;
}

/** A certificate with many user IDs, each signed at another time: as many spans of time to look at. */
async function withUsers(count: number): Promise<Uint8Array> {
  const privateKey = await secretKey();
  const [primary, ...rest] = privateKey.toPublic().toPacketList();
  const list = new PacketList();
  if (primary !== undefined) list.push(primary);
  for (let at = 0; at < count; at += 1) {
    const userIDs = [{ name: `u${at}`, email: MAIL }];
    const date = new Date(LONG_AGO + at * 1000);
    const { publicKey } = await reformatKey({ privateKey, userIDs, date, format: 'object' });
    list.push(...publicKey.toPacketList().slice(1, 3));
  }
  // The subkey with its signature.
  list.push(...rest.slice(-2));
  return list.write();
}

/** A certificate with its first self-signature as often as there is room. @param broken each a different one that is wrong */
async function withSignatures(broken: boolean): Promise<Uint8Array> {
  const packets = (await secretKey()).toPublic().toPacketList();
  const [signature] = packets.filterByTag(SignaturePacket.tag) as unknown as SignaturePacket[];
  if (signature === undefined) throw new Error('a certificate without a signature');
  const copies = Array.from(
    { length: Math.floor((MAX_UPLOAD - 2000) / (signature.write().length + 3)) },
    (_, at) => {
      const bytes = signature.write();
      if (broken) bytes.set([Math.floor(at / 251) % 251, at % 251], bytes.length - 2);
      const copy = new SignaturePacket();
      copy.read(bytes);
      return copy;
    },
  );
  const list = new PacketList();
  for (const packet of packets) list.push(packet, ...(packet === signature ? copies : []));
  return list.write();
}

/** Milliseconds of processor time: the longest for which other work had to wait, and the whole. A busy machine changes neither much. */
async function spent(
  work: () => Promise<unknown>,
): Promise<{ readonly longest: number; readonly whole: number }> {
  const total = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const start = total();
  const times = { last: start, longest: 0 };
  const look = (): void => {
    const now = total();
    times.longest = Math.max(times.longest, now - times.last);
    times.last = now;
  };
  const timer = setInterval(look, 2);
  await work();
  clearInterval(timer);
  look();
  return { longest: times.longest, whole: total() - start };
}

const BOMBS: readonly (readonly [string, () => Promise<Uint8Array>])[] = [
  ['three hundred user IDs, each of its own time', () => withUsers(300)],
  ['a hundred subkeys', async () => (await secretKey(100)).toPublic().write()],
  ['one signature a thousand times', () => withSignatures(false)],
  ['a thousand signatures that are wrong', () => withSignatures(true)],
  ['packets of no length', async () => Buffer.alloc(MAX_UPLOAD, Buffer.from([0xcd, 0x00]))],
  ['one packet within another', async () => Buffer.alloc(MAX_UPLOAD, Buffer.from([0xa3, 0x01]))],
];

describe('a certificate', () => {
  it.for(BOMBS)(
    'of %s is judged or refused while other work goes on',
    { timeout: 120_000 },
    async ([name, make]) => {
      const bytes = await make();
      expect(bytes.length, name).toBeLessThanOrEqual(MAX_UPLOAD);
      const times = await spent(() => judgeUpload(bytes, { allowSha1: false }, Date.now()));
      expect(times.longest, JSON.stringify(times)).toBeLessThan(500);
      expect(times.whole).toBeLessThan(10_000);
    },
  );
});
