// Where a pipe that works in its own process writes its warnings.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createPipeLog } from '../../../filters/pipe/log.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealpost-pipe-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('keeps warnings of several runs in a private file of state_dir', () => {
  for (const run of ['first', 'second']) {
    const log = createPipeLog(folder);
    log.info('everyday');
    log.warn(run);
  }
  const path = join(folder, 'pipe.log');
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['first', 'second']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it('does not hinder the mail where it cannot be written', () => {
  expect(() => createPipeLog(join(folder, 'nowhere')).warn('lost')).not.toThrow();
});
