// The envelope of a letter of our own. Nobody is to answer it, and nothing is to bounce to (RFC 3834, section 3.3).
import { isAscii } from './paths.ts';
import type { Envelope, RawPath } from './types.ts';

/** An envelope with the null sender and one recipient; SMTPUTF8 (RFC 6531, section 3.4) where its path needs it. Pure. */
export function ourEnvelope(path: RawPath): Envelope {
  return {
    sender: '',
    parameters: isAscii(path) ? [] : [{ keyword: 'SMTPUTF8', value: undefined }],
    recipients: [{ path, parameters: [] }],
  };
}
