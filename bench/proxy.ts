// The target rows of small messages: sealpost, the peers and the direct way, in turn, so that whatever else the machine does
// touches all of them.
import { describeLoad, type Load } from './burst.ts';
import {
  describeThrough,
  figuresOf,
  measureBurst,
  perSecond,
  proveLoad,
  type Speed,
  type Through,
} from './measure.ts';
import type { Finding, PartOptions, PartResult, Row } from './rows.ts';
import { RECIPIENTS, type Stand, theStand, USERS } from './stand.ts';
import { median } from './statistics.ts';

interface Contender {
  readonly name: string;
  readonly through: Through;
  readonly load: Load;
  readonly count: number;
}

const SMALL: Load = {
  protocol: 'smtp',
  sessions: 8,
  reuse: false,
  recipients: 1,
  bytes: 4096,
  recipient: RECIPIENTS.rsa,
  sealed: true,
};
const CURVE: Load = { ...SMALL, recipient: RECIPIENTS.curve };
const MANY: Load = { ...SMALL, protocol: 'lmtp', sessions: 50, reuse: true };
const DIRECT: Load = { ...SMALL, reuse: true };

const contenders = (scale: number): readonly Contender[] => {
  const of = (name: string, through: Through, load: Load, count: number): Contender => ({
    name,
    through,
    load,
    count: Math.max(10, Math.round(count * scale)),
  });
  return [
    of('ours', 'sealpost', SMALL, 2000),
    of('plain', 'plain', SMALL, 120),
    of('direct', 'direct', DIRECT, 8000),
    of('curve', 'sealpost', CURVE, 2000),
    of('plain curve', 'plain', CURVE, 120),
    of('lacre', 'lacre-like', SMALL, 80),
    of('overlapping', 'overlapping', SMALL, 300),
    of('many', 'sealpost', MANY, 3000),
    of('plain many', 'plain', { ...MANY, protocol: 'smtp' }, 120),
    of('many curve', 'sealpost', { ...MANY, recipient: RECIPIENTS.curve }, 3000),
    of('direct, no reuse', 'direct', SMALL, 4000),
  ];
};

export async function proxyPart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const list = contenders(options.quick ? 0.25 : 1);
  const speeds = await inTurn(stand, list, options);
  for (const { through, load } of list) {
    if (through === 'direct') continue;
    options.progress(`proving ${describeThrough(through)}, ${describeLoad(load)}`);
    await proveLoad(stand, through, load, 20);
  }
  const rate = (name: string): number => median((speeds.get(name) ?? []).map(perSecond));
  return {
    rows: list.map((contender) => rowOf(contender, speeds.get(contender.name) ?? [])),
    findings: findingsOf(rate),
    charts: [
      {
        name: 'proxy-small',
        title: '4 KB sealed, messages per second',
        kind: 'bars',
        xTitle: '',
        yTitle: 'messages per second',
        points: list
          .filter(({ through }) => through !== 'direct')
          .map((contender) => ({ series: '', x: workOf(contender), y: rate(contender.name) })),
      },
    ],
    notes: [
      `A mail server with ${USERS} users who have keys; the keyring of the Python programs holds the same ${USERS} public keys and no ` +
        'secret one. "aiosmtpd + gpg" calls gpg once for each message, as an administrator would write it. "Built as Lacre is" lists ' +
        'the secret and the public keyring for every message, as GPG-Mailgate and Lacre do, so its time grows with the number of ' +
        'keys. "Overlapped and stripped" leaves out everything that could be left out, and runs its gpg processes at the same time. ' +
        'aiosmtpd is asked over SMTP where sealpost is asked over LMTP. Curve25519 keys cost sealpost more than RSA 3072 ones, which ' +
        'gpg makes by default; both are shown.',
    ],
  };
}

async function inTurn(
  stand: Stand,
  list: readonly Contender[],
  { quick, progress }: PartOptions,
): Promise<Map<string, Speed[]>> {
  progress('warming up');
  // sealpost runs for months: its code is compiled after some thousand messages, and only then is it measured.
  for (const { through, load, count } of list)
    if (through !== 'direct')
      await measureBurst(stand, through, load, through === 'sealpost' ? count : Math.ceil(count / 4));
  const speeds = new Map<string, Speed[]>();
  const rounds = quick ? 1 : 3;
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, through, load, count } of list) {
      const speed = await measureBurst(stand, through, load, count);
      speeds.set(name, [...(speeds.get(name) ?? []), speed]);
      progress(`round ${round} of ${rounds}: ${workOf({ through, load })}: ${perSecond(speed).toFixed(0)}/s`);
    }
  }
  return speeds;
}

const workOf = ({ through, load }: Pick<Contender, 'through' | 'load'>): string =>
  `${describeThrough(through)}, ${describeLoad(load)}${load.recipient === RECIPIENTS.curve ? ', Curve25519' : ''}`;

function rowOf(contender: Contender, speeds: readonly Speed[]): Row {
  const middle = median(speeds.map(perSecond));
  // Of an odd number of rounds the median is one of them: its costs belong to it.
  const speed = speeds.find((each) => perSecond(each) === middle) ?? speeds[0];
  return { work: workOf(contender), figures: speed === undefined ? {} : figuresOf(speed, contender.load) };
}

function findingsOf(rate: (name: string) => number): Finding[] {
  const small = '4 KB sealed, SMTP, 8 sessions, no reuse';
  const many = '4 KB sealed, LMTP, 50 sessions, reuse';
  const over = (a: string, b: string): number => rate(a) / rate(b);
  const least = (value: number) => ({ is: 'at least' as const, value });
  return [
    { what: `${small}: over aiosmtpd + gpg`, measured: over('ours', 'plain'), target: least(40) },
    {
      what: `${small}: over smtp-source straight into smtp-sink with reuse`,
      measured: over('ours', 'direct'),
      target: least(0.12),
    },
    { what: `${many}: over aiosmtpd + gpg`, measured: over('many', 'plain many'), target: least(60) },
    { what: `${small}, Curve25519: over aiosmtpd + gpg`, measured: over('curve', 'plain curve') },
    { what: `${small}, Curve25519: over direct with reuse`, measured: over('curve', 'direct') },
    { what: `${small}: over aiosmtpd + gpg, built as Lacre is`, measured: over('ours', 'lacre') },
    { what: `${small}: over aiosmtpd + gpg, overlapped and stripped`, measured: over('ours', 'overlapping') },
    { what: `${small}: over direct without reuse`, measured: over('ours', 'direct, no reuse') },
    { what: `${many}, Curve25519: over aiosmtpd + gpg`, measured: over('many curve', 'plain many') },
  ];
}
