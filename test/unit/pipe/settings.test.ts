// The thin reader of sealpost.toml against the schema, which it does not load.
import { describe, expect, it } from 'vitest';
import { readPipeSettings } from '../../../filters/pipe/settings.ts';
import { configSchema } from '../../../src/config/schema.ts';

describe('the settings of the pipe', () => {
  it('have the defaults of the schema', () => {
    const config = configSchema.parse({});
    expect(readPipeSettings('', undefined)).toEqual({
      configPath: undefined,
      hostname: config.hostname,
      listeners: config.filter.listen
        .filter((listener) => listener.protocol === 'lmtp')
        .map((listener) => listener.address),
      standalone: config.pipe.standalone,
      deadline: config.pipe.deadline,
      maxMessageSize: config.filter.max_message_size,
    });
  });

  it('know every key of [pipe] in the schema, and no other', () => {
    const toml = (key: string, value: unknown) => `[pipe]\n${key} = ${JSON.stringify(value)}\n`;
    const values: Readonly<Record<string, unknown>> = {
      standalone: true,
      reinject: 'sendmail',
      sendmail: '/x',
      deadline: '1s',
    };
    expect(Object.keys(configSchema.parse({}).pipe).sort()).toEqual(Object.keys(values).sort());
    for (const [key, value] of Object.entries(values))
      expect(() => readPipeSettings(toml(key, value), 'f')).not.toThrow();
    expect(() => readPipeSettings(toml('other', 1), 'f')).toThrow('f: pipe.other: unknown key');
  });

  it.each([
    ['0.0.0.0:10024', '127.0.0.1'],
    ['[::]:10024', '::1'],
    ['192.0.2.1:10024', '192.0.2.1'],
  ])('reach a listener on %s at %s', (address, host) => {
    const settings = readPipeSettings(`[[filter.listen]]\nprotocol = "lmtp"\naddress = "${address}"\n`, 'f');
    expect(settings.listeners).toEqual([{ kind: 'inet', host, port: 10024 }]);
  });
});
