// What a client of the lookup daemons may send in one go, made to hold up the process that answers everybody else's questions. Postfix
// asks one question at a time; whoever reaches the port need not.

/** The three protocols. */
export type Asked = 'tcp_table' | 'socketmap' | 'policy';

export interface RequestBomb {
  /** What it is made of, as the report names it. */
  readonly name: string;
  readonly protocol: Asked;
  readonly bytes: () => Buffer;
}

const BYTES = 128 * 1024;

const filled = (unit: string | Buffer): Buffer =>
  Buffer.alloc(Math.floor(BYTES / unit.length) * unit.length, unit);

/** As many different ones as fit. */
function numbered(unit: (index: number) => string): Buffer {
  const size = unit(10_000).length;
  return Buffer.from(
    Array.from({ length: Math.floor(BYTES / size) }, (_, index) => unit(index)).join(''),
    'latin1',
  );
}

const MARKS = '%CC%81%CC%A3'.repeat(330);
const RAW_MARKS = Buffer.from('\u0301\u0323'.repeat(2400), 'utf8').toString('latin1');

const netstring = (text: string): string => `${text.length}:${text},`;

export const REQUEST_BOMBS: readonly RequestBomb[] = [
  { name: 'tcp_table: lines that are no request', protocol: 'tcp_table', bytes: () => filled('x\n') },
  { name: 'tcp_table: one question in one go', protocol: 'tcp_table', bytes: () => filled('get a@b.c\n') },
  {
    name: 'tcp_table: strangers in one go',
    protocol: 'tcp_table',
    bytes: () => numbered((index) => `get ${index}@example.org\n`),
  },
  {
    name: 'tcp_table: combining marks',
    protocol: 'tcp_table',
    bytes: () => numbered((index) => `get ${index}${MARKS}@example.org\n`),
  },
  { name: 'tcp_table: a line without end', protocol: 'tcp_table', bytes: () => filled('get %41') },
  { name: 'socketmap: empty netstrings', protocol: 'socketmap', bytes: () => filled('0:,') },
  {
    name: 'socketmap: combining marks',
    protocol: 'socketmap',
    bytes: () => numbered((index) => netstring(`check_recipient ${index}${RAW_MARKS}@example.org`)),
  },
  {
    name: 'policy: attributes without end',
    protocol: 'policy',
    bytes: () =>
      filled(
        `request=smtpd_access_policy\n${Array.from({ length: 990 }, (_, at) => `a${at}=b\n`).join('')}\n`,
      ),
  },
  {
    name: 'policy: recipients of combining marks',
    protocol: 'policy',
    bytes: () =>
      numbered(
        (index) => `request=smtpd_access_policy\nrecipient=${index}${RAW_MARKS.repeat(4)}@example.org\n\n`,
      ),
  },
];
