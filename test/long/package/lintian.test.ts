// The package as Debian's own checker sees it, and that equal sources give equal bytes.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageDeb } from '../../../packaging/package-deb.mjs';
import { runProgram } from '../../support/child.ts';
import { need } from '../../support/needs.ts';

need('lintian');

describe('the Debian package', () => {
  let folder: string;
  let first: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sp-deb-'));
    first = await packageDeb({ out: join(folder, 'first') });
  }, 900_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('has no error and no warning of lintian', async () => {
    const { code, stdout } = await runProgram(
      'lintian',
      ['--allow-root', '--fail-on', 'error,warning', first],
      { timeout: 240_000 },
    );
    expect({ code, said: stdout.toString() }).toEqual({ code: 0, said: '' });
  });

  it('is the same to the byte when it is made again, at another time', async () => {
    const umask = process.umask(0o077);
    try {
      const second = await packageDeb({ out: join(folder, 'second') });
      expect(readFileSync(second).equals(readFileSync(first))).toBe(true);
    } finally {
      process.umask(umask);
    }
  });
});
