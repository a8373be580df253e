// What `npm run dev` starts again for.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { changesIn } from '../../../docs/changes.ts';

let root: string;
let end: AbortController;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sp-changes-'));
  for (const folder of ['src/deep', 'policy', 'other']) mkdirSync(join(root, folder), { recursive: true });
  end = new AbortController();
});
afterEach(() => {
  end.abort();
  rmSync(root, { recursive: true, force: true });
});

const write = (name: string) => writeFileSync(join(root, name), `${Math.random()}`);

it('changes come together, by name, from every depth; the files of an editor and other folders do not', async () => {
  write('src/deep/old.ts');
  const changes = changesIn(root, ['src', 'policy'], end.signal);
  const first = changes.next();
  for (const name of ['src/deep/.old.ts.swp', 'src/deep/4913', 'policy/x.ts~', 'other/x.ts']) write(name);
  for (const name of ['src/deep/old.ts', 'src/deep/old.ts', 'policy/new.toml']) write(name);
  expect(await first).toEqual({ done: false, value: ['policy/new.toml', 'src/deep/old.ts'] });
  const second = changes.next();
  write('src/b.sql');
  expect(await second).toEqual({ done: false, value: ['src/b.sql'] });
});

it('they end with the signal, also in the middle of waiting', async () => {
  const waiting = changesIn(root, ['src'], end.signal).next();
  end.abort();
  expect(await waiting).toEqual({ done: true, value: undefined });
});
