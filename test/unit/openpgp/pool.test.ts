// The worker pool: jobs in threads, deadlines, dying workers, an orderly end; from sources and from compiled files.
// @module-tag slow
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, open as openFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createSealer, type Sealer, type SealerOptions } from '../../../src/sealing/pool.ts';
import { noise } from '../../fixtures/corpus.ts';
import { decryptWith, makeKey, type TestKey } from '../../support/make-keys.ts';

const open: Sealer[] = [];
let key: TestKey;

function sealer(options: SealerOptions = {}): Sealer {
  const made = createSealer(options);
  open.push(made);
  return made;
}

function job(plaintext: Uint8Array, format: 'armor' | 'binary' = 'armor') {
  return { plaintext, keys: [key.recipient], hideKeyIds: false, format };
}

/** A worker file that behaves as told by the plaintext. */
async function workerFile(source: string): Promise<{ url: URL; remove(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'sealer-'));
  const file = join(dir, 'worker.mjs');
  await writeFile(file, source);
  return { url: pathToFileURL(file), remove: () => rm(dir, { recursive: true, force: true }) };
}

beforeAll(async () => {
  key = await makeKey('curve25519-legacy');
});

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

describe('the sealer', () => {
  it('seals in this thread and in workers alike', async () => {
    for (const options of [{ workers: 0 }, { workers: 2, inlineBytes: 0 }]) {
      const { encrypt } = sealer(options);
      const plaintexts = [0, 1, 1000, 100_000].map((length) => noise(length, length + 1));
      const sealed = await Promise.all(plaintexts.map((plaintext) => encrypt(job(plaintext))));
      for (const [index, plaintext] of plaintexts.entries()) {
        expect((await decryptWith(key.secret, sealed[index] ?? noise(1))).equals(plaintext)).toBe(true);
      }
    }
  });

  it('reads a large plaintext from its file, and fails when the file no longer holds it', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sealer-'));
    const plaintext = noise(600_000);
    const path = join(dir, 'message');
    await writeFile(path, plaintext);
    const file = await openFile(path, 'r+');
    try {
      const sha256 = createHash('sha256').update(plaintext).digest('hex');
      const whole = { fd: file.fd, size: plaintext.length, sha256 };
      for (const workers of [0, 1]) {
        const { encrypt } = sealer({ workers, inlineBytes: 0 });
        for (const format of ['armor', 'binary'] as const) {
          const sealed = await encrypt({ ...job(plaintext, format), plaintext: whole });
          expect((await decryptWith(key.secret, sealed)).equals(plaintext)).toBe(true);
        }
        for (const size of [plaintext.length - 1, plaintext.length + 1]) {
          const cut = encrypt({ ...job(plaintext), plaintext: { ...whole, size } });
          await expect(cut).rejects.toThrow('the file has changed while it was being encrypted');
        }
        const closed = encrypt({ ...job(plaintext), plaintext: { ...whole, fd: 99_999 } });
        await expect(closed).rejects.toThrow('EBADF');
      }
      await file.write('x', 300_000);
      const changed = sealer({ workers: 1 }).encrypt({ ...job(plaintext), plaintext: whole });
      await expect(changed).rejects.toThrow('the file has changed while it was being encrypted');
    } finally {
      await file.close();
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('writes large armor where earlier armor was, once that was given back, and never before', async () => {
    const { encrypt, giveBack } = sealer({ workers: 2 });
    const lent = (plaintext: Uint8Array) => ({ ...job(plaintext), lent: true });
    const large = noise(2_000_000);
    const [first, second] = await Promise.all([encrypt(lent(large)), encrypt(lent(large))]);
    if (first === undefined || second === undefined) throw new Error('nothing was sealed');
    expect(first.buffer).not.toBe(second.buffer);
    const kept = Buffer.from(second);
    giveBack(first);
    giveBack(first);
    const shorter = noise(1_500_000, 5);
    const [third, fourth] = await Promise.all([encrypt(lent(shorter)), encrypt(lent(shorter))]);
    expect([third?.buffer, fourth?.buffer].filter((buffer) => buffer === first.buffer)).toHaveLength(1);
    expect(kept.equals(second)).toBe(true);
    for (const sealed of [third, fourth]) {
      expect((await decryptWith(key.secret, sealed ?? noise(1))).equals(shorter)).toBe(true);
    }
    // Not lent: its own memory, whoever gives back what.
    expect((await encrypt(job(large))).buffer).toBeInstanceOf(ArrayBuffer);
    // Not taken from here: left alone.
    giveBack(new Uint8Array(new SharedArrayBuffer(4_000_000)));
    giveBack(noise(10));
  });

  it('takes a plaintext in parts, some of them in memory that threads share', async () => {
    const [head, body] = [noise(100), noise(5_000_000, 3)];
    const shared = Buffer.from(new SharedArrayBuffer(body.length + 50)).subarray(50);
    body.copy(shared);
    for (const workers of [0, 1]) {
      const { encrypt } = sealer({ workers });
      for (const size of [0, 30, 50_000, 2_000_000, 5_000_000]) {
        const expected = Buffer.concat([head, body.subarray(0, size)]);
        for (const how of [{ lent: true }, { lent: false }, { format: 'binary' }] as const) {
          const sealed = await encrypt({ ...job(head), ...how, plaintext: [head, shared.subarray(0, size)] });
          expect((await decryptWith(key.secret, sealed)).equals(expected), `${size}`).toBe(true);
        }
      }
    }
    expect(shared.equals(body)).toBe(true);
  });

  it('leaves the caller its buffers, also when they are views into a larger one', async () => {
    const { encrypt } = sealer({ workers: 1, inlineBytes: 0 });
    const large = noise(200_000);
    const copy = Buffer.from(large);
    const view = large.subarray(1000, 101_000);
    const sealed = await encrypt(job(view, 'binary'));
    expect(large.equals(copy)).toBe(true);
    expect((await decryptWith(key.secret, sealed)).equals(view)).toBe(true);
  });

  it('keeps this thread answering while a large job runs', async () => {
    const { encrypt } = sealer({ workers: 1 });
    await encrypt(job(noise(100_000)));
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 5);
    await encrypt(job(noise(20_000_000), 'armor'));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });

  it('rejects a job that fails in a worker, and goes on with the next', async () => {
    const { encrypt } = sealer({ workers: 1, inlineBytes: 0 });
    await expect(encrypt({ ...job(noise(10)), keys: [] })).rejects.toThrow('no key was given');
    expect((await encrypt(job(noise(10)))).length).toBeGreaterThan(0);
  });

  it('rejects the job of a worker that dies, and goes on with the next', async () => {
    const worker = await workerFile(`
      export async function encrypt({ plaintext }) {
        if (plaintext[0] === 1) await new Promise(() => setTimeout(() => { throw new Error('worker died'); }));
        return plaintext;
      }`);
    try {
      const { encrypt } = sealer({ workers: 1, inlineBytes: 0, workerFile: worker.url });
      expect((await encrypt(job(Uint8Array.of(0)))).length).toBe(1);
      await expect(encrypt(job(Uint8Array.of(1)))).rejects.toThrow('worker died');
      expect((await encrypt(job(Uint8Array.of(0)))).length).toBe(1);
    } finally {
      await worker.remove();
    }
  });

  it('rejects a job that passes its deadline, ends that thread, and serves those who wait', async () => {
    const worker = await workerFile(`
      export async function encrypt({ plaintext }) {
        if (plaintext[0] === 1) for (;;) {}
        return plaintext;
      }`);
    try {
      const { encrypt } = sealer({ workers: 1, inlineBytes: 0, deadline: 1500, workerFile: worker.url });
      await encrypt(job(Uint8Array.of(0)));
      const stuck = encrypt(job(Uint8Array.of(1)));
      await expect(stuck).rejects.toThrow('sealing took longer than 1.5 s');
      expect((await encrypt(job(Uint8Array.of(0)))).length).toBe(1);
    } finally {
      await worker.remove();
    }
  });

  it('finishes what is under way when it is closed, and takes no more', async () => {
    const made = createSealer({ workers: 1, inlineBytes: 0 });
    const running = [1, 2, 3].map((seed) => made.encrypt(job(noise(300_000, seed))));
    await made.close();
    for (const sealed of await Promise.all(running)) expect(sealed.length).toBeGreaterThan(300_000);
    await expect(made.encrypt(job(noise(1)))).rejects.toThrow('closed');
  });
});

describe('the worker file', () => {
  it('is found from compiled files as well', async () => {
    const root = resolve(import.meta.dirname, '../../..');
    const dir = await mkdtemp(join(tmpdir(), 'sealer-build-'));
    try {
      const project = join(dir, 'tsconfig.json');
      await writeFile(
        project,
        JSON.stringify({
          extends: join(root, 'tsconfig.json'),
          compilerOptions: {
            rootDir: root,
            outDir: join(dir, 'dist'),
            noEmit: false,
            types: [],
            noCheck: true,
          },
          files: [join(root, 'src/sealing/pool.ts'), join(root, 'src/sealing/worker.ts')],
          include: [],
        }),
      );
      const run = promisify(execFile);
      await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project]);
      await symlink(join(root, 'node_modules'), join(dir, 'node_modules'));
      await writeFile(join(dir, 'package.json'), '{"type":"module"}');
      await writeFile(
        join(dir, 'run.js'),
        `import { createSealer } from './dist/src/sealing/pool.js';
         const sealer = createSealer({ workers: 1, inlineBytes: 0 });
         const keys = [{ fingerprint: '${key.recipient.fingerprint}', at: ${key.recipient.at},
           certificate: Buffer.from('${Buffer.from(key.recipient.certificate).toString('base64')}', 'base64') }];
         const sealed = await sealer.encrypt({ plaintext: Buffer.from('from dist'), keys, hideKeyIds: false, format: 'armor' });
         await sealer.close();
         process.stdout.write(sealed);`,
      );
      const { stdout } = await run(process.execPath, [join(dir, 'run.js')]);
      expect((await decryptWith(key.secret, Buffer.from(stdout))).toString()).toBe('from dist');
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
