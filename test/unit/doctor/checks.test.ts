// Every check of `sealpost doctor` is green where all is well, and red for the right reason.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Check, Finding } from '../../../src/doctor/check.ts';
import { CHECKS } from '../../../src/doctor/checks/all.ts';
import { EVERY_CALL } from '../../support/every-command.ts';
import { type Case, OTHERS, RED } from './cases.ts';
import { type Example, world } from './world.ts';

const checkOf = (code: string): Check => {
  const found = CHECKS.find((each) => each.code === code);
  if (found === undefined) throw new Error(`there is no check ${code}`);
  return found;
};

const judged = ({ code, at = 'delivery-virtual', change }: Case): Finding => {
  const facts = world(at);
  return checkOf(code).judge({ ...facts, ...change(facts) });
};

describe('a check of doctor', () => {
  it.each(RED.map((each) => [each.code, each] as const))('is red: %s', (_code, each) => {
    expect(judged(each)).toMatchObject({
      level: each.level,
      found: expect.stringMatching(each.found ?? /./),
    });
  });

  it.each(OTHERS.map((each) => [each.code, each.level, each] as const))('%s is %s', (_code, _level, each) => {
    expect(judged(each)).toMatchObject({
      level: each.level,
      found: expect.stringMatching(each.found ?? /./),
    });
  });

  const EXAMPLES: readonly Example[] = ['delivery-virtual', 'delivery-local', 'after-queue-lmtp', 'pipe'];
  it.each(EXAMPLES)('is never red where all is well: %s', (example) => {
    const facts = world(example);
    const found = CHECKS.map((each) => ({ code: each.code, ...each.judge(facts) }));
    // delivery-local alone leaves virtual domains to virtual(8), and so says the check.
    const red = found.filter(
      ({ level, expected }) => level === 'error' || level === 'warning' || expected === false,
    );
    expect(red.map(({ code, found: text }) => `${code}: ${text}`)).toEqual(
      example === 'delivery-local' ? [expect.stringMatching(/^virtual_delivery_open/)] : [],
    );
  });

  it('has a case in which it is red, and one in which it is green', () => {
    const isGreen = (code: string): boolean =>
      OTHERS.some((each) => each.code === code && each.level === 'ok') ||
      EXAMPLES.some((example) => checkOf(code).judge(world(example)).level === 'ok');
    expect(CHECKS.map(({ code }) => code).filter((code) => !RED.some((each) => each.code === code))).toEqual(
      [],
    );
    expect(CHECKS.map(({ code }) => code).filter((code) => !isGreen(code))).toEqual([]);
    // Red for its own reason: each case says what is to be found.
    expect(RED.filter(({ found }) => found === undefined).map(({ code }) => code)).toEqual([]);
  });

  it('has a code of its own, a reason and a command', () => {
    const codes = CHECKS.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes.length).toBeGreaterThanOrEqual(40);
    for (const { code, why, mend } of CHECKS) {
      expect(code).toMatch(/^[a-z0-9]+(?:_[a-z0-9]+)*$/);
      expect(why.length, code).toBeGreaterThan(20);
      expect(mend.length, code).toBeGreaterThan(10);
    }
  });
});

describe('the command that mends what a check finds', () => {
  // With its arguments, to where something else begins.
  const calls = CHECKS.flatMap(({ code, mend }) =>
    [...mend.matchAll(/(?<![:/])\bsealpost ([^;,&()]+)/g)].map(([, words = '']) => ({
      code,
      words: words.trim(),
    })),
  ).filter(({ words }) => !/^(?:to|with) /.test(words));

  it('is one that there is, with its options', () => {
    expect(calls.length).toBeGreaterThan(25);
    const known = ['serve', ...EVERY_CALL.map(({ words }) => words.join(' '))];
    const folder = new URL('../../../src/cli/', import.meta.url);
    const sources = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'));
    const isCommand = (words: string): boolean => {
      const name = /^[a-z]+(?: [a-z]+)?/.exec(words)?.[0] ?? '';
      return known.some((call) => call === name || call.startsWith(`${name} `));
    };
    const isOption = (option: string): boolean => sources.some((text) => text.includes(`'${option}`));
    const unknown = calls.filter(
      ({ words }) => !isCommand(words) || !(words.match(/--[a-z-]+/g) ?? []).every(isOption),
    );
    expect(unknown).toEqual([]);
  });
});

describe('docs/doctor.md', () => {
  it('has every check with its reason and what mends it (else run: npx tsx docs/doctor-page.ts)', async () => {
    const { doctorPage } = await import('../../../docs/doctor-page.ts');
    expect(readFileSync(new URL('../../../docs/doctor.md', import.meta.url), 'utf8')).toBe(doctorPage());
  });
});
