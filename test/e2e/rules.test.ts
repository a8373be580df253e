// Rules before sealing over a real PostgreSQL: the commands, a running engine that follows them, `explain` and `encrypt`.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerEncrypt } from '../../src/cli/encrypt.ts';
import { registerExplain } from '../../src/cli/explain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerLookup } from '../../src/cli/lookup.ts';
import { registerRule } from '../../src/cli/rule.ts';
import { registerUser } from '../../src/cli/user.ts';
import { type Engine, openEngine } from '../../src/delivery/engine.ts';
import { formatReply } from '../../src/smtp/replies.ts';
import { makeKey } from '../support/make-keys.ts';
import { listedHop, mail, openTrial, silent, type Trial, textOf } from '../support/trial.ts';

const ALICE = 'alice@example.org';
const BOB = 'bob@example.org';
const MESSAGE =
  'From: <bank@bank.example>\r\nSubject: =?utf-8?B?w5xiZXJ3ZWlzdW5n?=\r\nList-Id: <announce.example>\r\n\r\nThe body.\r\n';

let trial: Trial;
let engine: Engine;
const hop = listedHop();
const observed = silent();

beforeAll(async () => {
  trial = await openTrial([
    registerDomain,
    registerUser,
    registerKey,
    registerRule,
    registerExplain,
    registerEncrypt,
    registerLookup,
  ]);
  await trial.json('domain', 'add', 'example.org');
  for (const address of [ALICE, BOB]) await trial.json('user', 'add', address);
  const key = await makeKey('curve25519-legacy');
  const armored = trial.file('alice.asc', key.secret.toPublic().armor());
  await trial.json('key', 'import', armored, '--for', ALICE, '--yes');
  await trial.json('key', 'import', armored, '--for', BOB, '--yes');
  engine = await openEngine({
    config: trial.config,
    ...observed,
    workers: 0,
    watchChanges: true,
    nextHop: hop,
  });
});

afterAll(async () => {
  await engine?.close();
  await trial?.close();
});

beforeEach(async () => {
  await trial.database.pool.query('DELETE FROM rules');
  await trial.json('user', 'set', ALICE, 'encrypt=');
});

async function add(owner: string, ...words: readonly string[]): Promise<number> {
  return ((await trial.json('rule', 'add', owner, ...words)) as { readonly id: number }).id;
}

/** `sealed`, `passed`, or the reply of a refusal; the running engine learns of a change within a second. */
async function outcome(sender: string, recipient = ALICE, message = MESSAGE): Promise<string> {
  hop.sent.length = 0;
  const { outcomes, forget } = await engine.deliverer.deliver(mail(message, recipient, sender));
  forget([0]);
  const [sent] = hop.sent;
  if (sent === undefined) return outcomes.map(({ reply }) => formatReply(reply)).join();
  if (textOf(sent).includes('Sealpost-Status: sealed')) return 'sealed';
  return textOf(sent) === message ? 'passed' : 'something else';
}

async function soon(sender: string, wanted: string, recipient = ALICE, message = MESSAGE): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (let last = ''; last !== wanted; ) {
    last = await outcome(sender, recipient, message);
    if (last !== wanted && Date.now() > deadline) throw new Error(`expected ${wanted}, still ${last}`);
    if (last !== wanted) await sleep(20);
  }
}

