// Of the file system's errors, the one that says that there is no such file.

/** For `.catch()`: a file that is not there is undefined, and nothing else is. @throws every other error, as it came */
export function ignoreMissing(error: unknown): undefined {
  if ((error as { code?: unknown } | null)?.code !== 'ENOENT') throw error;
}
