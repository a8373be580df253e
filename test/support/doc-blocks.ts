// What becomes of each block of the pages: it is run here, a test of a long lane runs it, or it is not run, for a reason that stands
// before it. A block without a word is run; so a new one that cannot be run turns a test red.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { type Block, pagePaths, readPageAt } from './doc-pages.ts';
import { blocksOf } from './page-blocks.ts';
import { repository } from './places.ts';
import { stepsOf } from './readme-steps.ts';

export type Fate =
  /** By test/e2e/docs-commands.test.ts, as it stands. */
  | { readonly kind: 'run'; readonly as: 'shell' | 'SQL' }
  /** By a test that reads the page. */
  | { readonly kind: 'lane'; readonly tests: readonly string[]; readonly name: string | null }
  | { readonly kind: 'not run'; readonly because: string }
  /** The forms of commands: what may stand there. */
  | { readonly kind: 'synopsis' }
  /** No commands: settings, mail, a picture. */
  | { readonly kind: 'shown'; readonly what: string }
  /** Made by a program of docs/. */
  | { readonly kind: 'written'; readonly by: string };

export interface KnownBlock extends Block {
  readonly fate: Fate;
}

/** Every block of every page. @throws an Error that names the block whose comment is none of these */
export function everyBlock(): readonly KnownBlock[] {
  return pagePaths().flatMap((path) =>
    readPageAt(path).blocks.map((block) => ({ ...block, fate: fateOf(block) })),
  );
}

/** Pure. @throws an Error that names the block whose comment is of no known kind */
export function fateOf(block: Block): Fate {
  const { comment, above, inStep } = block;
  const written = captured(above, /^written by (\S+)$/);
  if (written !== null) return { kind: 'written', by: written };
  const [, name = null] = /^block: (\S+)$/.exec(comment) ?? [];
  const named = captured(above, /^the named blocks of this page are run by (.+)$/);
  if (name !== null && named !== null) return { kind: 'lane', tests: named.split(', '), name };
  const steps = captured(above, /^the steps of this section are run by (.+)$/);
  if (comment === '' && inStep && steps !== null)
    return { kind: 'lane', tests: steps.split(', '), name: null };
  if (comment === '') return { kind: 'run', as: 'shell' };
  if (comment === 'run as SQL') return { kind: 'run', as: 'SQL' };
  if (comment === 'synopsis') return { kind: 'synopsis' };
  const [, kind, words = ''] = /^(not run|shown): (\S[\s\S]{3,})$/.exec(comment) ?? [];
  if (kind === 'not run') return { kind, because: words };
  if (kind === 'shown') return { kind, what: words };
  throw new Error(`${nameOf(block)}: the comment "${comment}" says nothing that is known`);
}

function captured(comments: readonly string[], form: RegExp): string | null {
  for (const each of comments) {
    const found = form.exec(each)?.[1];
    if (found !== undefined) return found;
  }
  return null;
}

/** A block as a failing test names it. */
export function nameOf({ page, text }: Pick<Block, 'page' | 'text'>): string {
  return `${page}: ${text.split('\n', 1)[0]}`;
}

/** Lines that begin like a command that is typed. */
const TYPED =
  /^\s*(?:[#$%] )?(?:sudo )?(?:sealpost(?:-pull|-pipe)? [a-z-]|(?:npm|npx|apt|apt-get|postconf|postmap|postfix|postsuper|postqueue|mailq|systemctl|journalctl|docker|podman|gpg|sq|swaks|curl|createdb|psql|promtool|adduser|install|touch|git|setpriv|ssh) [\w./'"-])/;

/**
 * What is wrong with what a block says of itself.
 * @returns sentences; none: what it says is true
 */
export function complaintsAbout(block: KnownBlock): readonly string[] {
  const { fate } = block;
  switch (fate.kind) {
    case 'run':
      return /^\s*[$%#] /m.test(block.text.replaceAll(/ # .*$/gm, ''))
        ? ['has a prompt, which nobody can copy']
        : [];
    case 'lane':
      return fate.tests.flatMap((test) => complaintsAboutLane(block, test, fate.name));
    case 'not run':
    case 'synopsis':
      return [];
    case 'shown': {
      const typed = block.text.split('\n').find((line) => TYPED.test(line));
      return typed === undefined ? [] : [`is said to be no commands, and has "${typed.trim()}"`];
    }
    case 'written':
      return isFile(fate.by) && everyTest('test/unit').some((test) => textOf(test).includes(`/${fate.by}'`))
        ? []
        : [`is said to be written by ${fate.by}, which no unit test holds it to`];
  }
}

/** A test reads the page itself, and finds this very block in it. */
function complaintsAboutLane(block: KnownBlock, test: string, name: string | null): readonly string[] {
  if (!/^test\/long\/.+\.test\.ts$/.test(test) || !isFile(test)) return [`names ${test}, which is no test`];
  const text = readsOf(test).map(textOf).join('\n');
  const page = textOf(block.page);
  if (name !== null) {
    const read = block.page.replace(/^docs\//, '');
    if (!text.includes(`blocksOf(readPage('${read}'))`))
      return [`names ${test}, which does not read the page`];
    if (blocksOf(page).get(name) !== block.text) return ['is not the block that the test finds by this name'];
    return [];
  }
  if (block.page !== 'README.md' || !text.includes(`stepsOf(readReadme(), '${block.section}')`))
    return [`names ${test}, which does not read the section`];
  const steps = stepsOf(page, block.section);
  return block.text
    .split('\n')
    .filter((line) => line !== '' && !steps.includes(line))
    .map((line) => `"${line}" is no step that ${test} finds`);
}

/** The test, and what it imports of the tests and their stands, at any distance. */
function readsOf(test: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(test) || !isFile(test)) return [];
  seen.add(test);
  for (const [, target = ''] of textOf(test).matchAll(/ from '(\.[^']+)'/g)) {
    const path = relative(repository, resolve(repository, dirname(test), target));
    if (path.startsWith('test/')) readsOf(path, seen);
  }
  return [...seen];
}

function everyTest(folder: string): readonly string[] {
  return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${folder}/${name}`);
}

function textOf(path: string): string {
  return readFileSync(join(repository, path), 'utf8');
}

function isFile(path: string): boolean {
  return statSync(join(repository, path), { throwIfNoEntry: false })?.isFile() === true;
}
