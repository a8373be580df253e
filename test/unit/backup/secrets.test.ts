// The secrets beside the configuration that a backup may hold.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSecrets } from '../../../src/backup/secrets.ts';
import { configSchema } from '../../../src/config/schema.ts';

describe('the secrets of a backup', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sealpost-secrets-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are none where nothing was made', async () => {
    expect(await readSecrets(configSchema.parse({ state_dir: folder }))).toEqual([]);
  });

  it('are the submission keys of all domains, and nothing that merely lies beside them', async () => {
    mkdirSync(join(folder, 'wks'));
    for (const name of ['example.org.key', 'example.net.key', 'example.org.key.12.new', 'notes', '.key'])
      writeFileSync(join(folder, 'wks', name), name);
    const found = await readSecrets(configSchema.parse({ state_dir: folder }));
    expect(found.map(({ name, bytes }) => [name, bytes.toString()])).toEqual([
      ['state/wks/example.net.key', 'example.net.key'],
      ['state/wks/example.org.key', 'example.org.key'],
    ]);
  });
});
