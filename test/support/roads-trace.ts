// Every copy of every message, wherever it has ended: who has it, and whether somebody without the key could read it.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Decrypt } from './keys.ts';
import { LOCAL, mailboxOf, type Site } from './roads-site.ts';
import type { Sink } from './sink.ts';
import { looksSealed, unseal } from './unseal.ts';

/** One message in one place. */
export interface Copy {
  /** An address of a user; `outside`; or `written`: a file or a program of an alias. */
  readonly place: string;
  /** For a message: the address that it was delivered by, as far as that is told. */
  readonly by: string;
  /** CRLF line endings. */
  readonly message: Buffer;
}

export interface Places {
  readonly site: Site;
  readonly outside: Sink;
  /** Mail stores over LMTP. */
  readonly stores: readonly Sink[];
}

/** Reads all mailboxes. */
export async function collectCopies({ site, outside, stores }: Places): Promise<Copy[]> {
  return [
    ...(await maildirs(site.vmail)),
    ...(await mailboxFiles(site.spool)),
    ...(await writtenFiles(site.written)),
    ...stores.flatMap((store) =>
      store.deliveries().map(({ recipient, message }) => {
        const path = Buffer.from(recipient, 'latin1').toString('utf8');
        return { place: mailboxOf(path) ?? `nobody: ${path}`, by: path, message };
      }),
    ),
    ...outside.deliveries().map(({ recipient, message }) => ({ place: 'outside', by: recipient, message })),
  ];
}

const crlf = (text: string): Buffer => Buffer.from(text.replace(/\r?\n/g, '\r\n'), 'latin1');

/** The address that virtual(8) and local(8) were given: X-Original-To is the first one, Delivered-To the last. */
function addressIn(message: Buffer): string {
  const head = message.toString('utf8', 0, Math.max(0, message.indexOf('\r\n\r\n')));
  return /^X-Original-To: (.*)$/im.exec(head)?.[1]?.trim() ?? /^Delivered-To: (.*)$/im.exec(head)?.[1] ?? '';
}

async function maildirs(base: string): Promise<Copy[]> {
  const found = await readdir(base, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile() && /\/(?:new|cur)$/.test(entry.parentPath));
  return Promise.all(
    files.map(async (entry) => {
      const [local = '', domain = ''] = entry.parentPath.split('/').slice(0, -1).reverse();
      const message = crlf(await readFile(join(entry.parentPath, entry.name), 'latin1'));
      return { place: `${local}@${domain}`, by: addressIn(message), message };
    }),
  );
}

async function mailboxFiles(spool: string): Promise<Copy[]> {
  const copies: Copy[] = [];
  for (const user of await readdir(spool)) {
    const text = await readFile(join(spool, user), 'latin1');
    for (const part of text.split(/^From .*\n/m).filter((each) => each.trim() !== '')) {
      const message = crlf(part);
      copies.push({ place: `${user}@${LOCAL}`, by: addressIn(message), message });
    }
  }
  return copies;
}

async function writtenFiles(folder: string): Promise<Copy[]> {
  const copies: Copy[] = [];
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), 'latin1');
    for (const part of text.split(/^From .*\n/m).filter((each) => each.trim() !== ''))
      copies.push({ place: 'written', by: name, message: crlf(part) });
  }
  return copies;
}

/** A copy, and what it is. */
export interface Judged extends Copy {
  /** `open`: in a mailbox in plaintext; `wrong`: sealed, and its owner cannot open it. */
  readonly state: 'sealed' | 'open' | 'wrong' | 'elsewhere';
  /** What can be read in it by whoever should. */
  readonly text: string;
}

/** @param keys by address; a mailbox without one is nobody's */
export async function judge(copy: Copy, keys: ReadonlyMap<string, Decrypt>): Promise<Judged> {
  const text = copy.message.toString('latin1');
  if (copy.place === 'outside') return { ...copy, state: 'elsewhere', text };
  const decrypt = keys.get(copy.place);
  if (!looksSealed(copy.message) || decrypt === undefined) return { ...copy, state: 'open', text };
  try {
    const inside = await unseal(copy.message, decrypt);
    const fields = inside.inner.map(({ name, value }) => `${name}:${value}`).join('\r\n');
    return { ...copy, state: 'sealed', text: `${text}\r\n${fields}\r\n${inside.body.toString('latin1')}` };
  } catch (error) {
    return { ...copy, state: 'wrong', text: `${error instanceof Error ? error.message : error}\r\n${text}` };
  }
}
