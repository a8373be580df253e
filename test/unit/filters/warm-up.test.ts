import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { rehearse, warmUp } from '../../../src/serve/warm-up.ts';

describe('the message that warms a new process up', () => {
  it('is sealed with each of its certificates, which do not expire', async () => {
    const config = configSchema.parse({ hostname: 'mx.example.org' });
    await expect(rehearse(config)).resolves.toBeUndefined();
  });

  it('is the last one when the process is to end', async () => {
    const config = configSchema.parse({ hostname: 'mx.example.org' });
    const answers = [true, true];
    const mayGoOn = vi.fn(async () => answers.pop() ?? false);
    await rehearse(config, { rounds: 1000, mayGoOn });
    expect(mayGoOn).toHaveBeenCalledTimes(3);
  });

  it('leaves no files behind, also of a process that ends in the middle of it', async () => {
    const config = configSchema.parse({ hostname: 'mx.example.org' });
    const folder = mkdtempSync(join(tmpdir(), 'warm-up-'));
    vi.stubEnv('TMPDIR', folder);
    try {
      const found: string[][] = [];
      const mayGoOn = async (): Promise<boolean> => {
        found.push(readdirSync(folder));
        return found.length < 3;
      };
      await rehearse(config, { rounds: 1000, mayGoOn });
      expect(found.map(({ length }) => length)).toEqual([0, 0, 0]);
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('holds nothing up where it cannot be delivered', async () => {
    const { filter, ...rest } = configSchema.parse({});
    const refusing = { ...rest, filter: { ...filter, max_received: 0 } };
    await expect(rehearse(refusing)).rejects.toThrow('was not sealed');
    await expect(warmUp(refusing)).resolves.toBeUndefined();
  });
});
