// Debian's Claws Mail with its plugins for OpenPGP and S/MIME, on a screen of its own (Xvfb): messages are selected by its remote
// command, and read as a screen reader reads them (claws-read.py).
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from './child.ts';
import { need } from './needs.ts';
import type { Seen } from './reader-letters.ts';

need('claws-mail', 'claws-mail-pgpmime', 'claws-mail-pgpinline', 'claws-mail-smime-plugin', 'xvfb', 'xauth');
need('dbus-daemon', 'at-spi2-core', 'python3', 'python3-pyatspi');

/** What is on the screen in place of a message. */
export interface NotShown {
  readonly failed: string;
}

const READ = fileURLToPath(new URL('claws-read.py', import.meta.url));
const FOLDERS = ['inbox', 'sent', 'queue', 'draft', 'trash'];
const LONGEST_MS = 600_000;

/**
 * Opens messages, one after the other.
 * @param home of GnuPG, with the secret keys
 * @param messages by their Message-ID
 * @returns what is shown, in their order
 */
export async function openInClaws(
  home: string,
  messages: ReadonlyMap<string, Buffer>,
): Promise<readonly (Seen | NotShown)[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sp-claws-'));
  try {
    for (const name of FOLDERS) mkdirSync(join(folder, 'Mail', name), { recursive: true });
    for (const [index, message] of [...messages.values()].entries()) {
      writeFileSync(
        join(folder, 'Mail', 'inbox', String(index + 1)),
        message.toString('latin1').replace(/\r\n/g, '\n'),
        'latin1',
      );
    }
    const config = join(folder, 'config');
    mkdirSync(config, { mode: 0o700 });
    for (const [name, lines] of Object.entries(settings(join(folder, 'Mail'))))
      writeFileSync(join(config, name), `${lines.join('\n')}\n`, { mode: 0o600 });
    const { stdout } = await mustRun(
      'dbus-run-session',
      [
        ...['--', 'xvfb-run', '-a', '-s', '-screen 0 1600x1200x24', '/usr/bin/python3', READ],
        ...[config, '#mh/Mailbox/inbox', ...messages.keys()],
      ],
      {
        env: {
          GNUPGHOME: home,
          HOME: folder,
          XDG_RUNTIME_DIR: folder,
          LC_ALL: 'C.UTF-8',
          NO_AT_BRIDGE: '0',
        },
        timeout: LONGEST_MS,
      },
    );
    // The registry of assistive technology writes there as well.
    const lines = stdout
      .toString('utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'));
    return lines.map((line) => seenIn(JSON.parse(line) as { readonly text: string } | NotShown));
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function settings(mail: string): Readonly<Record<string, readonly string[]>> {
  return {
    accountrc: [
      '[Account: 1]',
      'account_name=alice',
      'is_default=1',
      'name=Alice',
      'address=alice@example.org',
      // None: local mail alone.
      'protocol=6',
    ],
    clawsrc: [
      '[Common]',
      'always_show_msg=1',
      'work_offline=1',
      '',
      '[Plugins_GTK3]',
      ...['pgpcore', 'pgpmime', 'pgpinline', 'smime'].map((name) => join(pluginFolder(), `${name}.so`)),
    ],
    // By its Message-ID the one that is open is known.
    dispheaderrc: ['From', 'Subject', 'Message-ID'],
    'folderlist.xml': [
      '<?xml version="1.0" encoding="UTF-8" ?>',
      '<folderlist>',
      `<folder type="mh" name="Mailbox" path="${mail}" collapsed="0">`,
      ...FOLDERS.map(
        (name) => `<folderitem type="${name === 'sent' ? 'outbox' : name}" name="${name}" path="${name}" />`,
      ),
      '</folder>',
      '</folderlist>',
    ],
  };
}

/** In the folder of the machine's architecture. */
function pluginFolder(): string {
  const folders = readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'claws-mail', 'plugins'));
  const found = folders.find(existsSync);
  if (found === undefined) throw new Error('Claws has no folder of plugins');
  return found;
}

/** Pure. The text has the header in front. */
function seenIn(read: { readonly text: string } | NotShown): Seen | NotShown {
  if ('failed' in read) return read;
  const { text } = read;
  return {
    text,
    subject: /^Subject: (.*)$/m.exec(text)?.[1] ?? '',
    attachments: [...text.matchAll(/^\[(.+?) {2}\S+\/\S+ \(.*\)\] ?$/gm)].map(([, name = '']) => name),
  };
}
