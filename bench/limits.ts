// What the machine itself can do: mail from one C program straight into another, and the work inside a sealed message alone.
import { createCipheriv, randomBytes } from 'node:crypto';
import { describeLoad, type Load } from './burst.ts';
import { figuresOf, measureBurst } from './measure.ts';
import type { PartOptions, PartResult, Row } from './rows.ts';
import { RECIPIENTS, theStand } from './stand.ts';
import { median } from './statistics.ts';

const SMALL: Load = {
  protocol: 'smtp',
  sessions: 8,
  reuse: true,
  recipients: 1,
  bytes: 4096,
  recipient: RECIPIENTS.plain,
  sealed: false,
};

const LOADS: readonly { readonly load: Load; readonly count: number }[] = [
  { load: SMALL, count: 8000 },
  { load: { ...SMALL, reuse: false }, count: 4000 },
  { load: { ...SMALL, bytes: 10 * 2 ** 20 }, count: 40 },
  { load: { ...SMALL, bytes: 10 * 2 ** 20, reuse: false }, count: 40 },
];

export async function limitsPart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const rows: Row[] = [];
  for (const { load, count } of LOADS) {
    options.progress(describeLoad(load));
    const speed = await measureBurst(stand, 'direct', load, options.quick ? Math.ceil(count / 4) : count);
    rows.push({
      work: `smtp-source straight into smtp-sink, ${describeLoad(load)}`,
      figures: figuresOf(speed, load),
    });
  }
  options.progress('AES and base64 alone');
  const block = randomBytes(10 * 2 ** 20);
  for (const mode of ['aes-256-cfb', 'aes-256-gcm', 'aes-256-ocb'] as const)
    rows.push({
      work: `${mode} alone, 10 MB, node:crypto, one thread`,
      figures: { 'MB/s': rateOf(block, encrypt(mode)) },
    });
  rows.push({
    work: 'base64 alone, 10 MB, Buffer, one thread',
    figures: { 'MB/s': rateOf(block, (bytes) => bytes.toString('base64')) },
  });
  return { rows };
}

const encrypt = (mode: 'aes-256-cfb' | 'aes-256-gcm' | 'aes-256-ocb') => (bytes: Buffer) => {
  const [key, iv] = [randomBytes(32), randomBytes(mode === 'aes-256-cfb' ? 16 : 12)];
  if (mode === 'aes-256-ocb') return createCipheriv(mode, key, iv, { authTagLength: 16 }).update(bytes);
  return createCipheriv(mode, key, iv).update(bytes);
};

/** MB per second, the median of nine runs. */
function rateOf(bytes: Buffer, work: (bytes: Buffer) => unknown): number {
  const rates = Array.from({ length: 9 }, () => {
    const started = performance.now();
    work(bytes);
    return bytes.length / 1e6 / ((performance.now() - started) / 1000);
  });
  return median(rates);
}
