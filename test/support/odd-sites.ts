// Configuration folders as people leave them: what Postfix reads all the same, a wiring has to leave as it is.
import { lstatSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesOf, makeSite, runPostfix, type WiredSite } from './applied-suite.ts';

type Change = (site: WiredSite) => void;

const edit =
  (name: 'main.cf' | 'master.cf', change: (text: string) => string): Change =>
  ({ etc }) =>
    writeFileSync(join(etc, name), change(readFileSync(join(etc, name), 'latin1')), 'latin1');

const both =
  (...changes: readonly Change[]): Change =>
  (site) => {
    for (const change of changes) change(site);
  };

const unended = (text: string): string => text.replace(/\n+$/, '');
const carriage = (text: string): string => text.replaceAll('\n', '\r\n');

/** By what is odd about them. */
const ODD = {
  'ends without a newline': both(edit('main.cf', unended), edit('master.cf', unended)),
  'has CR LF': both(edit('main.cf', carriage), edit('master.cf', carriage)),
  'says things twice, over lines with comments between': edit(
    'main.cf',
    (text) =>
      `${text}relayhost = a.example\nvirtual_transport = error\nvirtual_transport =\n# Why.\n\n  virtual\nrelayhost = b.example\nmailbox_transport =\n`,
  ),
  'has a commented service with options that are none, and words in Latin-1': both(
    edit('master.cf', (text) => `${text}#submission inet n - y - - smtpd\n  -o syslog_name=postfix/odd\n`),
    edit('main.cf', (text) => `# Gr\xfc\xdfe\n${text}mail_name = Gr\xfc\xdfe\n`),
  ),
  'is a symbolic link': ({ etc }) => {
    renameSync(join(etc, 'main.cf'), join(etc, '..', 'kept.cf'));
    symlinkSync('../kept.cf', join(etc, 'main.cf'));
  },
} as const satisfies Readonly<Record<string, Change>>;

type Odd = keyof typeof ODD;
const EVERY = Object.keys(ODD) as Odd[];

/** Every wiring of a list in every odd folder: applied, applied again, and taken back to the byte, with a line behind it kept. */
export function describeOddSites(names: readonly string[], odd: readonly Odd[] = EVERY): void {
  describe.each(odd)('a configuration that %s', (oddity) => {
    it.each(names)('takes %s, and is to the byte what it was after undo', async (name) => {
      const site = makeSite();
      ODD[oddity](site);
      const before = filesOf(site);
      const isLink = lstatSync(join(site.etc, 'main.cf')).isSymbolicLink();
      expect(await runPostfix(site, 'apply', name)).toMatchObject({ code: 0, said: { applied: true } });
      const after = filesOf(site);
      expect(await runPostfix(site, 'apply', name)).toMatchObject({ code: 0, said: { changes: false } });
      expect(filesOf(site)).toEqual(after);
      expect(await runPostfix(site, 'undo')).toMatchObject({ code: 0, said: { to_the_byte: true } });
      expect(filesOf(site)).toEqual(before);

      expect(await runPostfix(site, 'apply', name)).toMatchObject({ code: 0, said: { applied: true } });
      edit('main.cf', (text) => `${text}relay_domains =\n`)(site);
      expect(await runPostfix(site, 'undo')).toMatchObject({ code: 1, said: { undone: false } });
      expect(await runPostfix(site, 'undo', '--keep-changes')).toMatchObject({ code: 0 });
      const [main = '', master = ''] = before;
      expect(filesOf(site)).toEqual([`${main}${main.endsWith('\n') ? '' : '\n'}relay_domains =\n`, master]);
      expect(lstatSync(join(site.etc, 'main.cf')).isSymbolicLink()).toBe(isLink);
    });
  });
}
