// The languages that letters and pages are written in.
export const LANGUAGES = ['en', 'de'] as const;
export type Language = (typeof LANGUAGES)[number];

/** The language that a row names; English where it names none of ours. */
export function languageOf(stored: string | null): Language {
  return LANGUAGES.find((language) => language === stored) ?? 'en';
}
