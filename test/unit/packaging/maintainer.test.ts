// Who the package names as its maintainer.
// @module-tag slow
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { accountHere, authorOfLastCommit, maintainerOf } from '../../../packaging/maintainer.mjs';
import { repository } from '../../support/places.ts';

const AUTHOR = 'Ada Author <ada@example.org>';
const ACCOUNT = 'root <root@mail.example.org>';

describe('who answers for the Debian package', () => {
  it.each([
    [
      'Debian’s variables',
      { DEBEMAIL: 'bea@example.org', DEBFULLNAME: 'Bea B.' },
      'Bea B. <bea@example.org>',
    ],
    ['one variable', { DEBEMAIL: 'Bea B. <bea@example.org>' }, 'Bea B. <bea@example.org>'],
    [
      'a name of its own before that of the address',
      { DEBEMAIL: 'Bea <bea@example.org>', DEBFULLNAME: 'Beatrix' },
      'Beatrix <bea@example.org>',
    ],
    ['an empty variable', { DEBEMAIL: ' ' }, AUTHOR],
    ['a name alone', { DEBFULLNAME: 'Beatrix' }, AUTHOR],
    ['nothing', {}, AUTHOR],
  ] as const)('is named by %s', (_, environment, expected) => {
    expect(maintainerOf(environment, AUTHOR, ACCOUNT)).toBe(expected);
  });

  it('is the account on this machine, where there is no commit', () => {
    expect(maintainerOf({}, '', ACCOUNT)).toBe(ACCOUNT);
    expect(accountHere()).toMatch(/^(\S+) <\1@\S+>$/);
  });

  it('is not without a name', () => {
    expect(() => maintainerOf({ DEBEMAIL: 'bea@example.org' }, AUTHOR, ACCOUNT)).toThrow(
      'DEBEMAIL is bea@example.org, without a name: set DEBFULLNAME, too',
    );
  });

  it('is the author of the last commit of a checkout, and nobody in a folder without one', () => {
    const { status } = spawnSync('git', ['rev-parse'], { cwd: repository });
    if (status === 0) expect(authorOfLastCommit(repository)).toMatch(/^.+ <\S+@\S+>$/);
    expect(authorOfLastCommit('/')).toBe('');
  });
});
