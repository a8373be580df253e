// The answer to "already encrypted?".

export type Detection =
  | {
      readonly encrypted: true;
      readonly how: 'pgp-mime' | 'inline' | 'cms' | 'multipart';
      readonly because: string;
      /**
       * Of OpenPGP recipients' (sub)keys, in lower-case hexadecimal: key IDs of 16 digits, or fingerprints of 40 or 64;
       * 16 zeros for a recipient that is hidden. Each once, in order.
       */
      readonly keyIds: readonly string[];
    }
  | { readonly encrypted: false; readonly because: string };
