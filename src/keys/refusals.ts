// Why a key is refused, each reason with its own sentence: what was found, what is expected, and the
// command that helps. Pure.
import type { CertificateFacts, Flaw } from './facts.ts';

/** The largest upload. Bytes. */
export const MAX_UPLOAD = 256 * 1024;

export type RefusalCode =
  | 'empty'
  | 'too large'
  | 'not OpenPGP'
  | 'damaged'
  | 'X.509'
  | 'SSH key'
  | 'message'
  | 'signature'
  | 'revocation certificate'
  | 'secret key'
  | 'unsupported'
  | 'revoked'
  | 'designated revoker'
  | 'expired'
  | 'not yet valid'
  | 'weak algorithm'
  | 'SHA-1'
  | 'no user ID'
  | 'no encryption key'
  | 'trial encryption'
  | 'authority'
  | 'self-signed'
  | 'untrusted'
  | 'no known address'
  | 'names others'
  | 'second key'
  | 'weaker source'
  | 'disabled';

/** One refused certificate, or one refused upload (fingerprint null). */
export interface KeyRefusal {
  readonly code: RefusalCode;
  readonly fingerprint: string | null;
  readonly sentence: string;
}

const EXPORT = 'gpg --armor --export ADDRESS';

const UPLOAD_SENTENCES = {
  empty: `the input is empty; expected an OpenPGP public key, as "${EXPORT}" prints it`,
  'not OpenPGP': `no OpenPGP key was found in the input; expected a public key, as "${EXPORT}" prints it`,
  damaged: `the OpenPGP data is damaged or cut off; export the key again with "${EXPORT}"`,
  'X.509': `this is an X.509 (S/MIME) certificate; expected an OpenPGP public key, as "${EXPORT}" prints it`,
  'SSH key': `this is an SSH key; expected an OpenPGP public key, as "${EXPORT}" prints it`,
  message: `this is an OpenPGP message, not a key; expected a public key, as "${EXPORT}" prints it`,
  signature: `this is an OpenPGP signature, not a key; expected a public key, as "${EXPORT}" prints it`,
  'revocation certificate':
    'this is a revocation certificate without its key; import it into the keyring ("gpg --import"), ' +
    'then hand over the revoked key ("gpg --armor --export FINGERPRINT")',
  'secret key':
    'this is a secret key: it was not stored, and nothing of it was logged; ' +
    `hand over the public key only ("${EXPORT}"), and keep the secret one to yourself`,
} as const satisfies Partial<Record<RefusalCode, string>>;

/** The refusal of something that is no readable certificate. */
export function refuseUpload(code: keyof typeof UPLOAD_SENTENCES): KeyRefusal {
  return { code, fingerprint: null, sentence: UPLOAD_SENTENCES[code] };
}

/** @param what the version and algorithm in words; null where there is nothing to name */
export function refuseUnsupported(what: string | null): KeyRefusal {
  return {
    code: 'unsupported',
    fingerprint: null,
    sentence:
      `this key has a version or an algorithm that is not supported${what === null ? '' : ` (${what})`}; ` +
      'version 4 and 6 keys are',
  };
}

/** @param revoker the fingerprint of the key that says so */
export function refuseDesignatedRevoker(fingerprint: string, revoker: string): KeyRefusal {
  return {
    code: 'designated revoker',
    fingerprint,
    sentence:
      `key ${fingerprint} carries a revocation by ${revoker}, whom its owner named as revoker, which cannot be checked here; ` +
      `ask its owner, and where the key is in use, stop that with "sealpost key disable ${fingerprint}"`,
  };
}

/** @param revoker a fingerprint */
export function refuseNamedRevoker(fingerprint: string, revoker: string): KeyRefusal {
  return {
    code: 'designated revoker',
    fingerprint,
    sentence:
      `key ${fingerprint} names a designated revoker (${revoker}) where it certifies its user IDs, which is not supported here; ` +
      'its owner can certify them anew without one, by setting the expiry anew',
  };
}

/** @param bytes how large the upload is */
export function refuseTooLarge(bytes: number): KeyRefusal {
  return {
    code: 'too large',
    fingerprint: null,
    sentence:
      `the input has ${bytes} bytes, and at most ${MAX_UPLOAD} (256 KiB) are accepted; ` +
      'export a smaller copy with "gpg --armor --export-options export-minimal --export ADDRESS"',
  };
}

