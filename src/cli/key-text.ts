// Keys as the commands print them for people.
import { EXIT } from '../host/exit-codes.ts';
import type { ImportResult } from '../keys/import-options.ts';
import type { KeyView } from '../keys/view.ts';
import type { CommandContext } from './command.ts';
import { printable } from './table.ts';

/** Prints what became of each key of an upload; sets the exit code where one was refused. */
export function reportImport(results: readonly ImportResult[], { print }: CommandContext): void {
  const expired = results.filter((each) => each.expired !== undefined);
  const lines = results.flatMap(({ fingerprint, result, owners, news, expired: lapsed }) => {
    const whose = owners.join(', ');
    if (lapsed !== undefined) return [];
    if (result === 'added') return [`added ${fingerprint} for ${whose}`];
    if (result === 'merged') return [`updated ${fingerprint} of ${whose}: ${news.join('; ')}`];
    if (result === 'unchanged') return [`unchanged ${fingerprint} of ${whose}`];
    return news.length > 0 ? [`updated ${fingerprint} of ${whose}: ${news.join('; ')}`] : [];
  });
  const apart = expired.map(
    ({ fingerprint, owners }) => `added EXPIRED ${fingerprint} for ${owners.join(', ')}`,
  );
  print(results, [...lines, ...apart].map(printable).join('\n'));
  for (const { expired: sentence = '' } of expired) {
    process.stderr.write(
      `sealpost: warning: ${printable(sentence)}; until then on_expired_key decides what becomes of the mail\n`,
    );
  }
  const refused = results.filter(({ result }) => result === 'refused');
  for (const { refusal } of results)
    if (refusal !== null) process.stderr.write(`sealpost: ${printable(refusal.sentence)}\n`);
  if (refused.length === 0) return;
  process.exitCode = EXIT.refused;
  if (refused.length < results.length) {
    process.stderr.write(
      `sealpost: ${refused.length} of ${results.length} keys were refused; the others are stored\n`,
    );
  }
}

/** A line of a table of keys. */
export function keyRow(view: KeyView): readonly string[] {
  return [
    view.fingerprint,
    view.owner,
    view.state,
    `${view.kind === 'x509' ? 'X.509 ' : ''}${view.algorithm ?? '?'}`,
    view.expires === null ? 'does not expire' : `expires ${view.expires.slice(0, 10)}`,
    (view.x509?.addresses ?? view.userIds).join('; ') || view.userIds.join('; '),
  ];
}

/** A key in full. */
export function describeKey(view: KeyView): string {
  return [
    `fingerprint  ${view.fingerprint}`,
    `kind         ${view.kind === 'x509' ? 'X.509 (S/MIME)' : 'OpenPGP'}`,
    `owner        ${view.owner} (${view.ownerKind})`,
    `state        ${view.state}${view.because === null ? '' : `: ${view.because}`}`,
    `source       ${view.source}, added ${view.added}`,
    `algorithm    ${view.algorithm ?? 'unknown'}${view.version === null ? '' : `, version ${view.version}`}`,
    `created      ${view.created ?? 'unknown'}`,
    `expires      ${view.expires ?? 'never'}`,
    ...view.userIds.map((userId) => `user ID      ${userId}`),
    ...view.encryptionKeys.map(
      (subkey) =>
        `encryption   ${subkey.fingerprint} ${subkey.algorithm}, ${
          subkey.revoked
            ? 'revoked'
            : subkey.expires === null
              ? 'does not expire'
              : `expires ${subkey.expires}`
        }`,
    ),
    ...view.unusedSubkeys.map(
      ({ fingerprint, because }) => `not used     ${fingerprint ?? 'a subkey'}: ${because}`,
    ),
    ...(view.x509 === null
      ? [`AEAD         ${view.aead ? 'announced' : 'not announced'}`]
      : [
          `issuer       ${view.x509.issuer}`,
          `serial       ${view.x509.serialNumber}`,
          `trust        ${view.x509.pinned ? 'pinned by an administrator' : 'by its chain, at import'}`,
        ]),
  ]
    .map(printable)
    .join('\n');
}
