// A private GnuPG for tests: its own home in a short path (agent sockets), closed at the end.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need } from '../../support/needs.ts';

need('gnupg');

export interface Gpg {
  readonly home: string;
  /** Runs gpg without questions; returns standard output. */
  run(args: readonly string[], input?: Uint8Array | string): Buffer;
  /** Makes a key without passphrase from a parameter file's lines, and returns its fingerprint. */
  make(parameters: readonly string[], options?: readonly string[]): string;
  exportKey(fingerprint: string, ...options: readonly string[]): Buffer;
  close(): void;
}

export function openGpg(): Gpg {
  const home = mkdtempSync(join(tmpdir(), 'sp-'));
  const run = (args: readonly string[], input: Uint8Array | string = ''): Buffer =>
    execFileSync(
      'gpg',
      [
        '--homedir',
        home,
        '--batch',
        '--yes',
        '--quiet',
        '--pinentry-mode',
        'loopback',
        '--passphrase',
        '',
        ...args,
      ],
      {
        input,
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...process.env, GNUPGHOME: home, LC_ALL: 'C' },
      },
    );
  return {
    home,
    run,
    make(parameters, options = []) {
      const status = run(
        ['--status-fd', '1', ...options, '--generate-key'],
        ['%no-protection', ...parameters, '%commit', ''].join('\n'),
      ).toString();
      const fingerprint = /KEY_CREATED \S+ (\S+)/.exec(status)?.[1];
      if (fingerprint === undefined) throw new Error(`gpg made no key: ${status}`);
      return fingerprint;
    },
    exportKey: (fingerprint, ...options) => run([...options, '--export', fingerprint]),
    close() {
      execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Lines for a key that signs and encrypts, as GnuPG makes one by default, but of a curve, which is quick. */
export function curveKey(
  userId: { readonly name?: string; readonly address: string },
  expire = '0',
): readonly string[] {
  return [
    'Key-Type: eddsa',
    'Key-Curve: ed25519',
    'Key-Usage: sign,cert',
    'Subkey-Type: ecdh',
    'Subkey-Curve: cv25519',
    'Subkey-Usage: encrypt',
    `Name-Real: ${userId.name ?? 'Test Person'}`,
    `Name-Email: ${userId.address}`,
    `Expire-Date: ${expire}`,
  ];
}
