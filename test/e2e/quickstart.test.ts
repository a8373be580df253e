// `npm run quickstart` is the first thing that anybody sees: it must end with 0 and show what it promises.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../support/child.ts';
import { repository } from '../support/places.ts';

it('shows a message before, sealed and decrypted, asks the lookup daemons, and exits with 0', async () => {
  const tsx = join(repository, 'node_modules/tsx/dist/cli.mjs');
  const done = await runProgram(process.execPath, [tsx, 'docs/quickstart.ts'], {
    cwd: repository,
    timeout: 170_000,
  });
  const shown = done.stdout.toString('utf8');
  expect(done.code, `${shown}\n${done.stderr}`).toBe(0);
  for (const sight of [
    'Mail for Alice, as it is sent:',
    'Sealpost-Status: sealed;',
    '-----BEGIN PGP MESSAGE-----',
    'The body is byte for byte the one that was sent.',
    'decision  pass: no key is known',
    'id_1@example.org',
    'Done.',
  ]) {
    expect(shown).toContain(sight);
  }
});
