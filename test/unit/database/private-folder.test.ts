// Folders that root makes below another account's: nothing behind a symbolic link is touched.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  makePrivate,
  openToAll,
  ownAccount,
  removeTree,
} from '../../../src/database/embedded/private-folder.ts';

const self = ownAccount();
let folder: string;
let elsewhere: string;
let link: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealpost-folder-'));
  elsewhere = join(folder, 'elsewhere');
  mkdirSync(elsewhere, { mode: 0o750 });
  link = join(folder, 'link');
  symlinkSync(elsewhere, link);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;

it('is made private, also when it is there already', () => {
  const path = join(folder, 'own');
  makePrivate(path, self, [self]);
  openToAll(path);
  expect(modeOf(path)).toBe(0o755);
  makePrivate(path, self, [self]);
  expect(modeOf(path)).toBe(0o700);
});

it("is not somebody else's", () => {
  expect(() => makePrivate(elsewhere, self, [{ uid: self.uid + 1, gid: 0 }])).toThrow(
    'somebody else has made it',
  );
});

it('is not what a symbolic link leads to', () => {
  expect(() => makePrivate(link, self, [self])).toThrow(/ENOTDIR|ELOOP/);
  expect(() => openToAll(link)).toThrow(/ENOTDIR|ELOOP/);
  expect(modeOf(elsewhere)).toBe(0o750);
});

it('is removed with its links, and not with what they lead to; once more is harmless', {
  tags: ['slow'],
}, () => {
  writeFileSync(join(elsewhere, 'precious'), '');
  const tree = join(folder, 'tree');
  mkdirSync(tree);
  symlinkSync(elsewhere, join(tree, 'link'));
  removeTree(tree);
  removeTree(link);
  removeTree(tree);
  expect([tree, link].map((path) => existsSync(path))).toEqual([false, false]);
  expect(existsSync(join(elsewhere, 'precious'))).toBe(true);
});
