// Every block of commands in README and in every other page is run by a test, or says why not; how many there are is printed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { complaintsAbout, everyBlock, fateOf, type KnownBlock, nameOf } from '../../support/doc-blocks.ts';
import { pagePaths, parsePage, readPageAt } from '../../support/doc-pages.ts';
import { repository } from '../../support/places.ts';
import { callsIn, formsOf, refusalOf } from '../../support/sealpost-calls.ts';

const blocks = everyBlock();
const scripts = (
  JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
).scripts;

const ofKind = (kind: KnownBlock['fate']['kind']): readonly KnownBlock[] =>
  blocks.filter(({ fate }) => fate.kind === kind);

async function refusalsIn(text: string): Promise<readonly string[]> {
  const said = await Promise.all(
    callsIn(text).map(async (words) => [words.join(' '), await refusalOf(words)] as const),
  );
  return said.flatMap(([call, refusal]) => (refusal === null ? [] : [`sealpost ${call}: ${refusal}`]));
}

describe('the blocks of the pages', () => {
  it('are what they say that they are', () => {
    expect(pagePaths()).toEqual(
      expect.arrayContaining(['README.md', 'docs/backup.md', 'docs/reading/mutt.md']),
    );
    const wrong = blocks.flatMap((block) => complaintsAbout(block).map((each) => `${nameOf(block)} ${each}`));
    expect(wrong).toEqual([]);
  });

  it('are counted', () => {
    const run = ofKind('run');
    const lanes = ofKind('lane');
    const left = ofKind('not run');
    // What a reader may copy; settings, mail and pictures are no commands.
    const total = run.length + lanes.length + left.length;
    const reasons = left.map((block) =>
      block.fate.kind === 'not run' ? `\n  ${nameOf(block)}\n    ${block.fate.because}` : '',
    );
    process.stdout.write(
      `\n${total} command blocks: ${run.length} run by test/e2e/docs-commands.test.ts, ${lanes.length} run by long lanes, ` +
        `${left.length} not run:${reasons.join('')}\n` +
        `Beside them ${ofKind('synopsis').length} synopses, ${ofKind('shown').length} shown settings and samples, ` +
        `${ofKind('written').length} written by programs.\n`,
    );
    expect(run.length).toBeGreaterThanOrEqual(20);
    expect(lanes.length).toBeGreaterThanOrEqual(25);
    expect(reasons.length).toBeLessThanOrEqual(30);
  });

  it('name commands, arguments and options that there are, whether they are run or not', async () => {
    const kinds = blocks.filter(({ fate }) => fate.kind !== 'written' && fate.kind !== 'synopsis');
    const wrong = await Promise.all(
      kinds.map(async (block) => (await refusalsIn(block.text)).map((said) => `${nameOf(block)}: ${said}`)),
    );
    expect(wrong.flat()).toEqual([]);
    expect(kinds.flatMap(({ text }) => callsIn(text)).length).toBeGreaterThan(60);
    // The first of them loads the whole command line.
  }, 120_000);

  it('show forms of commands that there are', async () => {
    const forms = ofKind('synopsis').flatMap(({ text }) => formsOf(text));
    expect(forms.length).toBeGreaterThan(5);
    expect(forms.filter((line) => callsIn(line).length !== 1)).toEqual([]);
    expect((await Promise.all(forms.map(refusalsIn))).flat()).toEqual([]);
  });

  it('name scripts of npm that there are', () => {
    const named = blocks.flatMap(({ text }) =>
      [...text.matchAll(/\bnpm (?:run )?(quickstart|dev|test(?::\w+)?|build|bench|package:\w+)\b/g)].map(
        ([, name = '']) => name,
      ),
    );
    expect(named.length).toBeGreaterThan(4);
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });

  it('set keys that there are, to values that they take', () => {
    const texts = [
      ...blocks.map(({ text }) => text),
      ...pagePaths().flatMap((path) => readPageAt(path).spans.map(unescaped)),
    ];
    const set = texts
      .flatMap((text) => callsIn(text))
      .filter(([first, second]) => first === 'config' && second === 'set');
    const given = set.flatMap(([, , key, value]) =>
      key === undefined || value === undefined || key === 'KEY' ? [] : [[key, value] as const],
    );
    expect(given.length).toBeGreaterThan(8);
    for (const [key, value] of given) expect(() => setting(key, value), `${key} ${value}`).not.toThrow();
    expect(() => setting('filter.nexthop', 'x')).toThrow('nexthop');
  });

  it('show settings that sealpost.toml takes', () => {
    const settings = blocks.filter(({ fate }) => fate.kind === 'shown' && fate.what === 'sealpost.toml');
    expect(settings.length).toBeGreaterThanOrEqual(5);
    for (const block of settings) expect(() => load(block.text), nameOf(block)).not.toThrow();
    expect(() => load('[receiver]\nspol = "x"\n')).toThrow('spol');
  });
});

describe('commands within sentences', () => {
  it.each(pagePaths())('of %s are there', async (path) => {
    const wrong = await Promise.all(
      readPageAt(path)
        .spans.filter((span) => /^sealpost [a-z]/.test(span))
        .map((span) => refusalsOfSpan(unescaped(span))),
    );
    expect(wrong.flat()).toEqual([]);
  });
});

/** A sentence may leave out what a command cannot do without. */
async function refusalsOfSpan(span: string): Promise<readonly string[]> {
  const refusals = await Promise.all(formsOf(span).map(refusalsIn));
  return refusals.flat().filter((said) => !/missing required argument|: Usage: |not specified/.test(said));
}

