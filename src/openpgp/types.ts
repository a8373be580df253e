// What the sealing engine takes and gives. The engine runs in worker threads, so everything here can be cloned.

/** One certificate to encrypt to, and the moment at which its encryption subkey is to be chosen. */
export interface RecipientKey {
  readonly fingerprint: string;
  /** Binary, canonical. */
  readonly certificate: Uint8Array;
  /**
   * Unix milliseconds. Now for a valid key; for an expired key that is used all the same (`on_expired_key = encrypt`)
   * a moment at which it was still valid.
   */
  readonly at: number;
}

/** One encryption: these bytes, to these keys. */
export interface EncryptionJob {
  readonly plaintext: Uint8Array;
  readonly keys: readonly RecipientKey[];
  /** Write wildcard key IDs (`hide_key_ids`). */
  readonly hideKeyIds: boolean;
  /** `armor`: RFC 9580 armor, CRLF, CRC24 always; `binary`: the bare packets. */
  readonly format: 'armor' | 'binary';
}

/** Encrypts; rejects with an Error when it cannot, which the caller must treat as temporary. */
export type Encrypt = (job: EncryptionJob) => Promise<Uint8Array>;
