// Who is asked before something is removed, and what counts as a yes.
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { confirm, confirmAtTerminal } from '../../../src/cli/confirm.ts';

afterEach(() => vi.restoreAllMocks());

/** Standard input of the command: a terminal on which a line is typed, or none. */
function typed(line: string | null): void {
  const input = Object.assign(new PassThrough(), { isTTY: line !== null, setRawMode: () => input });
  // As a terminal in raw mode sends it.
  if (line !== null) input.write(`${line}\r`);
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(input as unknown as typeof process.stdin);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
}

describe.each([
  ['confirm', confirm],
  ['confirmAtTerminal', confirmAtTerminal],
])('%s', (_name, ask) => {
  it.each(['y', 'Yes'])('takes %s for a yes', async (line) => {
    typed(line);
    await expect(ask('remove it', false)).resolves.toBeUndefined();
  });

  it.each(['', 'n', 'yesterday'])('takes %j for a no', async (line) => {
    typed(line);
    await expect(ask('remove it', false)).rejects.toThrow('nothing was removed');
  });

  it('does not ask with --yes', async () => {
    typed('n');
    await expect(ask('remove it', true)).resolves.toBeUndefined();
  });
});

describe('without a terminal', () => {
  it('confirm wants --yes', async () => {
    typed(null);
    await expect(confirm('remove it', false)).rejects.toThrow('this would remove it; there is no terminal');
  });

  it('confirmAtTerminal goes on', async () => {
    typed(null);
    await expect(confirmAtTerminal('remove it', false)).resolves.toBeUndefined();
  });
});
