// Why an X.509 certificate is refused, each reason with its own sentence: what was found, what is expected, and what helps.
// Pure.
import type { X509Facts } from '../smime/certificate.ts';
import type { NoCertificate } from '../smime/upload.ts';
import { type KeyRefusal, MAX_UPLOAD, type RefusalCode } from './refusals.ts';

const EXPECTED = 'expected X.509 certificates in PEM or DER';

const UPLOAD: Readonly<Record<NoCertificate, readonly [RefusalCode, string]>> = {
  'private key': [
    'secret key',
    'this holds a private key: it was not stored, and nothing of it was logged; hand over the certificate only ' +
      '("openssl pkcs12 -in FILE -nokeys -out cert.pem"), and keep the private key to yourself',
  ],
  'certificate request': [
    'X.509',
    `this is a certificate request, not a certificate; ${EXPECTED}, as the authority returned them`,
  ],
  'public key': ['X.509', `this is a bare public key, which names nobody; ${EXPECTED}`],
  'encrypted message': ['message', `this is a CMS message, not a certificate; ${EXPECTED}`],
  damaged: ['damaged', `the certificate is damaged or cut off; ${EXPECTED}, export it again`],
  'too many': ['too large', 'there are more than 32 certificates in the input; hand over one with its chain'],
};

/** The refusal of an upload that holds no certificate. */
export function refuseX509Upload(because: NoCertificate): KeyRefusal {
  const [code, sentence] = UPLOAD[because];
  return { code, fingerprint: null, sentence };
}

/** @param bytes how large the upload is */
export function refuseLargeX509(bytes: number): KeyRefusal {
  return {
    code: 'too large',
    fingerprint: null,
    sentence: `the input has ${bytes} bytes, and at most ${MAX_UPLOAD} (256 KiB) are accepted; hand over one certificate with its chain`,
  };
}

/**
 * The refusal of a certificate by what it says of itself, or null where it can be encrypted to now.
 * @param now Unix milliseconds
 * @param pinned an administrator vouches for it: a self-made certificate that calls itself an authority is taken then, as
 * "openssl req -x509" makes them
 */
export function refuseX509(facts: X509Facts, now: number, pinned: boolean): KeyRefusal | null {
  const { fingerprint } = facts;
  const refuse = (code: RefusalCode, sentence: string): KeyRefusal => ({
    code,
    fingerprint,
    sentence: `certificate ${fingerprint} ${sentence}`,
  });
  if (facts.authority && !(facts.selfSigned && pinned)) {
    return refuse(
      'authority',
      "is an authority's (CA), not a reader's; hand over the certificate of the mail address, with this one beside it",
    );
  }
  if (facts.weakKey !== null) {
    return refuse(
      'weak algorithm',
      `uses ${facts.weakKey}, which is too weak; expected RSA with at least 2048 bits, or P-256, P-384 or P-521`,
    );
  }
  if (facts.noEncryption !== null) {
    return refuse(
      'no encryption key',
      `cannot be encrypted to: ${facts.noEncryption}; expected a certificate for encryption, its owner may have a second one`,
    );
  }
  if (facts.unknownCritical !== null) {
    return refuse(
      'unsupported',
      `has the critical extension ${facts.unknownCritical}, which is not understood here`,
    );
  }
  if (!facts.emailProtection) {
    return refuse(
      'no encryption key',
      'is not for mail: its extended key usage does not include emailProtection; ask the authority for an S/MIME certificate',
    );
  }
  if (facts.weakSignature !== null) {
    return refuse(
      'SHA-1',
      `has a signature that rests on ${facts.weakSignature}, which is broken; ask the authority for a new one over SHA-256`,
    );
  }
  if (now >= facts.notAfter) {
    return refuse(
      'expired',
      `expired on ${dateOf(facts.notAfter - 1000)}; ask its owner for the one that replaces it`,
    );
  }
  if (now < facts.notBefore) {
    return refuse(
      'not yet valid',
      `is not valid before ${dateOf(facts.notBefore)}; check the clock of this machine, or import it then`,
    );
  }
  return null;
}

/** @param because what path validation said */
export function refuseUntrusted({ fingerprint, issuer, selfSigned }: X509Facts, because: string): KeyRefusal {
  const help =
    'an administrator who has compared the fingerprint with its owner can say "sealpost key import --pin"';
  return selfSigned
    ? {
        code: 'self-signed',
        fingerprint,
        sentence: `certificate ${fingerprint} is self-signed: nobody vouches for it; ${help}`,
      }
    : {
        code: 'untrusted',
        fingerprint,
        sentence: `certificate ${fingerprint}, issued by ${issuer}, does not lead to a trusted authority: ${because}; hand over its chain, add the authority to smime.trust in sealpost.toml, or ${help}`,
      };
}

export function refuseUnnamed({ fingerprint, addresses }: X509Facts): KeyRefusal {
  const found = addresses.length === 0 ? 'names no mail address' : `names only ${addresses.join(', ')}`;
  return {
    code: 'no known address',
    fingerprint,
    sentence:
      `certificate ${fingerprint} ${found}, and expected is the address of a user; ` +
      'add the user with "sealpost user add ADDRESS", or say whom it is for with "sealpost key import --for ADDRESS"',
  };
}

/** @param reason what the trial said; it tells of the certificate only */
export function refuseX509Trial(fingerprint: string, reason: string): KeyRefusal {
  return {
    code: 'trial encryption',
    fingerprint,
    sentence: `certificate ${fingerprint} was refused because a trial encryption to it failed: ${reason}`,
  };
}

function dateOf(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}
