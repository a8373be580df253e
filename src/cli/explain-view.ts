// What `explain --json` prints: a decision and what it rests on, shaped for machines. Pure.
import type { SettingName } from '../config/settings.ts';
import type { Decision, ReaderBasis } from '../delivery/decision.ts';
import { type CopySetting, settingsOfCopy } from '../delivery/plan.ts';
import type { RuledMessage } from '../delivery/rules.ts';
import type { Reader } from '../directory/types.ts';
import type { JudgedKey } from '../keys/choose.ts';
import type { MessageView } from '../message/explain.ts';
import { canRead } from '../message/readable.ts';
import { cmsRecipients } from '../smime/cms-recipients.ts';
import { type NamedRecipient, namesOneOf } from '../smime/named-recipients.ts';
import { explainRules, type RuleView } from './explain-rules.ts';

/** A key that was weighed. */
export interface KeyView {
  readonly fingerprint: string;
  readonly source: string;
  readonly state: JudgedKey['state'];
  readonly because: string;
  /** The copy is sealed to it. */
  readonly used: boolean;
}

/** Somebody who reads the copy, with what counted for them alone. */
export interface ReaderView {
  readonly kind: Reader['kind'];
  readonly address: string;
  readonly id?: number;
  readonly status?: string;
  readonly settings: Readonly<Record<string, { readonly value: unknown; readonly from: string }>>;
  readonly keys: readonly KeyView[];
}

export interface Explanation {
  readonly address: string;
  readonly resolution: {
    readonly kind: string;
    readonly via: readonly string[];
    readonly readers: readonly Pick<ReaderView, 'kind' | 'address' | 'id' | 'status'>[];
  };
  /** What Postfix makes of the address, step by step; empty where it counts as it is written. */
  readonly readOn: readonly { readonly address: string; readonly restsOn: string }[];
  readonly domain: { readonly name: string; readonly class: string } | null;
  /** Nobody of ours has it, and it is at a name of this machine: whom Postfix has there is not known. */
  readonly unknown_here: boolean;
  /** Of the copy: of several readers, what theirs come to together. */
  readonly settings: Readonly<Partial<Record<SettingName, CopySetting>>>;
  readonly readers: readonly ReaderView[];
  readonly rules: readonly RuleView[];
  /** Of all readers, each once; of nobody, the domain's. */
  readonly keys: readonly KeyView[];
  readonly message:
    | (MessageView & {
        /** Of CMS; an OpenPGP message's are the key IDs of `detection`. */
        readonly recipients: readonly NamedRecipient[];
        readonly readable: boolean | null;
      })
    | null;
  readonly decision: {
    readonly action: string;
    readonly because: string;
    readonly reason: string;
    readonly keys: readonly string[];
    readonly leftOut: Decision['leftOut'];
    /** Of a copy under `shy`: the fields that `header_outside` leaves outside. */
    readonly header_outside?: readonly string[];
    /** To the key address, which somebody else may have as well. */
    readonly read_for_keys?: true;
    readonly reply?: { readonly code: number; readonly enhanced: string; readonly text: string };
  };
}

/**
 * Shapes a decision.
 * @param ruled what rules looked at; null without a message
 * @param message the message and what was seen of it; null without one
 */
export function explanationOf(
  decision: Decision,
  ruled: RuledMessage | null,
  message: { readonly bytes: Buffer; readonly view: MessageView } | null,
): Explanation {
  const { facts, readers } = decision;
  const used = new Set(decision.action === 'seal' ? decision.keys.map(({ fingerprint }) => fingerprint) : []);
  const seals = decision.action === 'seal';
  const viewOf = (key: JudgedKey): KeyView => keyView(key, seals, used);
  return {
    address: facts.address ?? '',
    resolution: {
      kind: facts.resolution.kind,
      via: 'via' in facts.resolution ? facts.resolution.via : [],
      readers: readers.flatMap(({ reader }) => (reader === null ? [] : whoIs(reader))),
    },
    readOn: facts.readOn?.steps ?? [],
    domain: facts.domain === null ? null : { name: facts.domain.name, class: facts.domain.class },
    unknown_here: facts.unknownHere === true,
    settings: settingsOfCopy(decision),
    readers: readers.flatMap((basis) => readerView(basis, viewOf)),
    rules: explainRules(decision, ruled),
    keys: uniqueKeys(readers).map(viewOf),
    message: message === null ? null : messageView(message, readers),
    decision: {
      action: decision.action,
      because: decision.because,
      reason: decision.reason,
      keys: [...used],
      leftOut: decision.leftOut,
      ...(decision.action === 'seal' && decision.headerPolicy === 'shy'
        ? { header_outside: decision.headerOutside }
        : {}),
      ...(decision.readForKeys === true ? { read_for_keys: true } : {}),
      ...('reply' in decision ? { reply: decision.reply } : {}),
    },
  };
}

function whoIs(reader: Reader): Pick<ReaderView, 'kind' | 'address' | 'id' | 'status'> {
  return reader.kind === 'user'
    ? { kind: reader.kind, id: reader.user.id, address: reader.user.address, status: reader.user.status }
    : { kind: reader.kind, address: reader.address };
}

function readerView(
  { reader, settings, keys }: ReaderBasis,
  viewOf: (key: JudgedKey) => KeyView,
): ReaderView[] {
  if (reader === null) return [];
  const { values, levels } = settings;
  const names = Object.keys(values) as SettingName[];
  return [
    {
      ...whoIs(reader),
      settings: Object.fromEntries(names.map((name) => [name, { value: values[name], from: levels[name] }])),
      keys: keys.map(viewOf),
    },
  ];
}

function keyView({ key, state, because }: JudgedKey, seals: boolean, used: ReadonlySet<string>): KeyView {
  const { fingerprint, source } = key;
  const unused = seals && state === 'usable' && !used.has(fingerprint);
  return {
    fingerprint,
    source,
    state,
    because: because ?? (unused ? 'not used beside keys of the other kind' : 'can be used'),
    used: used.has(fingerprint),
  };
}

function uniqueKeys(readers: readonly ReaderBasis[]): readonly JudgedKey[] {
  return [
    ...new Map(readers.flatMap(({ keys }) => keys).map((each) => [each.key.fingerprint, each])).values(),
  ];
}

function messageView(
  { bytes, view }: { readonly bytes: Buffer; readonly view: MessageView },
  readers: readonly ReaderBasis[],
): Explanation['message'] {
  const named = view.detection.encrypted ? cmsRecipients(bytes) : null;
  const keys = uniqueKeys(readers);
  const fingerprints = keys.flatMap(
    ({ key, facts }) =>
      (key.kind === 'openpgp' ? facts : null)?.encryptionKeys.map(({ fingerprint }) =>
        fingerprint.toLowerCase(),
      ) ?? [],
  );
  const certificates = keys.flatMap(({ key }) => (key.kind === 'x509' ? key.certificate : []));
  return {
    ...view,
    recipients: named ?? [],
    readable: named === null ? canRead(view.detection, fingerprints) : namesOneOf(named, certificates),
  };
}