describe('a running engine', () => {
  it('follows rules that are added and removed, and passes the very bytes that came in', async () => {
    expect(await outcome('x@bank.example')).toBe('sealed');
    const pass = await add(ALICE, '--action', 'pass', '--sender', 'bank.example');
    await soon('x@bank.example', 'passed');
    expect(await outcome('x@other.example')).toBe('sealed');
    expect(await outcome('x@bank.example', BOB)).toBe('sealed');
    await add('@example.org', '--action', 'reject', '--sender', '*@other.example');
    await soon('x@other.example', '550 5.7.1 A rule of this recipient refuses this message', BOB);
    await soon('x@other.example', '550 5.7.1 A rule of this recipient refuses this message');
    await trial.json('rule', 'remove', String(pass), '--yes');
    await soon('x@bank.example', 'sealed');
  });

  it('counts what passes by a rule', async () => {
    await add(ALICE, '--action', 'pass', '--header', 'Subject: Überweisung');
    await soon('x@bank.example', 'passed');
    const text = await observed.metrics.registry.metrics();
    expect(text).toMatch(/sealpost_plaintext_by_choice_total\{because="rule"\} [1-9]/);
    expect(text).toMatch(/sealpost_copies_total\{action="pass",because="rule"\} [1-9]/);
  });

  it('passes the null sender only where a rule names it', async () => {
    await add(ALICE, '--action', 'pass', '--sender', '*');
    await soon('x@bank.example', 'passed');
    expect(await outcome('')).toBe('sealed');
    await add(ALICE, '--action', 'pass', '--sender', '<>');
    await soon('', 'passed');
  });

  it('seals under encrypt=off where a rule says so', async () => {
    await trial.json('user', 'set', ALICE, 'encrypt=off');
    await soon('x@bank.example', 'passed');
    await add(ALICE, '--action', 'seal', '--header', 'list-id: <announce.*>');
    await soon('x@bank.example', 'sealed');
  });

  it('goes by size, and by several conditions at once', async () => {
    await add(ALICE, '--action', 'pass', '--sender', 'bank.example', '--larger', '10kB');
    const large = `${MESSAGE}${'x'.repeat(70)}\r\n`.padEnd(20_000, `${'y'.repeat(70)}\r\n`);
    await soon('x@bank.example', 'passed', ALICE, `${large}\r\n`);
    expect(await outcome('x@bank.example')).toBe('sealed');
    expect(await outcome('x@other.example', ALICE, `${large}\r\n`)).toBe('sealed');
  });
});

describe('rule add, list and remove', () => {
  it('keep an order, in which --before places a rule, and numbers that stay', async () => {
    const first = await add(ALICE, '--action', 'pass', '--sender', 'a.example');
    const last = await add(ALICE, '--action', 'reject', '--larger', '10MB');
    const between = await add(ALICE, '--action', 'seal', '--header', 'X: y', '--before', String(last));
    const top = await add(ALICE, '--action', 'seal', '--sender', '<>', '--before', String(first));
    const domain = await add('@example.org', '--action', 'pass', '--sender', 'b.example');
    expect(await trial.json('rule', 'list', ALICE)).toMatchObject([
      { id: top, owner: ALICE, action: 'seal', sender: '<>', header: null, larger_than: null },
      { id: first, sender: '*@a.example' },
      { id: between, header: { name: 'x', pattern: 'y' } },
      { id: last, action: 'reject', larger_than: 10_000_000 },
    ]);
    expect(await trial.json('rule', 'list', '@example.org')).toMatchObject([
      { id: domain, owner: '@example.org' },
    ]);
    expect(await trial.json('rule', 'list')).toHaveLength(5);
    const removed = await trial.sealpost('rule', 'remove', String(between), '--yes');
    expect(removed).toMatchObject({ code: 0, out: `removed rule ${between}  ${ALICE}  seal  with x: y\n` });
    const listed = await trial.sealpost('rule', 'list', ALICE);
    expect(listed.out.split('\n').map((line) => line.split(' ')[0])).toEqual([
      String(top),
      String(first),
      String(last),
      '',
    ]);
  });

  it('go with their user', async () => {
    await trial.json('user', 'add', 'gone@example.org');
    await add('gone@example.org', '--action', 'pass', '--sender', 'a.example');
    await trial.json('user', 'remove', 'gone@example.org', '--yes');
    expect(await trial.json('rule', 'list')).toEqual([]);
  });

  const table: readonly (readonly [words: readonly string[], code: number, error: string | RegExp])[] = [
    [['add', ALICE, '--sender', 'a.example'], 2, /required option '--action <action>'/],
    [
      ['add', ALICE, '--action', 'hold', '--sender', 'a.example'],
      2,
      /Allowed choices are seal, pass, reject/,
    ],
    [['add', ALICE, '--action', 'pass'], 2, /expected --sender, --header or --larger/],
    [['add', ALICE, '--action', 'pass', '--sender', 'a b'], 2, /found the sender "a b", expected a pattern/],
    [['add', ALICE, '--action', 'pass', '--header', 'Subject'], 2, /found the header "Subject", expected/],
    [['add', ALICE, '--action', 'pass', '--larger', 'big'], 2, /--larger: found "big", expected a size/],
    [
      ['add', ALICE, '--action', 'pass', '--sender', 'a.example', '--before', 'first'],
      2,
      /found "first", expected the number of a rule/,
    ],
    [
      ['add', ALICE, '--action', 'pass', '--sender', 'a.example', '--before', '999999'],
      1,
      'alice@example.org has no rule 999999; see "sealpost rule list alice@example.org"',
    ],
    [
      ['add', 'x@example.org', '--action', 'pass', '--sender', 'a.example'],
      1,
      'there is no user x@example.org; add one with "sealpost user add x@example.org", see "sealpost user list"',
    ],
    [
      ['add', '@nowhere.example', '--action', 'pass', '--sender', 'a.example'],
      1,
      'the domain nowhere.example is not known; add it with "sealpost domain add nowhere.example", see "sealpost domain list"',
    ],
    [['remove', '999999', '--yes'], 1, 'there is no rule 999999; see "sealpost rule list"'],
    [['remove', '1'], 2, 'this would remove rule 1; there is no terminal to ask on: add --yes'],
    [['remove', 'one', '--yes'], 2, /found "one", expected the number of a rule/],
  ];
  it.each(table)('rule %j: exit %i', async (words, code, error) => {
    const done = await trial.sealpost('rule', ...words);
    const message = done.err.replace(/^sealpost: /, '').trimEnd();
    if (typeof error === 'string') expect(message).toBe(error);
    else expect(message).toMatch(error);
    expect(done).toMatchObject({ code, out: '' });
  });

  it('have --help with an example and --json', async () => {
    for (const verb of ['add', 'list', 'remove']) {
      const { code, out } = await trial.sealpost('rule', verb, '--help');
      expect(code).toBe(0);
      expect(out).toContain(`$ sealpost rule ${verb}`);
      expect(out).toContain('--json');
    }
  });
});