/** The refusal of a readable certificate by what it says of itself, or null where it can be used now. */
export function refuseByFacts(facts: CertificateFacts, now: number): KeyRefusal | null {
  const { fingerprint, windows, flaw } = facts;
  const refuse = (code: RefusalCode, sentence: string): KeyRefusal => ({
    code,
    fingerprint,
    sentence: `key ${fingerprint} ${sentence}`,
  });
  if (flaw !== null) return refuse(...flawSentence(flaw, fingerprint));
  if (windows.some(({ from, until }) => from <= now && (until === null || now < until))) return null;
  const past = windows.filter(({ until }) => until !== null && until <= now).at(-1);
  if (past !== undefined) {
    return refuse(
      'expired',
      `expired on ${dateOf(past.until ?? 0)}; its owner can extend it with "gpg --quick-set-expire ${fingerprint} 2y" and export it again`,
    );
  }
  return refuse(
    'not yet valid',
    `is not valid before ${dateOf(windows[0]?.from ?? 0)}; check the clock of the machine that made it`,
  );
}

function flawSentence(flaw: Flaw, fingerprint: string): [RefusalCode, string] {
  switch (flaw.kind) {
    case 'revoked':
      return ['revoked', 'is revoked by its owner; ask for the key that replaces it'];
    case 'weak':
      return [
        'weak algorithm',
        `uses ${flaw.what}, which is too weak; expected RSA with at least 2048 bits, or an elliptic curve such as Curve25519`,
      ];
    case 'sha1':
      return [
        'SHA-1',
        'has self-signatures that rest on SHA-1 or MD5 alone; its owner can renew them by setting the expiry anew ' +
          `with a current GnuPG${flaw.acceptable ? ', or keys.allow_sha1 = true in sealpost.toml accepts them' : ''}`,
      ];
    case 'no user ID':
      return [
        'no user ID',
        'has no valid user ID; it needs at least one that is signed by the key and not revoked',
      ];
    case 'no encryption key':
      return [
        'no encryption key',
        `cannot be encrypted to: ${flaw.because}; its owner can add a subkey with "gpg --quick-add-key ${fingerprint} rsa3072 encr"`,
      ];
  }
}

/** @param reason what OpenPGP.js said; it tells of the key only */
export function refuseTrial(fingerprint: string, reason: string): KeyRefusal {
  return {
    code: 'trial encryption',
    fingerprint,
    sentence: `key ${fingerprint} was refused because a trial encryption to it failed: ${reason}`,
  };
}

export function refuseUnknownAddress(fingerprint: string, addresses: readonly string[]): KeyRefusal {
  const found =
    addresses.length === 0 ? 'has no address among its user IDs' : `names only ${addresses.join(', ')}`;
  return {
    code: 'no known address',
    fingerprint,
    sentence:
      `key ${fingerprint} ${found}, and expected is the address of a user; ` +
      'add the user with "sealpost user add ADDRESS", or say whom it is for with "sealpost key import --for ADDRESS"',
  };
}

/** @param names the addresses in its user IDs */
export function refuseNamesOthers(fingerprint: string, names: readonly string[], owner: string): KeyRefusal {
  const shown = names.slice(0, 5).join(', ');
  return {
    code: 'names others',
    fingerprint,
    sentence:
      `key ${fingerprint} names ${shown}, and not ${owner}, whose mail only the holder of this key could read; ` +
      'if that is meant, say so with --yes',
  };
}

/** @param known fingerprints of those that the owner has */
export function refuseSecond(fingerprint: string, known: readonly string[], owner: string): KeyRefusal {
  return {
    code: 'second key',
    fingerprint,
    sentence:
      `key ${fingerprint} is another one than ${known.slice(0, 3).join(', ')}, which ${owner} has already; ` +
      'expected --add, which seals to all of them, or --replace, which removes what was there',
  };
}

export function refuseWeakerSource(fingerprint: string, source: string, stronger: string): KeyRefusal {
  return {
    code: 'weaker source',
    fingerprint,
    sentence: `key ${fingerprint} comes from ${source}, and a key from ${stronger}, which counts for more, is already there`,
  };
}

/**
 * The refusal of a further owner while the key is disabled for those who have it: with them it would be used again.
 * @param rows those of one certificate
 */
export function refuseDisabled(
  rows: readonly { readonly row: { readonly fingerprint: string; readonly status: 'active' | 'disabled' } }[],
): KeyRefusal | null {
  const disabled = rows.find(({ row }) => row.status === 'disabled');
  if (disabled === undefined) return null;
  const { fingerprint } = disabled.row;
  return {
    code: 'disabled',
    fingerprint,
    sentence: `key ${fingerprint} is disabled; use it again with "sealpost key enable ${fingerprint}", then import it once more`,
  };
}

function dateOf(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}
