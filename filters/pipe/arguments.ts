// The command line of sealpost-pipe, as master.cf writes it: `--queue-id ID -f SENDER -- RCPT...`. Pure.
import { parseArgs } from 'node:util';
import { isSendablePath } from '../../src/smtp/paths.ts';
import type { RawPath } from '../../src/smtp/types.ts';

export interface PipeArguments {
  readonly configPath: string | undefined;
  /** '' when Postfix gave none. */
  readonly queueId: string;
  readonly sender: RawPath;
  readonly recipients: readonly RawPath[];
}

export type PipeCall =
  | { readonly kind: 'deliver'; readonly arguments: PipeArguments }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  /** One sentence without any address, since it may be shown to the sender. */
  | { readonly kind: 'wrong'; readonly because: string };

export const USAGE = 'sealpost-pipe --queue-id ID -f SENDER -- RCPT...';

export const HELP = `Usage: ${USAGE}

Reads one message from standard input, has it sealed and re-injected, and tells
Postfix's pipe(8) the end by its exit code: 0 delivered, 75 try again later,
65, 67 or 69 refused for good.

Options:
  --queue-id ID   Postfix's queue ID; a retry under the same one repeats nothing
  -f SENDER       envelope sender; an empty argument is the null sender
  --config FILE   configuration file (default: $SEALPOST_CONFIG, ./sealpost.toml,
                  /etc/sealpost/sealpost.toml)
  --version       print the version
  --help          print this text

Example (master.cf):
  sealpost unix - n n - 10 pipe flags=q user=sealpost null_sender=
    argv=/usr/bin/sealpost-pipe --queue-id \${queue_id} -f \${sender} -- \${recipient}
`;

/**
 * Reads the arguments behind the program name.
 * @param args one character per byte, so that an address keeps its bytes
 */
export function parsePipeArguments(args: readonly string[]): PipeCall {
  const parsed = parseStrictly(args);
  if (parsed === undefined) return { kind: 'wrong', because: 'an option is unknown or lacks its value' };
  const { values, positionals } = parsed;
  const bare = values.sender === undefined && values['queue-id'] === undefined && positionals.length === 0;
  // A success without reading the message loses it: in front of a mail these options are a mistake.
  if (values.help === true)
    return bare ? { kind: 'help' } : { kind: 'wrong', because: '--help delivers nothing' };
  if (values.version === true) {
    return bare ? { kind: 'version' } : { kind: 'wrong', because: '--version delivers nothing' };
  }
  if (values.sender === undefined) return { kind: 'wrong', because: 'the sender (-f) is missing' };
  if (positionals.length === 0) return { kind: 'wrong', because: 'there is no recipient' };
  if (positionals.includes('')) return { kind: 'wrong', because: 'a recipient is empty' };
  const sender = values.sender === 'MAILER-DAEMON' ? '' : quotedPath(values.sender);
  const recipients = positionals.map(quotedPath);
  if (![sender, ...recipients].every(isSendablePath)) {
    return { kind: 'wrong', because: 'an address contains control characters' };
  }
  return {
    kind: 'deliver',
    arguments: {
      configPath:
        values.config === undefined ? undefined : Buffer.from(values.config, 'latin1').toString('utf8'),
      queueId: values['queue-id'] ?? '',
      sender,
      recipients,
    },
  };
}

function parseStrictly(args: readonly string[]) {
  // A sender may begin with a hyphen (allow_min_user): as `--sender=VALUE` parseArgs does not take it for an option.
  const joined: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? '';
    const next = args[index + 1];
    if (argument === '--') {
      joined.push(...args.slice(index));
      break;
    }
    if (argument === '-f' && next !== undefined && next !== '--') {
      joined.push(`--sender=${next}`);
      index += 1;
    } else joined.push(argument);
  }
  try {
    return parseArgs({
      args: joined,
      strict: true,
      allowPositionals: true,
      options: {
        'queue-id': { type: 'string' },
        sender: { type: 'string', short: 'f' },
        config: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
  } catch {
    return undefined;
  }
}

/**
 * The path as RFC 5321 writes it. pipe(8) quotes local parts under flags=q only; without the flag `a,b@example.org` would
 * be read as two addresses by sendmail(1), and `a b@example.org` would break the command line.
 */
export function quotedPath(path: RawPath): RawPath {
  const at = path.lastIndexOf('@');
  const local = at === -1 ? path : path.slice(0, at);
  if (!/[\s()<>[\]:;@\\,"]/.test(local) || /^"(?:[^"\\]|\\.)*"$/s.test(local)) return path;
  return `"${local.replace(/["\\]/g, '\\$&')}"${at === -1 ? '' : path.slice(at)}`;
}
