export function packageDeb(options: { readonly out: string; readonly version?: string }): Promise<string>;
export const COPIED: Readonly<Record<string, string>>;
export const MANUALS: Readonly<Record<string, string>>;
export const PROGRAMS: Readonly<Record<string, string>>;
export const COMPLETIONS: Readonly<Record<string, string>>;
export const CONTROL_FILES: Readonly<Record<string, number>>;
