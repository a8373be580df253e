// The pages for users: how each mail program shows sealed mail.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repository } from '../../support/places.ts';

const folder = join(repository, 'docs/reading');
const pages = readdirSync(folder).filter((name) => name !== 'README.md');
const overview = readFileSync(join(folder, 'README.md'), 'utf8');

it.each(pages)('%s says what to hand over, and what a hidden Subject looks like there', (name) => {
  const text = readFileSync(join(folder, name), 'utf8');
  expect(text).toMatch(/^# Read your sealed mail /);
  expect(text).toMatch(/^\*\*A hidden Subject\*\*|Whether a hidden Subject is shown/m);
  expect(text).toMatch(/Hand over /);
  expect(overview).toContain(`](${name})`);
});

it('there is one for each program that people were promised', () => {
  const promised =
    'thunderbird thunderbird-android apple-mail ios-smime outlook-gpg4win mailvelope roundcube mutt';
  expect(pages.map((name) => name.replace('.md', ''))).toEqual(expect.arrayContaining(promised.split(' ')));
});