/** As a reader sees it: code within sentences has its signs escaped for HTML. */
function unescaped(span: string): string {
  return span
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}

/** As `config set` reads a value: quotes may be left out. */
function setting(key: string, value: string): void {
  try {
    load(`${key} = ${value}\n`);
  } catch {
    load(`${key} = ${JSON.stringify(value)}\n`);
  }
}

function load(text: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'sp-shown-'));
  try {
    const path = join(folder, 'sealpost.toml');
    writeFileSync(path, text);
    loadConfig({ path, env: {} });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('settings within sentences', () => {
  const tables = [
    'database',
    'filter',
    'policy',
    'receiver',
    'observe',
    'portal',
    'notices',
    'trace',
    'log',
    'encryption',
    'smime',
    'pipe',
    'postfix',
  ];
  const form = new RegExp(`^(?:${tables.join('|')})\\.(?!toml$|md$|ts$|key$|so$)[a-z_]+(?:\\.[a-z_]+)?$`);

  it('are there', () => {
    const named = pagePaths().flatMap((path) =>
      readPageAt(path)
        .spans.filter((span) => form.test(span))
        .map((span) => [path, span] as const),
    );
    expect(named.length).toBeGreaterThan(50);
    const wrong = named.filter(([, key]) => /found an unknown key/.test(refusalOfSetting(key)));
    expect(wrong).toEqual([]);
    expect(refusalOfSetting('filter.nexthop')).toMatch(/found an unknown key/);
  });
});

function refusalOfSetting(key: string): string {
  try {
    load(`${key} = "x"\n`);
    return '';
  } catch (error) {
    return String(error);
  }
}

describe('README', () => {
  it('leads to every page of docs', () => {
    const readme = readFileSync(join(repository, 'README.md'), 'utf8');
    const pages = pagePaths().filter((path) =>
      /^docs\/(?:[^/]+|recipes\/[^/]+|reading\/README)\.md$/.test(path),
    );
    expect(pages.length).toBeGreaterThan(18);
    expect(pages.filter((path) => !readme.includes(`](${path})`))).toEqual([]);
  });
});

describe('a block', () => {
  const one = (text: string): KnownBlock => {
    const [block] = parsePage('docs/page.md', text).blocks;
    if (block === undefined) throw new Error('no block');
    return { ...block, fate: fateOf(block) };
  };

  it.each([
    ['fenced', '```sh\nsealpost status\n```\n'],
    ['fenced, without a language', 'Text.\n\n```\nsealpost status\n```\n'],
    ['indented', 'Text.\n\n    sealpost status\n'],
    ['below a step', '1. Do.\n\n       sealpost status\n'],
    ['below a step within a step', '- a\n  1. Do.\n\n     ```\n     sealpost status\n     ```\n'],
    ['in a quotation', '> ```\n> sealpost status\n> ```\n'],
  ])('%s, with nothing said, is run', (_name, text) => {
    expect(one(text)).toMatchObject({ text: 'sealpost status\n', fate: { kind: 'run', as: 'shell' } });
  });

  it('is not run for a reason, which must be one', () => {
    expect(one('<!-- not run: needs Docker -->\n\n    docker ps\n').fate).toEqual({
      kind: 'not run',
      because: 'needs Docker',
    });
    for (const comment of ['not run', 'not run:', 'not run: x', 'skipped', 'shown'])
      expect(() => one(`<!-- ${comment} -->\n\n    docker ps\n`), comment).toThrow('nothing that is known');
  });

  it('that is far from a comment is not meant by it', () => {
    expect(one('<!-- not run: needs Docker -->\n\nText.\n\n    docker ps\n').fate.kind).toBe('run');
  });

  it('is written by a program up to the comment that ends that, which must stand there', () => {
    const begun = '<!-- written by docs/x.ts -->\n\n    docker ps\n';
    const text = `${begun}\n<!-- end of what docs/x.ts wrote -->\n\nText.\n\n    docker ps\n`;
    expect(parsePage('docs/page.md', text).blocks.map((block) => fateOf(block).kind)).toEqual([
      'written',
      'run',
    ]);
    expect(() => parsePage('docs/page.md', begun)).toThrow('has no end');
  });

  it('that is said to be no commands has none', () => {
    const block = one('<!-- shown: a sample -->\n\n    x = 1\n    sealpost status\n');
    expect(complaintsAbout(block)).toEqual(['is said to be no commands, and has "sealpost status"']);
  });

  it('of a lane is believed only where a test of the lane reads it', () => {
    const named = (test: string) =>
      complaintsAbout(
        one(
          `<!-- the named blocks of this page are run by ${test} -->\n\nText.\n\n<!-- block: a -->\n\n    true\n`,
        ),
      );
    expect(named('test/long/signers/none.test.ts')).toEqual([
      'names test/long/signers/none.test.ts, which is no test',
    ]);
    const steps = (test: string) =>
      complaintsAbout({
        ...one(`<!-- the steps of this section are run by ${test} -->\n\n1. Do.\n\n       rm -r x\n`),
        page: 'README.md',
        section: 'Installing',
      });
    expect(steps('test/long/signers/mailboxes.test.ts')).toEqual([
      'names test/long/signers/mailboxes.test.ts, which does not read the section',
    ]);
    expect(steps('test/long/package/debian.test.ts')).toEqual([
      '"rm -r x" is no step that test/long/package/debian.test.ts finds',
    ]);
  });
});
