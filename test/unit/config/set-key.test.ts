// `config set`: which line is changed, what stays, and what is refused.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { setKey } from '../../../src/cli/config-set.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { describeConfig } from '../../../src/config/describe.ts';
import { setInToml } from '../../../src/config/edit.ts';
import { parseLayer } from '../../../src/config/layers.ts';
import { holdsPassword, planKey } from '../../../src/config/set-key.ts';

const set = (text: string, key: string, value: string | boolean | string[]) =>
  setInToml(text, key.split('.'), value);

describe('a value is written', () => {
  it.each([
    [
      'in its place, the comment behind it kept',
      'a = 1\n[filter]\nnext_hop = "x" # why\nb = 2\n',
      'a = 1\n[filter]\nnext_hop = "v" # why\nb = 2\n',
    ],
    [
      'with the blanks of its line',
      '[filter]\n  next_hop   =  "x"   #why',
      '[filter]\n  next_hop   =  "v"   #why',
    ],
    ['behind the # of a text', '[filter]\nnext_hop = "#x" # y', '[filter]\nnext_hop = "v" # y'],
    [
      'over a list of several lines',
      '[filter]\nnext_hop = [ # one\n  "a", # two\n  "b",\n] # three\nz = 1',
      '[filter]\nnext_hop = "v" # three\nz = 1',
    ],
    [
      'over a text of several lines that looks like TOML',
      '[filter]\nnext_hop = """\n[other]\nnext_hop = 1\n"""\n',
      '[filter]\nnext_hop = "v"\n',
    ],
    ['under a dotted name', 'filter.next_hop = "x"\n', 'filter.next_hop = "v"\n'],
    ['under a quoted name', '["filter"]\n"next_hop" = "x"\n', '["filter"]\n"next_hop" = "v"\n'],
    [
      'behind the last value of its table',
      '# head\n[filter]\na = 1\n\n# next\n[other]\nb = 1\n',
      '# head\n[filter]\na = 1\nnext_hop = "v"\n\n# next\n[other]\nb = 1\n',
    ],
    [
      'below its commented-out example',
      '[filter]\na = 1\n# next_hop = "e"\n\n[other]\n',
      '[filter]\na = 1\n# next_hop = "e"\nnext_hop = "v"\n\n[other]\n',
    ],
    ['into an empty table', '[filter]\n\n[other]\n', '[filter]\nnext_hop = "v"\n\n[other]\n'],
    ['into a table of its own', 'a = 1', 'a = 1\n\n[filter]\nnext_hop = "v"\n'],
    ['into an empty file', '', '[filter]\nnext_hop = "v"\n'],
    [
      'beside a list of tables of the same table',
      '[filter]\na = 1\n[[filter.listen]]\nnext_hop = "own"\n',
      '[filter]\na = 1\nnext_hop = "v"\n[[filter.listen]]\nnext_hop = "own"\n',
    ],
    [
      'beside a list of tables without it',
      '[[filter.listen]]\nx = 1\n',
      '[[filter.listen]]\nx = 1\n\n[filter]\nnext_hop = "v"\n',
    ],
  ])('%s', (_how, text, expected) => {
    const changed = set(text, 'filter.next_hop', 'v');
    // What the TOML library does not read back is not written at all.
    if (changed === null) expect(() => parse(expected)).toThrow();
    else expect(changed).toBe(expected);
  });

  it('at the top, behind the comments that the file begins with', () => {
    expect(set('# head\n\n[filter]\na = 1\n', 'hostname', 'v')).toBe(
      '# head\nhostname = "v"\n\n[filter]\na = 1\n',
    );
    expect(set('a = 1\n\n[filter]\n', 'hostname', 'v')).toBe('a = 1\nhostname = "v"\n\n[filter]\n');
  });

  it('as TOML has it', () => {
    expect(set('', 'keys.allow_sha1', true)).toBe('[keys]\nallow_sha1 = true\n');
    expect(set('', 'hostname', 'a"b\\c')).toBe('hostname = "a\\"b\\\\c"\n');
    expect(parse(set('', 'receiver.spool', ['/a', '/b']) ?? '')).toEqual({
      receiver: { spool: ['/a', '/b'] },
    });
  });

  it('into the annotated default file, everything else untouched', () => {
    const text = describeConfig();
    const changed = set(set(text, 'filter.next_hop', 'v') ?? '', 'hostname', 'mx.example.org') ?? '';
    expect(changed.split('\n').filter((line) => !text.split('\n').includes(line))).toEqual([
      'hostname = "mx.example.org"',
      'next_hop = "v"',
    ]);
    expect(changed.split('\n')).toHaveLength(text.split('\n').length + 1);
  });

  it.each([
    ['an inline table', 'filter = { a = 1 }\n'],
    ['a value where the table should be', 'filter = 1\n'],
  ])('not into %s', (_what, text) => {
    expect(set(text, 'filter.next_hop', 'v')).toBeNull();
  });
});

