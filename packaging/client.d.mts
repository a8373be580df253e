import type { Metafile } from 'esbuild';

/** See client.mjs. */
export function packageClient(folder: string): Promise<Metafile>;
