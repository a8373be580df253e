// The pages of the repository as Markdown has them: every block of code, with the comments that say what becomes of it.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { lexer, type Token, type Tokens } from 'marked';
import { repository } from './places.ts';

/** A block of code, fenced or indented. */
export interface Block {
  /** Relative to the repository. */
  readonly page: string;
  /** Without the indentation. */
  readonly text: string;
  /** Text of the comment right before it, or ''. */
  readonly comment: string;
  /** The section (`## ...`) that it stands in, or ''. */
  readonly section: string;
  /** It stands below a numbered step. */
  readonly inStep: boolean;
  /** What a comment of the page or the section says of all its blocks: the newest one first. */
  readonly above: readonly string[];
}

export interface Page {
  readonly path: string;
  readonly blocks: readonly Block[];
  /** Code within sentences. */
  readonly spans: readonly string[];
}

const SKIPPED = new Set(['node_modules', 'dist']);
const COMMENT = /^<!--\s*([\s\S]*?)\s*-->$/;
/** Comments that are about more than the next block. */
const WIDE = /^(the (?:steps of this section|named blocks of this page) |written by |end of what )/;

/** Paths of every Markdown page of the checkout that is tested. */
export function pagePaths(folder = repository): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.name.startsWith('.') || SKIPPED.has(entry.name)) return [];
      if (entry.isDirectory()) return pagePaths(path);
      return entry.name.endsWith('.md') ? [relative(repository, path)] : [];
    })
    .toSorted();
}

/** A page of the checkout that is tested. */
export function readPageAt(path: string): Page {
  return parsePage(path, readFileSync(join(repository, path), 'utf8'));
}

interface Walk {
  readonly page: string;
  readonly blocks: Block[];
  readonly spans: string[];
  comment: string;
  section: string;
  wide: string[];
}

/** Pure. @param path shown in what is found. @throws an Error where what a program wrote has no end */
export function parsePage(path: string, text: string): Page {
  const walk: Walk = { page: path, blocks: [], spans: [], comment: '', section: '', wide: [] };
  visit(walk, lexer(text), false);
  const open = walk.wide.find((each) => each.startsWith('written by '));
  if (open !== undefined) throw new Error(`${path}: "${open}" has no end`);
  return { path, blocks: walk.blocks, spans: walk.spans };
}

function visit(walk: Walk, tokens: readonly Token[], inStep: boolean): void {
  for (const token of tokens) {
    if (token.type === 'space') continue;
    if (token.type === 'html') {
      note(walk, token.raw.trim());
      continue;
    }
    if (token.type === 'code') keep(walk, token as Tokens.Code, inStep);
    walk.comment = '';
    if (token.type === 'heading') enter(walk, token as Tokens.Heading);
    if (token.type === 'list') {
      const { items, ordered } = token as Tokens.List;
      for (const item of items) visit(walk, item.tokens, inStep || ordered);
    } else if (token.type === 'blockquote') visit(walk, token.tokens ?? [], inStep);
    else collectSpans(walk, token);
  }
}

function note(walk: Walk, raw: string): void {
  const comment = COMMENT.exec(raw)?.[1] ?? '';
  if (!WIDE.test(comment)) walk.comment = comment;
  else if (comment.startsWith('end of what ')) walk.wide = walk.wide.slice(1);
  else walk.wide = [comment, ...walk.wide];
}

function enter(walk: Walk, { depth, text }: Tokens.Heading): void {
  if (depth !== 2) return;
  walk.section = text;
  walk.wide = walk.wide.filter((each) => !each.startsWith('the steps of this section '));
}

function keep(walk: Walk, { text }: Tokens.Code, inStep: boolean): void {
  const { page, comment, section, wide } = walk;
  walk.blocks.push({ page, text: `${text.trimEnd()}\n`, comment, section, inStep, above: wide });
}

/** A table keeps its cells elsewhere than other tokens keep what is in them. */
function collectSpans(walk: Walk, token: Token): void {
  if (token.type === 'codespan') walk.spans.push((token as Tokens.Codespan).text);
  if (token.type === 'table') {
    const { header, rows } = token as Tokens.Table;
    for (const cell of [...header, ...rows.flat()]) for (const each of cell.tokens) collectSpans(walk, each);
  }
  if ('tokens' in token) for (const each of token.tokens ?? []) collectSpans(walk, each);
}
