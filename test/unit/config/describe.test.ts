// The annotated default file is made from the schema, and means exactly the defaults.
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { describeConfig } from '../../../src/config/describe.ts';
import { inputSchema } from '../../../src/config/problems.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { SETTING_NAMES } from '../../../src/config/settings.ts';

const text = describeConfig();

describe('the annotated default file', () => {
  test('parses, and validates to exactly the defaults', () => {
    expect(configSchema.parse(parse(text))).toEqual(configSchema.parse({}));
  });

  test('is still valid with every commented-out key switched on', () => {
    const everything = text
      .replace(/^# (\w+ = .*)$/gm, '$1')
      .replace('address = "127.0.0.1:10024"', 'address = "unix:/run/sealpost/lmtp.sock"')
      .replace('url = "embedded:"', 'url = "postgres://sealpost@localhost/sealpost"');
    const parsed = configSchema.safeParse(parse(everything));
    expect(parsed.error?.issues).toBeUndefined();
    expect(parsed.data?.hostname).toBe('mx1.example.org');
    expect(parsed.data?.filter.listen[0]).toMatchObject({ mode: '0660', group: 'postfix' });
  });

  test('says the meaning of every key, and never a name of this machine', () => {
    const uncommented: string[] = [];
    const lines = text.split('\n');
    let inLaterEntry = false;
    for (const [index, line] of lines.entries()) {
      if (line.startsWith('[')) inLaterEntry = line === '[[filter.listen]]' && lines.indexOf(line) < index;
      if (!inLaterEntry && /^(# )?\w+ = /.test(line) && !lines[index - 1]?.startsWith('# '))
        uncommented.push(line);
    }
    expect(uncommented).toEqual([]);
    expect(text).toContain('# hostname = "mx1.example.org"');
    expect(text).toContain('# state_dir = "/var/lib/sealpost"');
  });

  test('shows the allowed values of every choice', () => {
    expect(text).toContain('one of: "normalise", "reject"\nbare_newline = "normalise"');
    expect(text).toContain('one of: "defer", "reject", "pass"\non_unusable_key = "defer"');
    expect(text).toContain('from 1 to 10000\nmax_recipients = 1000');
  });

  test('has every setting with its default', () => {
    for (const name of SETTING_NAMES) expect(text).toMatch(new RegExp(`^${name} = `, 'm'));
    expect(text).toMatch(/^encrypt = true$/m);
    expect(text).toMatch(/^hide_key_ids = false$/m);
  });
});

test('the JSON Schema refuses unknown keys and knows every section', () => {
  const schema = inputSchema();
  expect(schema.additionalProperties).toBe(false);
  expect(Object.keys(schema.properties ?? {})).toEqual(Object.keys(configSchema.shape));
});
