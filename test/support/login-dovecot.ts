// A private Dovecot that people log in to as at a real site: TLS from the first byte and STARTTLS, a certificate of an authority that
// nobody else knows, and users with passwords of their own.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CA_EXTENSIONS, openAuthority } from './authority.ts';
import { freePorts } from './places.ts';
import { type PrivateDovecot, startDovecot } from './private-dovecot.ts';

export interface LoginDovecot extends Pick<PrivateDovecot, 'log' | 'stop'> {
  /** IMAP with STARTTLS, without which nobody may log in. */
  readonly imapPort: number;
  readonly imapsPort: number;
  /** PEM of the authority that certified {@link NAME}. */
  readonly authorityFile: string;
  /** Ends it, and removes its files. */
  remove(): Promise<void>;
}

/** The name in its certificate: one that the resolver takes for 127.0.0.1, and that is no address of the loopback interface by its looks. */
export const NAME = '127.1';

/**
 * Starts it.
 * @param passwords by login
 * @param refusalDelay how long it waits before it refuses, as dovecot.conf writes it
 */
export async function startLoginDovecot(
  passwords: Readonly<Record<string, string>>,
  refusalDelay = '0',
): Promise<LoginDovecot> {
  const dir = mkdtempSync(join(tmpdir(), 'sp-login-'));
  chmodSync(dir, 0o755);
  const authority = openAuthority();
  const ca = authority.issue('ca', { extensions: CA_EXTENSIONS });
  const own = authority.issue('imap', { issuer: ca, extensions: [`subjectAltName=DNS:${NAME}`] });
  const [imapsPort = 0] = await freePorts(1);
  const users = join(dir, 'users');
  const lines = Object.entries(passwords).map(
    ([login, password]) => `${login}:{PLAIN.b64}${Buffer.from(password).toString('base64')}::::::`,
  );
  await writeFile(users, `${lines.join('\n')}\n`, { mode: 0o644 });
  const dovecot = await startDovecot({
    dir: join(dir, 'd'),
    passdb: `driver = passwd-file
  args = scheme=PLAIN username_format=%u ${users}`,
    more: `
ssl = required
ssl_cert = <${own.certificateFile}
ssl_key = <${own.keyFile}
disable_plaintext_auth = yes
login_trusted_networks = 127.0.0.1
auth_failure_delay = ${refusalDelay}
service imap-login {
  inet_listener imaps {
    port = ${imapsPort}
    ssl = yes
  }
}
`,
  });
  const { imapPort, log, stop } = dovecot;
  return {
    imapPort,
    imapsPort,
    authorityFile: ca.certificateFile,
    log,
    stop,
    async remove() {
      await stop();
      authority.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
