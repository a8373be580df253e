// What a road is, and how its mail is sent: by SMTP through one of the doors, or by sendmail(1).
import { mustRun } from './child.ts';
import { type Answers, sendRoadMail } from './roads-smtp.ts';
import type { Doors, RoadsStand } from './roads-stand.ts';

/** Wirings by the name of their folder, or of both together. */
export type WiringName =
  | 'delivery-lmtp'
  | 'delivery-virtual'
  | 'delivery-local'
  | 'after-queue-lmtp'
  | 'after-queue-smtp'
  | 'pipe';

export interface Road {
  readonly name: string;
  /** What kind of mailbox it leads to; `delivery-virtual` alone has nothing to do with the accounts of the machine. */
  readonly to: 'virtual' | 'local';
  /**
   * Wirings in which it is open, and the words of their README that say so: nobody but the administrator can build it, and no
   * filter can see it.
   */
  readonly unseen?: {
    readonly in: readonly WiringName[];
    readonly words: string;
    /** A gateway meets an address that nobody has there: it must warn, and count. */
    readonly told?: true;
  };
  /** Wirings in which it leads to nobody, and the words of their README that say so. */
  readonly nowhere?: { readonly in: readonly WiringName[]; readonly words: string };
  /** Closed by what sealpost understands of addresses, and by no wiring. */
  readonly closedBy?: 'resolver';
  /** Who must have it in the end. */
  readonly reaches?: readonly string[];
  /** Whether Postfix must have refused it (`refused`), kept nothing of its text (`textless`), or neither. */
  readonly ends?: 'refused' | 'textless';
  /** @param mark the message's own number, and its text with the secret in it */
  readonly send: (stand: RoadsStand, mark: Mark) => Promise<readonly Answers[]>;
}

export interface Mark {
  /** A sender outside of the message's own. */
  readonly sender: string;
  readonly message: string;
}

export const DELIVERY: readonly WiringName[] = ['delivery-lmtp', 'delivery-virtual', 'delivery-local'];
export const GATEWAYS: readonly WiringName[] = ['after-queue-lmtp', 'after-queue-smtp', 'pipe'];

interface Options {
  readonly door?: keyof Doors;
  readonly sender?: string;
  readonly mail?: string;
  readonly rcpt?: string;
  readonly reaches?: readonly string[];
}

/** Over SMTP, by an outsider unless another door is named. */
export function by(recipients: readonly string[], { door = 'outsider', sender, mail, rcpt }: Options = {}) {
  return async (stand: RoadsStand, mark: Mark): Promise<readonly Answers[]> => [
    await sendRoadMail({
      port: stand.doors[door],
      sender: sender ?? mark.sender,
      recipients,
      message: mark.message,
      ...(mail === undefined ? {} : { mail }),
      ...(rcpt === undefined ? {} : { rcpt }),
    }),
  ];
}

/** sendmail(1), by whoever has an account. */
export function bySendmail(recipients: readonly string[], sender?: string) {
  return async (stand: RoadsStand, mark: Mark): Promise<readonly Answers[]> => {
    const args = ['-i', '-f', sender ?? mark.sender, '--', ...recipients];
    const env = { MAIL_CONFIG: stand.postfix.configDir };
    await mustRun('sendmail', args, { stdin: mark.message.replaceAll('\r\n', '\n'), env });
    return [];
  };
}

/** A road of one transaction. */
export type Row = readonly [name: string, recipients: readonly string[], options?: Options];

/** Makes a road of a row. */
export const road =
  (to: Road['to'], more: Omit<Partial<Road>, 'send'> = {}) =>
  ([name, recipients, options = {}]: Row): Road => ({
    name,
    to,
    ...more,
    ...(options.reaches === undefined ? {} : { reaches: options.reaches }),
    send: by(recipients, options),
  });