describe('a key', () => {
  const layer = (text: string, path = '/f') => parseLayer({ path, text, guarded: false });
  const plan = (key: string, typed: string, ...texts: string[]) =>
    planKey(
      texts.map((text, at) => layer(text, `/f${at}`)),
      key,
      typed,
      '/',
      {},
    );

  it.each([
    ['filter.nexthop', 'x', '"next_hop" (did you mean that?)'],
    ['next_hop', 'x', '"filter.next_hop" (did you mean that?)'],
    ['nothing.like.it', 'x', 'found an unknown key'],
    ['hostname.more', 'x', 'hostname.more: found an unknown key'],
    ['filter', 'x', 'filter is a table'],
    ['filter.listen', 'x', 'filter.listen is a list of tables'],
    ['filter.next_hop', '10026', 'filter.next_hop: found "10026"; expected a next hop such as'],
    ['keys.allow_sha1', 'perhaps', 'keys.allow_sha1: found "perhaps"; expected true or false'],
    ['observe.log_level', 'loud', 'expected one of "trace"'],
    ['filter.max_recipients', '0', 'expected a whole number from 1'],
    ['filter.next_hop', 'lmtp:127.0.0.1:10024', 'filter.next_hop'],
    ['receiver.listen', '["127.0.0.1:1", "nonsense"]', 'receiver.listen[1]: found "nonsense"'],
  ])('%s = %s is refused', (key, typed, expected) => {
    const change = plan(key, typed, '');
    expect(change).toMatchObject({ kind: 'refused', because: expect.stringContaining(expected) });
  });

  it.each([
    ['filter.next_hop', 'lmtp:unix:/run/dovecot/lmtp', 'next_hop = "lmtp:unix:/run/dovecot/lmtp"'],
    ['keys.allow_sha1', 'true', 'allow_sha1 = true'],
    ['encryption.encrypt', 'false', 'encrypt = false'],
    ['filter.max_recipients', '50', 'max_recipients = 50'],
    ['filter.max_message_size', '25MB', 'max_message_size = "25MB"'],
    ['hostname', '12', 'hostname = "12"'],
    ['receiver.spool', '/var/spool/x', 'spool = "/var/spool/x"'],
    ['receiver.spool', '["/a", "/b"]', 'spool = [ "/a", "/b" ]'],
    ['recipient_delimiter', '', 'recipient_delimiter = ""'],
  ])('%s = %s is taken', (key, typed, expected) => {
    expect(plan(key, typed, '')).toMatchObject({ kind: 'change', text: expect.stringContaining(expected) });
  });

  it('is changed in the file that has the last word on it', () => {
    const texts = ['hostname = "a"\n[filter]\nmemory_budget = "300MB"\n', 'hostname = "b"\n', '[filter]\n'];
    expect(plan('hostname', 'c', ...texts)).toMatchObject({ file: '/f1', text: 'hostname = "c"\n' });
    expect(plan('filter.max_message_size', '1MB', ...texts)).toMatchObject({ file: '/f0' });
    expect(plan('hostname', 'b', ...texts)).toMatchObject({ kind: 'nothing' });
  });

  it('of a file that is wrong elsewhere can be mended', () => {
    const text = 'nonsense = 1\n[observe]\nlog_level = "loud"\n';
    expect(plan('observe.log_level', 'warn', text)).toMatchObject({ kind: 'change' });
    expect(plan('observe.log_level', 'louder', text)).toMatchObject({ kind: 'refused' });
  });
});

describe('config set', () => {
  const scratch: string[] = [];
  afterEach(() => {
    for (const each of scratch.splice(0)) rmSync(each, { recursive: true, force: true });
    vi.restoreAllMocks();
    process.exitCode = undefined;
  });
  function file(text: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'sealpost-set-'));
    scratch.push(folder);
    mkdirSync(join(folder, 'conf.d'));
    writeFileSync(join(folder, 'sealpost.toml'), text);
    return join(folder, 'sealpost.toml');
  }

  it('keeps the mode of the file, and says what it wrote', async () => {
    const path = file('# mine\n');
    chmodSync(path, 0o640);
    expect(await setKey('hostname', 'mx1', { path })).toMatchObject({ kind: 'change', file: path });
    expect(readFileSync(path, 'utf8')).toBe('# mine\nhostname = "mx1"\n');
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('takes no password from the command line', async () => {
    const path = file('');
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const program = await createProgram('config');
    const url = 'postgres://sealpost:secret@db.example.org/sealpost';
    await program.parseAsync(['config', 'set', 'database.url', url, '--config', path], { from: 'user' });
    expect(process.exitCode).toBe(2);
    expect(readFileSync(path, 'utf8')).toBe('');
  });

  it.each([
    ['postgres://u:secret@h/d', true],
    ['postgres://h/d?password=x', true],
    ['postgres://u@h/d', false],
    ['lmtp:unix:/run/x', false],
  ])('%s holds a password: %s', (typed, expected) => {
    expect(holdsPassword(typed)).toBe(expected);
  });
});
