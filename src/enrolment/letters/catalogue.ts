// The catalogues by language, and the words of one letter.
import { grouped } from '../../keys/fingerprint.ts';
import { english } from './english.ts';
import { german } from './german.ts';
import type { Language } from './language.ts';
import type { Catalogue, LetterDetails, LetterWords } from './texts.ts';

export const CATALOGUES: Readonly<Record<Language, Catalogue>> = { en: english, de: german };

/** What a letter has beside its details. */
export interface LetterFrame {
  readonly address: string;
  /** portal.url; '' where there is none. */
  readonly portal: string;
  /** '' where the letter has none. */
  readonly link: string;
  /** When the link ends. Unix milliseconds; null: there is none. */
  readonly linkUntil: number | null;
}

/** The words of a letter in a language. Pure. */
export function wordsOf(
  { moment, changes, news, actor }: Catalogue,
  { address, portal, link, linkUntil }: LetterFrame,
  details: LetterDetails,
): LetterWords {
  const when = (at: number | null | undefined): string => (at === null || at === undefined ? '' : moment(at));
  return {
    address: oneLine(address),
    portal,
    link,
    linkUntil: when(linkUntil),
    fingerprint: grouped(details.fingerprint ?? ''),
    subkey: grouped(details.subkey ?? ''),
    at: when(details.at),
    until: when(details.until),
    change: details.change === undefined ? '' : changes[details.change],
    news: (details.news ?? []).map((each) => oneLine(news(each))),
    actor: oneLine(actor(details.actor ?? '')),
  };
}

/** Control characters, line breaks and direction marks of what other people wrote. */
function oneLine(text: string): string {
  return text.slice(0, 500).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}
