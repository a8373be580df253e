// Debian's Thunderbird without a screen, with a profile of its own, driven through Marionette as somebody who selects one message
// after the other.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitUntil } from './child.ts';
import { connectMarionette, type Marionette } from './marionette.ts';
import { need } from './needs.ts';
import type { ReaderKeys } from './reader-keys.ts';
import type { Seen } from './reader-letters.ts';
import { toMbox } from './reader-mbox.ts';

need('thunderbird');

export interface Thunderbird {
  /** Selects a message, and tells what is shown; the text is that of the window that its Decrypt button opens, where it has one. */
  open(messageId: string): Promise<Seen & { readonly pressed: boolean }>;
  close(): Promise<void>;
}

const FOLDER = 'sealed';
const START_MS = 120_000;
const SCRIPT_MS = 60_000;
/** The text is there when it has not changed for that long. */
const SETTLED_MS = 600;
const LONGEST_MS = 20_000;

const PREFERENCES: Readonly<Record<string, string | number | boolean>> = {
  // Any free one: it is written to a file in the profile.
  'marionette.port': 0,
  'mail.accountmanager.accounts': 'account1',
  'mail.accountmanager.localfoldersserver': 'server1',
  'mail.account.account1.server': 'server1',
  'mail.server.server1.type': 'none',
  'mail.server.server1.hostname': 'Local Folders',
  'mail.server.server1.name': 'Local Folders',
  'mail.server.server1.userName': 'nobody',
  'mail.server.server1.directory-rel': '[ProfD]Mail/Local Folders',
  // No questions of a first start, and nothing from the network.
  'mail.provider.suppress_dialog_on_startup': true,
  'mail.shell.checkDefaultClient': false,
  'mail.spotlight.firstRunDone': true,
  'mailnews.start_page.enabled': false,
  'mailnews.start_page_override.mstone': 'ignore',
  'app.donation.eoy.version.viewed': 999,
  'mail.inappnotifications.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'datareporting.policy.dataSubmissionPolicyBypassNotification': true,
  'toolkit.telemetry.enabled': false,
  'app.update.enabled': false,
  'extensions.update.enabled': false,
  'extensions.getAddons.cache.enabled': false,
  'services.settings.server': 'data:,',
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': 9,
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': 9,
};

/** Starts it with one folder of these messages, and imports the keys. */
export async function startThunderbird(keys: ReaderKeys, messages: readonly Buffer[]): Promise<Thunderbird> {
  const profile = mkdtempSync(join(tmpdir(), 'sp-bird-'));
  mkdirSync(join(profile, 'Mail', 'Local Folders'), { recursive: true });
  writeFileSync(join(profile, 'Mail', 'Local Folders', FOLDER), toMbox(messages));
  const preferences = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  writeFileSync(join(profile, 'user.js'), preferences.join(''));
  const child = spawn(
    'thunderbird',
    ['--headless', '--no-remote', '--marionette', '--remote-allow-system-access', '--profile', profile],
    {
      env: { ...process.env, HOME: profile, TMPDIR: profile, LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const close = async () => {
    await end(child);
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const marionette = await connect(profile, child);
    await callInside(marionette, 'importKeys', keys.armoredSecret, keys.pkcs12, keys.pkcs12Password);
    await callInside(marionette, 'openFolder', FOLDER, messages.length);
    return { open: (messageId) => open(marionette, messageId), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function connect(profile: string, child: ChildProcess): Promise<Marionette> {
  const file = join(profile, 'MarionetteActivePort');
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    said = `${said}${bytes.toString('utf8')}`.slice(-4000);
  });
  const port = () => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  await waitUntil(
    'Marionette of Thunderbird',
    START_MS,
    () => port() !== '' || child.exitCode !== null,
    () => said,
  );
  const marionette = await connectMarionette(Number(port()));
  await marionette.call('WebDriver:NewSession', { capabilities: { alwaysMatch: {} } });
  await marionette.call('WebDriver:SetTimeouts', { script: SCRIPT_MS });
  await marionette.call('Marionette:SetContext', { value: 'chrome' });
  await runInside(marionette, readFileSync(new URL('thunderbird-inside.js', import.meta.url), 'utf8'), []);
  return marionette;
}

/** @returns what the script's `return` gives */
async function runInside(marionette: Marionette, script: string, args: readonly unknown[]): Promise<unknown> {
  const answer = await marionette.call('WebDriver:ExecuteScript', {
    script,
    args,
    sandbox: 'system',
    newSandbox: false,
  });
  return (answer as { readonly value: unknown }).value;
}

function callInside(marionette: Marionette, name: string, ...args: readonly unknown[]): Promise<unknown> {
  return runInside(marionette, `return globalThis.reader.${name}(...arguments);`, args);
}

async function open(
  marionette: Marionette,
  messageId: string,
): Promise<Seen & { readonly pressed: boolean }> {
  await callInside(marionette, 'select', messageId);
  const seen = await settled(marionette);
  if ((await callInside(marionette, 'pressDecrypt')) !== true) return { ...seen, pressed: false };
  const { text } = await settled(marionette);
  await callInside(marionette, 'closeWindow');
  return { ...seen, text, pressed: true };
}

/** What is shown, once it does not change any more. */
async function settled(marionette: Marionette): Promise<Seen> {
  const end = Date.now() + LONGEST_MS;
  let [since, last] = [Date.now(), ''];
  for (;;) {
    const seen = await callInside(marionette, 'read');
    const now = JSON.stringify(seen);
    if (now !== last) [since, last] = [Date.now(), now];
    if (Date.now() - since > SETTLED_MS || Date.now() > end) return seen as Seen;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(late);
}
