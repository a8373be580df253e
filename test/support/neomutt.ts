// Debian's neomutt over GPGME, driven by its own keystrokes in a terminal that script(1) makes: what somebody reads who opens a message.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need } from './needs.ts';
import type { Seen } from './reader-letters.ts';
import { toMbox } from './reader-mbox.ts';

need('neomutt', 'gnupg');

const SECONDS = 60;

/**
 * Opens one message.
 * @param home of GnuPG, with the secret key
 * @throws Error with the screen where neomutt does not end by itself
 */
export async function openInNeomutt(home: string, message: Buffer): Promise<Seen> {
  const folder = mkdtempSync(join(tmpdir(), 'sp-mutt-'));
  const file = (name: string) => join(folder, name);
  try {
    writeFileSync(file('mbox'), toMbox([message]));
    // The pager gets what would be shown.
    writeFileSync(file('pager'), `#!/bin/sh\ncat "$1" > ${file('shown')}\n`, { mode: 0o755 });
    const settings = ['crypt_use_gpgme=yes', 'crypt_protected_headers_read=yes', 'charset=utf-8', 'quit=yes'];
    settings.push(
      'pgp_auto_decode=yes',
      'wait_key=no',
      'prompt_after=no',
      'allow_ansi=no',
      `folder=${folder}`,
      `pager=${file('pager')}`,
    );
    const lines = [
      ...settings.map((each) => `set ${each}`),
      'ignore *',
      'unignore from subject',
      'push "\\nq"',
    ];
    writeFileSync(file('rc'), `${lines.join('\n')}\n`);
    const child = spawn('script', ['-qec', `neomutt -n -F ${file('rc')} -f ${file('mbox')}`, '/dev/null'], {
      env: { ...process.env, GNUPGHOME: home, HOME: folder, TERM: 'xterm', LC_ALL: 'C.UTF-8' },
      // Open until the end: without a keyboard neomutt gives up.
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: SECONDS * 1000,
    });
    let screen = '';
    child.stdout.on('data', (bytes: Buffer) => {
      screen += bytes.toString('latin1');
    });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`neomutt ended with ${code}: ${screen.slice(-500)}`);
    return shownBy(readFileSync(file('shown'), 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Pure. The Subject is the one inside, where one is shown, else the one outside. */
function shownBy(text: string): Seen {
  const [, inside] = /^\[-- The following data is .* encrypted --\]\n\nSubject: (.*)$/m.exec(text) ?? [];
  const [, outside = ''] = /^Subject: (.*)$/m.exec(text) ?? [];
  return {
    text,
    subject: inside ?? outside,
    attachments: [...text.matchAll(/^\[-- Attachment #\d+: (.+) --\]$/gm)].map(([, name = '']) => name),
  };
}
