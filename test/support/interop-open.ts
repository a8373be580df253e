// Opens sealed messages with gpg, sq and OpenPGP.js, and tells what the program says where it cannot.
import { judgeUpload } from '../../src/keys/import.ts';
import type { RecipientKey } from '../../src/openpgp/types.ts';
import { runProgram } from './child.ts';
import { type MadeKey, sentence } from './interop-keys.ts';
import {
  createGpgHome,
  type Decrypt,
  type GpgHome,
  openpgpDecrypt,
  sqDecrypt,
  type TestKey,
} from './keys.ts';
import { need } from './needs.ts';

need('sq');

export const OPENERS = ['gpg', 'sq', 'OpenPGP.js'] as const;
export type Opener = (typeof OPENERS)[number];

/** The plaintext, or what the program said instead. */
export type Opened = { readonly plaintext: Buffer } | { readonly refusal: string };

/** Opens armored messages with one key and nothing else. */
export type Open = (opener: Opener, key: MadeKey, armored: Buffer) => Promise<Opened>;

export function createOpen(): { readonly open: Open; close(): Promise<void> } {
  /** One home for each key: gpg must not find another one that fits. */
  const homes = new Map<MadeKey, Promise<{ readonly home: GpgHome; readonly said: string }>>();

  async function importInto(key: MadeKey) {
    const home = await createGpgHome();
    return { home, said: (await home.run(['--import'], key.secretKey)).stderr };
  }

  async function byGpg(key: MadeKey, armored: Buffer): Promise<Opened> {
    const imported = homes.get(key) ?? importInto(key);
    homes.set(key, imported);
    const { home, said } = await imported;
    const done = await home.run(['--decrypt'], armored);
    return done.code === 0 ? { plaintext: done.stdout } : { refusal: sentence(`${said}\n${done.stderr}`) };
  }

  async function bySq(key: MadeKey, armored: Buffer): Promise<Opened> {
    const opened = await attempt(sqDecrypt(asTestKey(key)), armored);
    if (!('refusal' in opened)) return opened;
    // For want of a curve it only says that it has no key; what it thinks of the key is for `inspect` to say.
    const inspected = await runProgram('sq', ['inspect'], { stdin: key.secretKey });
    return { refusal: sentence(`${opened.refusal}\n${inspected.stdout}\n${opened.refusal}`) };
  }

  return {
    open: (opener, key, armored) => {
      if (opener === 'gpg') return byGpg(key, armored);
      return opener === 'sq' ? bySq(key, armored) : attempt(openpgpDecrypt(asTestKey(key)), armored);
    },
    close: async () => {
      const all = await Promise.all(homes.values());
      await Promise.all(all.map(({ home }) => home.close()));
    },
  };
}

async function attempt(decrypt: Decrypt, armored: Buffer): Promise<Opened> {
  try {
    return { plaintext: await decrypt(armored) };
  } catch (error) {
    return { refusal: sentence(error instanceof Error ? error.message : String(error)) };
  }
}

function asTestKey({ publicKey, secretKey }: MadeKey): TestKey {
  return { address: '', fingerprint: '', publicKey, secretKey };
}

/** The public half of a key as sealpost takes it in: exported by its own program, judged and made canonical by ours. */
export async function importForSealing(certificate: string): Promise<RecipientKey> {
  const [judged, ...more] = await judgeUpload(Buffer.from(certificate), { allowSha1: false }, Date.now());
  if (judged?.verdict !== 'accepted' || more.length > 0) {
    throw new Error(
      `not accepted: ${judged?.verdict === 'refused' ? judged.refusal.sentence : 'several keys'}`,
    );
  }
  return { fingerprint: judged.facts.fingerprint, certificate: judged.facts.sealing, at: Date.now() };
}
