// The hostile benchmark's letters, smaller, through the filter without its sockets: each of them arrives, and none grows. The benchmark
// itself measures them in full.
// @module-tag slow
import { afterAll, describe, expect, it } from 'vitest';
import { BOMBS } from '../../../bench/hostile/bombs.ts';
import { createStage, DOMAIN, stageConfig } from '../../../bench/hostile/stage.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { MOST_REPEATED } from '../../../src/sealing/header-protection.ts';
import { createSealer } from '../../../src/sealing/pool.ts';
import type { SendRequest } from '../../../src/smtp/client/next-hop.ts';

const BYTES = 200_000;
const OK = { code: 250, enhanced: '2.0.0', text: 'taken' };
/** Of a stage; above ten recipients one more costs the same. */
const MOST_RECIPIENTS = 3;

const sealer = createSealer({ workers: 1 });
afterAll(() => sealer.close());

describe('a hostile letter', () => {
  it('is one of thirty kinds and more', () => {
    expect(new Set(BOMBS.map(({ name }) => name)).size).toBe(BOMBS.length);
    expect(BOMBS.length).toBeGreaterThanOrEqual(30);
  });

  it.each(BOMBS)('of $name arrives, and is no larger than armor makes it', async (bomb) => {
    const sizes: number[] = [];
    const send = async ({ message, envelope, onAccepted }: SendRequest) => {
      sizes.push(
        message instanceof Uint8Array ? message.length : message.reduce((sum, { length }) => sum + length, 0),
      );
      for (const index of envelope.recipients.keys()) await onAccepted?.(index, OK);
      return {
        recipients: envelope.recipients.map((_, index) => ({
          reply: OK,
          class: 'accepted' as const,
          stage: 'end-of-data' as const,
          index,
        })),
      };
    };
    const stage = await createStage(
      bomb,
      stageConfig(),
      () => ({ send }),
      createLogger({ level: 'silent' }),
      sealer,
    );
    // As the listener hands it on.
    const message = Buffer.from(
      bomb
        .letter(BYTES)
        .toString('latin1')
        .replace(/\r\n|\r|\n/g, '\r\n'),
      'latin1',
    );
    const paths = Array.from(
      { length: Math.min(bomb.recipients ?? 1, MOST_RECIPIENTS) },
      (_, at) => `${Buffer.from(bomb.local?.(at) ?? `user+${at}`).toString('latin1')}@${DOMAIN}`,
    );
    const { outcomes } = await stage.deliverer.deliver({
      id: 't1',
      envelope: {
        sender: Buffer.from(bomb.sender ?? 'carol@example.net').toString('latin1'),
        parameters: [],
        recipients: paths.map((path) => ({ path, parameters: [] })),
      },
      xforward: { IDENT: 'QUEUE1' },
      message,
      deadline: Date.now() + 60_000,
    });
    expect(outcomes.map(({ reply }) => reply.code)).toEqual(paths.map(() => 250));
    expect(sizes.length).toBeGreaterThan(0);
    // Armor, and what stands outside and in HP-Outer as well as inside.
    expect(Math.max(...sizes)).toBeLessThan(message.length * 1.4 + MOST_REPEATED * 2.4 + 4096);
  });
});
