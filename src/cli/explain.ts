// `sealpost explain`: who an address is, which settings and keys count, and what would happen to a message, with reasons.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../config/schema.ts';
import { effectiveSettings, SETTING_NAMES } from '../config/settings.ts';
import { createChooser } from '../delivery/engine.ts';
import { planCopy } from '../delivery/plan.ts';
import { ruledMessage } from '../delivery/rules.ts';
import { createDirectory } from '../directory/lookup.ts';
import type { Reader, RecipientFacts, StoredKey } from '../directory/types.ts';
import { Refused } from '../host/exit-codes.ts';
import { createKeyCache } from '../keys/cache.ts';
import type { Detection } from '../message/detection.ts';
import { explainMessage, type MessageView } from '../message/explain.ts';
import { canRead } from '../message/readable.ts';
import { stripSealpostFields } from '../message/sealpost-fields.ts';
import { cmsRecipients } from '../smime/cms-recipients.ts';
import { type NamedRecipient, namesOneOf } from '../smime/named-recipients.ts';
import { readSender, SENDER_HELP } from './arguments.ts';
import { run, withCommonOptions } from './command.ts';
import { explainRules, type RuleView, ruleLine } from './explain-rules.ts';

interface ExplainOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly message?: string;
  readonly sender?: string;
}

/** What stands for "no message": anything that is not encrypted. */
const ANY_MESSAGE: Detection = { encrypted: false, because: 'no message was given' };

export function registerExplain(program: Command): void {
  withCommonOptions(
    program
      .command('explain')
      .description('show user, settings, keys and decision for an address, with the reason for each')
      .argument('<address>', 'a recipient address, as Postfix would send it')
      .option('--message <file>', 'also look at this message: is it encrypted already, and to which keys')
      .option('--sender <address>', SENDER_HELP),
    'sealpost explain alice@example.org --message mail.eml',
  ).action((address: string, options: ExplainOptions) =>
    run(options, async ({ loaded, database, print }) => {
      const { config } = loaded;
      const directory = createDirectory({ database: await database(), config });
      const facts = await directory.recipient(Buffer.from(address, 'utf8').toString('latin1'));
      if (facts.address === null) {
        throw new Refused(`found ${JSON.stringify(address)}, expected an address such as alice@example.org`);
      }
      const message = options.message === undefined ? null : stripSealpostFields(read(options.message));
      const view = message === null ? null : explainMessage(message);
      const named = message !== null && view?.detection.encrypted ? cmsRecipients(message) : null;
      const ruled = message === null ? null : ruledMessage(message, readSender(options.sender, message));
      const detection = view?.detection ?? ANY_MESSAGE;
      const choose = await createChooser(config)(facts, Date.now());
      const decision = planCopy({ facts, global: config.encryption, detection, message: ruled, choose });
      const settings = settingsOf(facts, config.encryption);
      const keys = keysOf(facts).map((key) => {
        const choice = choose([key]);
        const [left] = choice.leftOut;
        return {
          fingerprint: key.fingerprint,
          source: key.source,
          state: choice.state,
          because: left?.because ?? 'can be used',
        };
      });
      const result = {
        address: facts.address,
        resolution: describeResolution(facts),
        domain: facts.domain === null ? null : { name: facts.domain.name, class: facts.domain.class },
        settings: Object.fromEntries(
          SETTING_NAMES.map((name) => [name, { value: settings.values[name], from: settings.levels[name] }]),
        ),
        rules: explainRules(facts, ruled),
        keys,
        message:
          view === null
            ? null
            : {
                ...view,
                recipients: named ?? [],
                readable:
                  named === null
                    ? canRead(detection, await encryptionKeysOf(facts, config))
                    : namesOneOf(named, certificatesOf(facts)),
              },
        decision: {
          action: decision.action,
          because: decision.because,
          reason: decision.reason,
          keys: decision.action === 'seal' ? decision.keys.map((key) => key.fingerprint) : [],
          leftOut: decision.leftOut,
          ...('reply' in decision ? { reply: decision.reply } : {}),
        },
      };
      print(result, formatExplanation(result));
    }),
  );
}

