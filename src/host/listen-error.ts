// Why a listener could not be opened, in words for the administrator: filters and lookup daemons say the same.

/** One sentence for an error of listen(2) or of resolving the host; others keep their own message. */
export function explainListenError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process already listens there ("ss -ltnp" names it)',
    EACCES: 'permission denied: ports below 1024 and foreign directories need more rights',
    EADDRNOTAVAIL: 'this machine does not have that address ("ip address" lists the ones it has)',
    ENOENT: 'the directory of the socket does not exist',
    ENOTFOUND: 'the host name cannot be resolved; write an IP address',
  };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return reasons[code] ?? error.message;
}
