// What `sealpost init` asks, and what it writes into a new file.
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import type { Asker } from '../../../src/cli/ask.ts';
import { findAnswers } from '../../../src/cli/init-answers.ts';
import { newConfigFile, withoutDefaults } from '../../../src/cli/init-file.ts';
import { describeConfig } from '../../../src/config/describe.ts';
import { configSchema } from '../../../src/config/schema.ts';
import type { AskedPostfix } from '../../../src/postfix/postconf.ts';
import { readWiring, wiringNames } from '../../../src/postfix/wiring.ts';

const NONE: AskedPostfix = { kind: 'none' };

/** Answers every question by what is proposed, or by what `typed` has for its first words; keeps the questions. */
function person(typed: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const answer = (message: string, proposed: string): string => {
    asked.push(message);
    return Object.entries(typed).find(([start]) => message.startsWith(start))?.[1] ?? proposed;
  };
  const asker: Asker = {
    text: async (message, initial, problemWith) => {
      const said = answer(message, initial);
      expect(problemWith?.(said) ?? null, message).toBeNull();
      return said;
    },
    choice: async (message, choices, initial) => {
      const said = answer(message, initial);
      expect(choices.map(({ value }) => value)).toContain(said);
      return said;
    },
    yes: async (message, initial) => answer(message, initial ? 'yes' : 'no') === 'yes',
  };
  return { asker, asked };
}

const FOUND = {
  proposal: { wiring: 'delivery-lmtp', nextHop: 'lmtp:unix:/q/dovecot', because: 'x' },
  domain: 'example.net',
  userMissing: true,
};

describe('what is asked', () => {
  it('is what no flag says, what was found is proposed', async () => {
    const { asker, asked } = person({});
    expect(await findAnswers({}, FOUND, asker)).toEqual({
      databaseUrl: null,
      wiring: 'delivery-lmtp',
      nextHop: 'lmtp:unix:/q/dovecot',
      domain: 'example.net',
      makeUser: true,
    });
    expect(asked).toHaveLength(5);
  });

  it('is nothing where flags say everything', async () => {
    const { asker, asked } = person({});
    const flags = {
      databaseUrl: 'postgres://h/d',
      wiring: 'pipe',
      domain: 'a.example',
      makeUser: false,
      nextHop: 'smtp:127.0.0.1:1',
    };
    expect(await findAnswers(flags, FOUND, asker)).toEqual({ ...flags });
    expect(asked).toEqual([]);
  });

  it('is nothing where nobody is there: what no flag says stays open', async () => {
    expect(await findAnswers({}, FOUND, null)).toEqual({
      databaseUrl: null,
      wiring: null,
      nextHop: null,
      domain: null,
      makeUser: false,
    });
    expect(await findAnswers({ wiring: 'delivery-lmtp' }, FOUND, null)).toMatchObject({
      nextHop: 'lmtp:unix:/q/dovecot',
    });
  });

  it('follows the wiring that is chosen', async () => {
    const { asker, asked } = person({
      How: 'delivery-virtual',
      PostgreSQL: 'postgres://u@h/d',
      'A domain': '',
    });
    expect(await findAnswers({}, { ...FOUND, userMissing: false }, asker)).toEqual({
      databaseUrl: 'postgres://u@h/d',
      wiring: 'delivery-virtual',
      nextHop: null,
      domain: null,
      makeUser: false,
    });
    expect(asked).toHaveLength(3);
  });

  it.each([
    [{ databaseUrl: 'mysql://h/d' }, '--database-url: expected "embedded:"'],
    [{ nextHop: 'nowhere' }, '--next-hop: expected a next hop such as'],
    [{ domain: 'no domain' }, '--domain: expected a domain'],
    [{ wiring: 'none' }, 'there is no wiring "none": choose one of after-queue-lmtp'],
  ])('%j is refused', async (flags, expected) => {
    await expect(findAnswers(flags, FOUND, null)).rejects.toThrow(expected);
  });
});

describe('a new file', () => {
  const wishes = { stateDir: './.sealpost', databaseUrl: null, wiring: '', nextHop: null, postfix: NONE };

  it('says only what differs from the defaults', () => {
    const lines = (over: object) =>
      newConfigFile({ ...wishes, ...over })
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines({})).toEqual(['state_dir = "./.sealpost"']);
    const operators = { percent_hack: false, bangpath: true, dequote: true };
    const settings = { operators, localNames: [], origin: null, unread: [] };
    expect(lines({ postfix: { kind: 'found', settings }, nextHop: 'smtp:127.0.0.1:10026' })).toEqual([
      'state_dir = "./.sealpost"',
      '[postfix]',
      'percent_hack = false',
    ]);
    expect(
      lines({
        databaseUrl: 'postgres://h/d',
        nextHop: 'lmtp:127.0.0.1:24',
        wiring: readWiring('delivery-lmtp').toml,
      }),
    ).toEqual([
      'state_dir = "./.sealpost"',
      '[database]',
      'url = "postgres://h/d"',
      '[filter]',
      'next_hop = "lmtp:127.0.0.1:24"',
      '[[filter.listen]]',
      'name = "lmtp"',
      'protocol = "lmtp"',
      'address = "127.0.0.1:10024"',
    ]);
  });

  it.each(wiringNames())('means for %s what its example means', (name) => {
    const { toml } = readWiring(name);
    const text = newConfigFile({ ...wishes, wiring: toml });
    expect(configSchema.parse(parse(text))).toEqual({
      ...configSchema.parse(parse(toml)),
      state_dir: './.sealpost',
    });
  });

  it('of all defaults is empty', () => {
    expect(withoutDefaults(parse(describeConfig()))).toEqual({});
  });
});
