// The name by which the daemon knows sealpost-pipe: both sides must mean the same one.

/** The LHLO name of sealpost-pipe, which has one exit code for all recipients: it is answered as SMTP is. */
export const PIPE_CLIENT = 'sealpost-pipe';
