// docs/architecture.md against the rooms that there are.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FLOORS } from '../../support/house.ts';
import { repository } from '../../support/places.ts';

const page = readFileSync(join(repository, 'docs/architecture.md'), 'utf8');

/** Floor and room of each row of the table of rooms. */
const rows = [...page.matchAll(/^\| (\d) \| `([^`]+)` \| \S/gm)].map(([, floor = '', room = '']) => ({
  floor: Number(floor),
  room,
}));

describe('the page of architecture', () => {
  it('puts every room on the floor where the imports are held to', () => {
    const floors = FLOORS.map((_, index) => rows.filter(({ floor }) => floor === index + 1));
    expect(floors.map((floor) => floor.map(({ room }) => room).sort())).toEqual(
      FLOORS.map((rooms) => [...rooms].sort()),
    );
  });

  it('names every folder of src, and draws it', () => {
    const folders = readdirSync(join(repository, 'src')).map((name) => `src/${name}`);
    expect(rows.map(({ room }) => room)).toEqual(expect.arrayContaining(folders));
    const [, drawing = ''] = page.split(/^## .*$/m);
    for (const { room } of rows) expect(drawing).toMatch(new RegExp(`(?<![\\w/])${room}(?![\\w/])`));
  });

  it('names no room and no file that is not there', () => {
    const named = [...page.matchAll(/\b(?:src|filters|policy|receiver|portal|client|test)\/[\w./-]*\w/g)].map(
      ([path]) => path,
    );
    expect(named.length).toBeGreaterThan(rows.length);
    const missing = [...named, ...rows.map(({ room }) => room)].filter(
      (path) => !existsSync(join(repository, path)),
    );
    expect(missing).toEqual([]);
  });

  it('stays one page', () => {
    expect(page.split('\n').length).toBeLessThanOrEqual(120);
  });
});
