/** See build.mjs. */
export function bundlePipe(outfile: string): Promise<void>;
