// How calls of sealpost are found in a text that people copy.
import { describe, expect, it } from 'vitest';
import { callsIn, refusalOf } from '../../support/sealpost-calls.ts';

describe('calls of sealpost in a text', () => {
  it('are found where a shell finds them', () => {
    expect(
      callsIn(
        "gpg --decrypt a | sealpost verify -\nsealpost user add 'a b' && /usr/bin/sealpost key import x # sealpost no\n" +
          'docker compose exec -T sealpost sealpost key import - < alice.asc\ndocker compose run --rm sealpost-mailcow init --no-input\n' +
          "ExecStart=/bin/sh -c 'exec sealpost backup /b-$(date +%%u).tar --with-secrets'\nsealpost serve 2>> /log\nls sealpost\n",
      ),
    ).toEqual([
      ['verify', '-'],
      ['user', 'add', 'a b'],
      ['key', 'import', 'x'],
      ['key', 'import', '-'],
      ['init', '--no-input'],
      expect.arrayContaining(['backup']),
      ['serve'],
    ]);
  });

  it('are refused where the program would', async () => {
    expect(await refusalOf(['user', 'add', 'alice@example.org'])).toBeNull();
    expect(await refusalOf(['user', 'addd', 'alice@example.org'])).toMatch(/unknown command/);
    expect(await refusalOf(['user', 'add', 'a', '--colour'])).toMatch(/unknown option/);
    expect(await refusalOf(['verify'])).toMatch(/missing required argument/);
    expect(await refusalOf(['user'])).not.toBeNull();
  });
});
