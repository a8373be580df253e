// What gpg says on its --status-fd (GnuPG's doc/DETAILS), read strictly: the only lines that decide.

/** What gpg says of one signature. */
export interface SignatureStatus {
  /** `expired`: signature or key; `missing`: the sender's key is not in the keyring. */
  readonly state: 'good' | 'bad' | 'expired' | 'revoked' | 'missing' | 'error';
  /** Of the primary key, in upper case; null where gpg does not know it. */
  readonly fingerprint: string | null;
  /** 16 hexadecimal digits. */
  readonly keyId: string | null;
  /** undefined, never, marginal, fully, ultimate; null: not said. */
  readonly trust: string | null;
}

export interface GpgStatus {
  /** DECRYPTION_OKAY: decrypted, and its integrity proved. */
  readonly decrypted: boolean;
  /** Why not; null when it was decrypted, or when gpg refused its own options. */
  readonly failure: 'no secret key' | 'damaged' | 'secret key not usable' | null;
  readonly signatures: readonly SignatureStatus[];
}

type Mutable = {
  state: SignatureStatus['state'];
  fingerprint: string | null;
  keyId: string | null;
  trust: string | null;
};

const STATES: Readonly<{ [keyword: string]: SignatureStatus['state'] | undefined }> = {
  GOODSIG: 'good',
  BADSIG: 'bad',
  EXPSIG: 'expired',
  EXPKEYSIG: 'expired',
  REVKEYSIG: 'revoked',
};

/** GPG_ERR_NO_SECKEY, the lower 16 bits of an error code. */
const NO_SECRET_KEY = 17;
/** ERRSIG's reason for a key that is not there (doc/DETAILS). */
const MISSING_KEY = '9';

/** Reads the lines of a status file descriptor; others are passed over. Pure. */
export function parseGpgStatus(text: string): GpgStatus {
  const signatures: Mutable[] = [];
  let okay = false;
  let damaged = false;
  let failedDecryption = false;
  let noSecretKey = false;
  let keyError = false;
  let begun = false;
  let started = true;
  for (const line of text.split('\n')) {
    if (!line.startsWith('[GNUPG:] ')) continue;
    const [keyword = '', ...args] = line.slice('[GNUPG:] '.length).trimEnd().split(' ');
    const state = STATES[keyword];
    const last = signatures.at(-1);
    if (state !== undefined) {
      signatures.push({ state, fingerprint: null, keyId: args[0] ?? null, trust: null });
    } else if (keyword === 'ERRSIG') {
      const missing = args[5] === MISSING_KEY;
      signatures.push({
        state: missing ? 'missing' : 'error',
        fingerprint: null,
        keyId: args[0] ?? null,
        trust: null,
      });
    } else if (keyword === 'VALIDSIG' && last !== undefined) {
      // The tenth argument is the primary key's; the first one is the subkey's that signed.
      last.fingerprint = (args[9] ?? args[0] ?? '').toUpperCase() || null;
    } else if (keyword.startsWith('TRUST_') && last !== undefined) {
      last.trust = keyword.slice('TRUST_'.length).toLowerCase();
    } else if (keyword === 'DECRYPTION_OKAY') okay = true;
    else if (keyword === 'DECRYPTION_FAILED') failedDecryption = true;
    else if (keyword === 'BADMDC' || keyword === 'NODATA' || keyword === 'UNEXPECTED') damaged = true;
    else if (keyword === 'FAILURE' && args[0] === 'option-parser') started = false;
    else if (keyword === 'DECRYPTION_INFO') begun = true;
    else if (keyword === 'NO_SECKEY') noSecretKey = true;
    else if (keyword === 'ERROR' && args[0]?.startsWith('pkdecrypt')) {
      if ((Number(args[1]) & 0xffff) === NO_SECRET_KEY) noSecretKey = true;
      else keyError = true;
    }
  }
  const decrypted = okay && !damaged && !failedDecryption;
  let failure: GpgStatus['failure'] = null;
  if (!decrypted) {
    // The session key was found, and what it opened was not whole.
    if (damaged || okay || begun) failure = 'damaged';
    else if (keyError) failure = 'secret key not usable';
    else if (noSecretKey) failure = 'no secret key';
    else if (started) failure = 'damaged';
  }
  return { decrypted, failure, signatures };
}
