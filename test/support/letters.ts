// A letter to each user, through the filter's own engine and a next hop that is a list: what somebody who has moved in gets.
import type { PrivateKey } from 'openpgp';
import { type Engine, openEngine } from '../../src/delivery/engine.ts';
import { decryptWith } from './make-keys.ts';
import { listedHop, mail, silent, type Trial, textOf } from './trial.ts';

/**
 * - `sealed`: every secret key that was given opens it, and nobody else can read it;
 * - `waits`: it was refused with a temporary reply, and the queue keeps it;
 * - `plaintext`: it can be read as it is.
 */
export type Fate = 'sealed' | 'waits' | 'plaintext' | `refused with ${number}`;

export interface Letters {
  /**
   * Sends one.
   * @param secrets those who must be able to read it, where it is sealed
   * @throws where it is sealed, and one of them does not open it
   */
  to(address: string, ...secrets: readonly PrivateKey[]): Promise<Fate>;
  close(): Promise<void>;
}

const SECRET_WORDS = 'only the owner of this mailbox reads this line';

/** Opens the engine as `serve` does, over the trial's database. */
export async function openLetters(trial: Pick<Trial, 'config'>): Promise<Letters> {
  const hop = listedHop();
  const engine: Engine = await openEngine({
    config: trial.config,
    ...silent(),
    workers: 0,
    watchChanges: true,
    nextHop: hop,
  });
  let sent = 0;
  return {
    async to(address, ...secrets) {
      hop.sent.length = 0;
      sent += 1;
      const letter = `From: carol@outside.example\r\nSubject: ${sent}\r\n\r\n${SECRET_WORDS}\r\n`;
      const { outcomes, forget } = await engine.deliverer.deliver(mail(letter, address));
      forget([0]);
      const texts = hop.sent.map(textOf);
      if (texts.length === 0) return fateOfReply(outcomes[0]?.reply.code ?? 0);
      if (texts.some((text) => text.includes(SECRET_WORDS))) return 'plaintext';
      for (const text of texts) await mustOpen(text, address, secrets);
      return 'sealed';
    },
    close: () => engine.close(),
  };
}

function fateOfReply(code: number): Fate {
  return code >= 400 && code < 500 ? 'waits' : `refused with ${code}`;
}

async function mustOpen(text: string, address: string, secrets: readonly PrivateKey[]): Promise<void> {
  if (/^Content-Type: application\/pkcs7-mime/im.test(text)) return;
  const armored = /-----BEGIN PGP MESSAGE-----[\s\S]*-----END PGP MESSAGE-----/.exec(text)?.[0];
  if (armored === undefined) throw new Error(`the letter to ${address} is no sealed message:\n${text}`);
  for (const secret of secrets) {
    const inside = await decryptWith(secret, Buffer.from(armored));
    if (!inside.toString('latin1').includes(SECRET_WORDS))
      throw new Error(`the letter to ${address} has other words inside`);
  }
}
