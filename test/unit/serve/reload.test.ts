// SIGHUP: one reload after the other, and what of a new configuration has to wait for a restart.
import { afterEach, describe, expect, it } from 'vitest';
import { type Config, configSchema } from '../../../src/config/schema.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { heedHangUps } from '../../../src/serve/hang-up.ts';
import { fixedKeysOf, PARTS } from '../../../src/serve/parts.ts';
import { createReloads, dueOnRestart, followable } from '../../../src/serve/reload.ts';

const configure = (document: object): Config => configSchema.parse({ hostname: 'mx1.test', ...document });
const started = configure({});
const fixed = fixedKeysOf(PARTS);

/** Reloads of the given configurations, one for each call; `logged` has the lines of the log. */
function reloadsOf(files: readonly (Config | Error)[], take: (config: Config) => Promise<void>) {
  const waiting = [...files];
  const logged: { msg: string; needs_restart?: string[] }[] = [];
  const reloads = createReloads({
    started,
    fixed,
    load() {
      const next = waiting.shift();
      if (next === undefined || next instanceof Error) throw next ?? new Error('no more files');
      return next;
    },
    take,
    logger: createLogger({
      level: 'info',
      destination: { write: (line: string) => logged.push(JSON.parse(line)) },
    }),
  });
  return { reloads, logged };
}

describe('two reloads', () => {
  it('follow each other: the newer file holds in the end, however long the older one takes', async () => {
    const taken: string[] = [];
    const release: (() => void)[] = [];
    const { reloads } = reloadsOf(
      [configure({ encryption: { encrypt: false } }), configure({ encryption: { encrypt: true } })],
      async ({ encryption }) => {
        if (taken.length === 0) await new Promise<void>((resolve) => release.push(resolve));
        taken.push(String(encryption.encrypt));
      },
    );
    const both = [reloads.reload(), reloads.reload()];
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toEqual([]);
    release[0]?.();
    await Promise.all(both);
    expect(taken).toEqual(['false', 'true']);
    expect(reloads.current().encryption.encrypt).toBe(true);
  });
});

describe('a reload', () => {
  it('that fails leaves the configuration as it was, and does not hinder the next one', async () => {
    const next = configure({ filter: { max_received: 7 } });
    const { reloads, logged } = reloadsOf([new Error('wrong'), next], async () => undefined);
    await reloads.reload();
    expect(reloads.current()).toBe(started);
    await reloads.reload();
    expect(reloads.current().filter.max_received).toBe(7);
    expect(logged.map(({ msg }) => msg)).toEqual([
      'the new configuration is not used',
      'configuration re-read',
    ]);
  });

  it('names what needs a restart for as long as the restart is due', async () => {
    const next = configure({ hostname: 'mx2.test', receiver: { mode: '0600' } });
    const { reloads, logged } = reloadsOf([next, next, started], async () => undefined);
    for (let turn = 0; turn < 3; turn += 1) await reloads.reload();
    const due = ['hostname', 'receiver.mode'];
    expect(logged.map(({ needs_restart }) => needs_restart)).toEqual([due, due, []]);
  });

  it('leaves what is fixed at start as it was everywhere, and takes the rest', () => {
    const next = configure({
      hostname: 'mx2.test',
      filter: { memory_budget: '1GB', max_received: 7 },
      receiver: { listen: '127.0.0.1:10034', max_age: '1d' },
      observe: { listen: '', log_level: 'debug' },
    });
    expect(followable(started, next, fixed)).toEqual({
      ...started,
      filter: { ...started.filter, max_received: 7 },
      receiver: { ...started.receiver, max_age: 86_400_000 },
      observe: { ...started.observe, log_level: 'debug' },
    });
    expect(dueOnRestart(started, next, fixed)).toEqual([
      'hostname',
      'filter.memory_budget',
      'receiver.listen',
      'observe.listen',
    ]);
  });
});

describe('SIGHUP', () => {
  const before = process.listeners('SIGHUP');
  afterEach(() => {
    for (const listener of process.listeners('SIGHUP'))
      if (!before.includes(listener)) process.off('SIGHUP', listener);
  });

  it('is caught from the first moment on, counts once when serve is ready, and for nothing at the end', () => {
    const hangUps = heedHangUps();
    let heard = 0;
    expect(process.emit('SIGHUP', 'SIGHUP')).toBe(true);
    process.emit('SIGHUP', 'SIGHUP');
    hangUps.follow(() => {
      heard += 1;
    });
    expect(heard).toBe(1);
    process.emit('SIGHUP', 'SIGHUP');
    expect(heard).toBe(2);
    hangUps.ignore();
    expect(process.emit('SIGHUP', 'SIGHUP')).toBe(true);
    expect(heard).toBe(2);
  });
});
