// Certificates for tests, made by openssl in a folder of their own each time: no fixture that could expire.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need } from './needs.ts';

need('openssl');

export interface Issued {
  /** PEM files, for openssl. */
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly pem: string;
  readonly der: Buffer;
}

export interface IssueOptions {
  /** Such as `rsa:2048` or `P-256`. */
  readonly key?: string;
  /** Certifies the key of that certificate instead of a new one. */
  readonly keyOf?: Issued;
  /** Lines of an extension file; default: `subjectAltName=email:NAME@example.org`. */
  readonly extensions?: readonly string[];
  readonly subject?: string;
  /** undefined: self-signed. */
  readonly issuer?: Issued | undefined;
  readonly days?: number;
  readonly digest?: string;
}

export interface Authority {
  readonly folder: string;
  issue(name: string, options?: IssueOptions): Issued;
  /** Runs openssl; returns standard output. */
  run(args: readonly string[], input?: Uint8Array | string): Buffer;
  close(): void;
}

export const CA_EXTENSIONS = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];

export function openAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'sealpost-ca-'));
  const run = (args: readonly string[], input: Uint8Array | string = ''): Buffer =>
    execFileSync('openssl', args, { input, stdio: ['pipe', 'pipe', 'ignore'], maxBuffer: 2 ** 28 });
  return {
    folder,
    run,
    issue(name, options = {}) {
      const file = (ending: string) => join(folder, `${name}.${ending}`);
      const key = options.key ?? 'P-256';
      const algorithm = /^(?:P-|brainpool|secp)/.test(key)
        ? ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${key}`]
        : ['-newkey', key];
      const keyFile = options.keyOf?.keyFile ?? file('key');
      const subject = options.subject ?? `/O=Example/CN=${name}`;
      run([
        'req',
        '-new',
        ...(options.keyOf === undefined ? [...algorithm, '-nodes', '-keyout', keyFile] : ['-key', keyFile]),
        ...['-out', file('csr'), '-subj', subject],
      ]);
      const extensions = options.extensions ?? [`subjectAltName=email:${name}@example.org`];
      writeFileSync(file('ext'), `${extensions.join('\n')}\n`);
      run([
        'x509',
        '-req',
        ...['-in', file('csr'), '-out', file('pem'), '-extfile', file('ext')],
        ...['-days', String(options.days ?? 30), `-${options.digest ?? 'sha256'}`],
        ...(options.issuer === undefined
          ? ['-signkey', keyFile]
          : ['-CA', options.issuer.certificateFile, '-CAkey', options.issuer.keyFile, '-CAcreateserial']),
      ]);
      const pem = readFileSync(file('pem'), 'latin1');
      return { certificateFile: file('pem'), keyFile, pem, der: new X509Certificate(pem).raw };
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
