// A large armored keyring as bytes (RFC 9580, section 6.2): its blocks one after the other, as lines come.
import { SourceRefused } from './rows.ts';

/** @throws SourceRefused on a line of a block that is no base64 */
export async function* dearmored(lines: AsyncIterable<string>): AsyncGenerator<Buffer> {
  const state = { in: 'prose' as 'prose' | 'header' | 'body', rest: '', number: 0 };
  for await (const line of lines) {
    state.number += 1;
    const text = line.trim();
    if (text.startsWith('-----BEGIN PGP PUBLIC KEY BLOCK-----')) {
      state.in = 'header';
      state.rest = '';
    } else if (text.startsWith('-----BEGIN PGP PRIVATE KEY BLOCK-----')) {
      throw new SourceRefused(
        `line ${state.number}: it has secret keys: nothing was read; export the public ones ("gpg --export")`,
      );
    } else if (text.startsWith('-----END ')) {
      if (state.in === 'body' && state.rest !== '') yield Buffer.from(state.rest, 'base64');
      state.in = 'prose';
    } else if (state.in === 'header') {
      if (text === '') state.in = 'body';
      else if (!text.includes(': ')) {
        // Some mail clients lose the blank line.
        state.in = 'body';
        yield* decode(state, text);
      }
    } else if (state.in === 'body' && !/^=[A-Za-z0-9+/]{4}$/.test(text)) yield* decode(state, text);
  }
}

function* decode(state: { rest: string; readonly number: number }, text: string): Generator<Buffer> {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw new SourceRefused(`line ${state.number} of the armor is damaged`);
  const all = state.rest + text;
  const whole = all.length - (all.length % 4);
  state.rest = all.slice(whole);
  if (whole > 0) yield Buffer.from(all.slice(0, whole), 'base64');
}
