// How a person comes to have sealed mail without an administrator: what her browser sends to the portal, without JavaScript, and
// what she reads in her mailbox.
import { simpleParser } from 'mailparser';
import { decrypt, type PrivateKey, readMessage } from 'openpgp';
import type { Sink } from '../test/support/sink.ts';
import { armoredPart, looksSealed } from '../test/support/unseal.ts';

/** Milliseconds for a letter to arrive. */
const PATIENCE = 30_000;

export interface Enrolment {
  /** Where the portal answers, without a slash at the end. */
  readonly portal: string;
  readonly mailboxes: Pick<Sink, 'deliveries'>;
  readonly address: string;
  readonly key: PrivateKey;
  /** Told of each step, in words. */
  readonly say: (text: string) => void;
}

/**
 * Signs in by letter, hands a key over, reads the letter that is sealed to it, and presses the button.
 * @throws Error where a page or a letter is not as expected
 */
export async function enrol({ portal, mailboxes, address, key, say }: Enrolment): Promise<void> {
  const browser = openBrowser(portal);
  await browser.get('/');
  await browser.post('/sign-in/letter', { address });
  const first = await linkTo('sign-in', mailboxes, address, key);
  say(
    `a link came by mail, ${first.sealed ? 'sealed' : 'in the clear, since there is no key yet'}: ${first.path}`,
  );
  await browser.get(first.path);
  await browser.post(first.path, {});
  await browser.get('/');
  const review = await browser.post('/key/paste', { key: key.toPublic().armor() });
  const carried = /name="carried" value="([^"]+)"/.exec(review)?.[1];
  if (carried === undefined) throw new Error('expected the page that shows what was understood of the key');
  say('the public key was pasted, and the page shows what it understood of it');
  await browser.post('/key/submit', { carried });
  const second = await linkTo('confirm', mailboxes, address, key);
  if (!second.sealed) throw new Error('expected a letter that is sealed to the new key');
  say(`a letter came that only this key opens; the link in it: ${second.path}`);
  await browser.get(second.path);
  const done = await browser.post(second.path, {});
  if (!done.includes('Your mail is sealed'))
    throw new Error('expected a page that says "Your mail is sealed"');
  say('the button behind the link was pressed, and the page says: Your mail is sealed');
}

/** The newest link of a kind in the letters to somebody. Waits until there is one. */
async function linkTo(
  action: string,
  mailboxes: Enrolment['mailboxes'],
  address: string,
  key: PrivateKey,
): Promise<{ readonly path: string; readonly sealed: boolean }> {
  const end = Date.now() + PATIENCE;
  while (Date.now() < end) {
    for (const { recipient, message } of mailboxes.deliveries().toReversed()) {
      if (recipient !== address) continue;
      const sealed = looksSealed(message);
      const { text = '' } = await simpleParser(sealed ? await openSealed(message, key) : message);
      const path = new RegExp(`/${action}/[\\w-]{43}`).exec(text)?.[0];
      if (path !== undefined) return { path, sealed };
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`expected a letter to ${address} with a link to ${action} within ${PATIENCE / 1000} s`);
}

/** The plaintext of a sealed letter. @throws where the key does not open it */
export async function openSealed(message: Buffer, key: PrivateKey): Promise<Buffer> {
  const sealed = await readMessage({ armoredMessage: armoredPart(message).toString('latin1') });
  const { data } = await decrypt({ message: sealed, decryptionKeys: key, format: 'binary' });
  return Buffer.from(data as Uint8Array);
}

/** Keeps cookies, and sends each form with the token of the page before. */
function openBrowser(portal: string) {
  const cookies = new Map<string, string>();
  let token = '';
  const ask = async (path: string, form?: Readonly<Record<string, string>>): Promise<string> => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(`${portal}${path}`, {
      redirect: 'manual',
      headers: { cookie },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams({ _csrf: token, ...form }) }),
    });
    for (const field of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(field) ?? [];
      cookies.set(name, value);
    }
    const page = await response.text();
    if (response.status >= 400)
      throw new Error(`expected a page at ${path}, found ${response.status}: ${page.slice(0, 500)}`);
    token = /name="_csrf" value="([^"]+)"/.exec(page)?.[1] ?? token;
    return page;
  };
  return {
    get: (path: string) => ask(path),
    post: (path: string, form: Readonly<Record<string, string>>) => ask(path, form),
  };
}
