// Whom Debian's control file names as the one who answers for the package (Debian Policy 5.6.2): nobody is made up.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';

/**
 * Who builds, by the variables that Debian's tools know (debchange(1)); else who made the last commit, so that equal sources give
 * equal bytes; else, as debchange(1) guesses, the account on this machine.
 * @param {Record<string, string | undefined>} environment DEBEMAIL, which may be "NAME <ADDRESS>", and DEBFULLNAME
 * @param {string} author of the last commit, "NAME <ADDRESS>"; '' where there is no commit
 * @param {string} account "NAME <ADDRESS>"
 * @returns {string} "NAME <ADDRESS>"
 * @throws {Error} where DEBEMAIL has no name, and DEBFULLNAME is not set
 */
export function maintainerOf({ DEBEMAIL = '', DEBFULLNAME = '' }, author, account) {
  const given = DEBEMAIL.trim();
  if (given === '') return author === '' ? account : author;
  const [, name = '', address = given] = /^(.*?)\s*<([^<>]+)>$/.exec(given) ?? [];
  const called = DEBFULLNAME.trim() || name;
  if (called === '')
    throw new Error(`DEBEMAIL is ${given}, without a name: set DEBFULLNAME, too (Debian Policy 5.6.2)`);
  return `${called} <${address}>`;
}

/** @param {string} root the checkout @returns {string} as maintainerOf() takes it */
export function authorOfLastCommit(root) {
  const asked = spawnSync('git', ['log', '-1', '--format=%an <%ae>'], { cwd: root, encoding: 'utf8' });
  return asked.status === 0 ? asked.stdout.trim() : '';
}

/** @returns {string} as maintainerOf() takes it */
export function accountHere() {
  const { username } = userInfo();
  return `${username} <${username}@${mailName()}>`;
}

/** mailname(5) */
function mailName() {
  try {
    return readFileSync('/etc/mailname', 'utf8').trim() || hostname();
  } catch {
    return hostname();
  }
}
