// Debian's gpgsm, which neomutt and Claws leave S/MIME to.
import { cmsOf } from '../unit/smime/openssl-cms.ts';
import { runProgram } from './child.ts';
import { need } from './needs.ts';

need('gpgsm');

/**
 * Decrypts a sealed message.
 * @param home of GnuPG, with certificate and key
 * @returns the message inside, or what gpgsm says instead
 */
export async function decryptWithGpgsm(
  home: string,
  sealed: Buffer,
): Promise<{ readonly inside: Buffer } | { readonly refusal: string }> {
  const { code, stdout, stderr } = await runProgram('gpgsm', ['--homedir', home, '--decrypt'], {
    stdin: cmsOf(sealed),
    env: { LC_ALL: 'C' },
  });
  return code === 0 ? { inside: stdout } : { refusal: stderr };
}