describe('explain', () => {
  it('lists the rules that may match, and with a message says which one decides', async () => {
    const miss = await add(ALICE, '--action', 'reject', '--sender', 'other.example');
    const hit = await add(ALICE, '--action', 'pass', '--header', 'List-Id: *announce*');
    const later = await add('@example.org', '--action', 'reject', '--sender', 'bank.example');
    const without = await trial.sealpost('explain', ALICE);
    expect(without.out).toContain(`${miss}`.padEnd(5));
    expect(without.out).toMatch(
      new RegExp(`^rule +${miss} +reject for ${ALICE}: from \\*@other\\.example: may match$`, 'm'),
    );
    expect(without.out).toMatch(/^decision {2}seal: 1 key of the recipient$/m);
    const file = trial.file('mail.eml', `Return-Path: <x@bank.example>\r\n${MESSAGE}`);
    const told = await trial.sealpost('explain', ALICE, '--message', file);
    expect(told.out).toMatch(new RegExp(`^rule +${miss} .*: does not match$`, 'm'));
    expect(told.out).toMatch(
      new RegExp(`^rule +${hit} .*list-id: \\*announce\\*: matches, and decides$`, 'm'),
    );
    expect(told.out).toMatch(new RegExp(`^rule +${later} .*: matches, after another one$`, 'm'));
    expect(told.out).toMatch(new RegExp(`^decision {2}pass: rule ${hit} of the user is pass$`, 'm'));
    expect(
      await trial.json('explain', ALICE, '--message', file, '--sender', 'x@other.example'),
    ).toMatchObject({
      rules: [
        { id: miss, level: 'user', owner: ALICE, matches: true, decides: true },
        { id: hit, matches: true, decides: false },
        { id: later, level: 'domain', owner: '@example.org', matches: false, decides: false },
      ],
      decision: {
        action: 'reject',
        because: 'rule',
        reason: `rule ${miss} of the user is reject`,
        reply: { code: 550, enhanced: '5.7.1' },
      },
    });
  });
});

describe('encrypt', () => {
  it('goes by the rules, with the sender that it is given', async () => {
    await add(ALICE, '--action', 'reject', '--sender', 'bank.example');
    const file = trial.file('mail.eml', MESSAGE);
    expect((await trial.sealpost('encrypt', '--to', ALICE, file)).out).toContain('Sealpost-Status: sealed');
    expect(await trial.sealpost('encrypt', '--to', ALICE, '--sender', 'x@bank.example', file)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/rule \d+ of the user is reject/),
    });
  });
});

describe('check_recipient', () => {
  it('lets mail come in that a rule may pass without a key', async () => {
    await trial.json('user', 'add', 'strict@example.org');
    await trial.json('user', 'set', 'strict@example.org', 'on_missing_key=reject');
    const asked = () => trial.sealpost('lookup', 'check_recipient', 'strict@example.org');
    expect((await asked()).out).toMatch(/^REJECT 5\.7\.5/);
    await add('strict@example.org', '--action', 'pass', '--sender', 'bank.example');
    expect((await asked()).out).toMatch(/^DUNNO/);
  });
});