function read(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new Refused(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readersOf(facts: RecipientFacts): readonly Reader[] {
  return 'readers' in facts.resolution ? facts.resolution.readers : [];
}

function keysOf(facts: RecipientFacts): readonly StoredKey[] {
  const own = readersOf(facts).flatMap((reader) => (reader.kind === 'outside' ? [] : reader.keys));
  return own.length > 0 ? own : facts.domainKeys;
}

function settingsOf(facts: RecipientFacts, global: Parameters<typeof effectiveSettings>[0]) {
  const [reader] = readersOf(facts);
  return reader?.kind === 'user'
    ? effectiveSettings(global, reader.user.domain.settings, reader.user.settings)
    : effectiveSettings(global, facts.domain?.settings);
}

function describeResolution(facts: RecipientFacts) {
  const { resolution } = facts;
  const via = 'via' in resolution ? resolution.via : [];
  const readers = readersOf(facts).map((reader) =>
    reader.kind === 'user'
      ? { kind: reader.kind, id: reader.user.id, address: reader.user.address, status: reader.user.status }
      : { kind: reader.kind, address: reader.address },
  );
  return { kind: resolution.kind, via, readers };
}

/** The fingerprints of everything that can decrypt for this recipient: lower case, subkeys included. */
async function encryptionKeysOf(
  facts: RecipientFacts,
  config: Pick<Config, 'keys'>,
): Promise<readonly string[]> {
  const cache = createKeyCache({ allowSha1: config.keys.allow_sha1 });
  const openPgp = keysOf(facts).filter(({ kind }) => kind === 'openpgp');
  const inspected = await Promise.all(openPgp.map((key) => cache.inspect(key)));
  return inspected.flatMap(
    (key) => key.facts?.encryptionKeys.map(({ fingerprint }) => fingerprint.toLowerCase()) ?? [],
  );
}

/** What can decrypt S/MIME for this recipient. */
function certificatesOf(facts: RecipientFacts): readonly Uint8Array[] {
  return keysOf(facts)
    .filter(({ kind }) => kind === 'x509')
    .map(({ certificate }) => certificate);
}

interface Explanation {
  readonly address: string;
  readonly resolution: ReturnType<typeof describeResolution>;
  readonly domain: { readonly name: string; readonly class: string } | null;
  readonly settings: Readonly<Record<string, { readonly value: unknown; readonly from: string }>>;
  readonly rules: readonly RuleView[];
  readonly keys: readonly {
    readonly fingerprint: string;
    readonly source: string;
    readonly state: string;
    readonly because: string;
  }[];
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
    readonly reply?: { readonly code: number; readonly enhanced: string; readonly text: string };
  };
}

function formatExplanation(explanation: Explanation): string {
  const { resolution, decision, message } = explanation;
  const who = resolution.readers
    .map((reader) =>
      'id' in reader
        ? `user ${reader.id} <${reader.address}>, ${reader.status}`
        : `${reader.kind} <${reader.address}>`,
    )
    .join('; ');
  return [
    `address   ${explanation.address}`,
    `is        ${resolution.kind}${who === '' ? '' : `: ${who}`}${resolution.via.length > 0 ? ` via ${resolution.via.join(', ')}` : ''}`,
    `domain    ${explanation.domain === null ? 'not ours' : `${explanation.domain.name} (${explanation.domain.class})`}`,
    ...Object.entries(explanation.settings).map(
      ([name, { value, from }]) => `setting   ${name} = ${String(value)} (${from})`,
    ),
    ...explanation.rules.map(ruleLine),
    ...(explanation.keys.length === 0 ? ['key       none known'] : []),
    ...explanation.keys.map(
      (key) => `key       ${key.fingerprint} (${key.source}): ${key.state}, ${key.because}`,
    ),
    ...(message === null ? [] : describeMessage(message)),
    `decision  ${decision.action}: ${decision.reason}`,
    ...(decision.reply === undefined
      ? []
      : [`reply     ${decision.reply.code} ${decision.reply.enhanced} ${decision.reply.text}`]),
  ].join('\n');
}

function describeMessage({
  detection,
  mediaType,
  size,
  recipients,
  readable: canRead,
}: NonNullable<Explanation['message']>): readonly string[] {
  const what = `${mediaType ?? 'of no clear type'}, ${size} bytes`;
  if (!detection.encrypted) return [`message   ${what}; not encrypted: ${detection.because}`];
  const ids = [
    ...detection.keyIds,
    ...recipients.map((name) =>
      'keyIdentifier' in name ? `key ${name.keyIdentifier}` : `serial number ${name.serialNumber}`,
    ),
  ];
  return [
    `message   ${what}; encrypted (${detection.how}): ${detection.because}`,
    `key IDs   ${ids.join(', ') || 'none'}: ${readableText(canRead)}`,
  ];
}

function readableText(readable: boolean | null): string {
  if (readable === null) return 'whether this recipient can read it cannot be told';
  return readable ? 'this recipient can read it' : 'none of them is this recipient’s';
}
