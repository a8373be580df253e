// The portal's words: one catalogue file for each language (web/texts), and how a browser's language is chosen.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { packageRoot } from '../../src/config/package.ts';
import { LANGUAGES, type Language } from '../../src/enrolment/letters/language.ts';

/** `section.name` to its text, in which `{word}` stands for a value. */
export type Catalogue = ReadonlyMap<string, string>;

/** Gives the text of a key with its values put in. @throws Error where there is no such key, or no such value */
export type Translate = (key: string, values?: Readonly<Record<string, string | number>>) => string;

const folder = (): string => join(packageRoot(), 'web', 'texts');

/** Reads a language's catalogue. @throws Error where the file is not one of tables of strings */
export function readCatalogue(language: Language): Catalogue {
  const document = parse(readFileSync(join(folder(), `${language}.toml`), 'utf8'));
  const texts = new Map<string, string>();
  for (const [section, table] of Object.entries(document)) {
    if (typeof table !== 'object') throw new Error(`web/texts/${language}.toml: ${section} is no table`);
    for (const [name, text] of Object.entries(table)) {
      if (typeof text !== 'string')
        throw new Error(`web/texts/${language}.toml: ${section}.${name} is no text`);
      texts.set(`${section}.${name}`, text.trim());
    }
  }
  return texts;
}

const PLACE = /\{(\w+)\}/g;

/** The places for values in a text. */
export function placesOf(text: string): readonly string[] {
  return [...text.matchAll(PLACE)].map(([, name = '']) => name);
}

export function translator(catalogue: Catalogue): Translate {
  return (key, values = {}) => {
    const text = catalogue.get(key);
    if (text === undefined) throw new Error(`there is no text ${key}`);
    return text.replace(PLACE, (_, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`the text ${key} has no value for {${name}}`);
      return String(value);
    });
  };
}

const LONGEST_HEADER = 256;

/**
 * The language for a request. Pure.
 * @param chosen what the person chose before, such as a cookie's value; anything may stand there
 * @param accepted Accept-Language (RFC 9110, section 12.5.4)
 */
export function chooseLanguage(chosen: string | undefined, accepted: string | undefined): Language {
  const known = (tag: string): Language | undefined =>
    LANGUAGES.find((language) => language === tag.toLowerCase().split('-')[0]);
  const own = chosen === undefined || chosen.length > 8 ? undefined : known(chosen);
  if (own !== undefined) return own;
  const ranges = (accepted ?? '')
    .slice(0, LONGEST_HEADER)
    .split(',')
    .map((range) => {
      const [tag = '', ...parameters] = range.split(';').map((part) => part.trim());
      const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
      return { tag, quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality);
  for (const { tag } of ranges) {
    const language = known(tag);
    if (language !== undefined) return language;
  }
  return 'en';
}

/** Moments, spans and numbers as a language writes them. Times are UTC, and say so. */
export interface Formats {
  moment(at: Date): string;
  day(at: Date): string;
  number(value: number): string;
  /** Such as "3 minutes ago". */
  ago(at: Date, now: number): string;
}

export function formatsOf(language: Language): Formats {
  const moment = new Intl.DateTimeFormat(language, {
    dateStyle: 'long',
    timeStyle: 'short',
    timeZone: 'UTC',
  });
  const day = new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone: 'UTC' });
  const number = new Intl.NumberFormat(language);
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  return {
    moment: (at) => `${moment.format(at)} UTC`,
    day: (at) => day.format(at),
    number: (value) => number.format(value),
    ago(at, now) {
      const minutes = Math.max(0, Math.floor((now - at.getTime()) / 60_000));
      if (minutes < 60) return relative.format(-minutes, 'minute');
      if (minutes < 2880) return relative.format(-Math.floor(minutes / 60), 'hour');
      return relative.format(-Math.floor(minutes / 1440), 'day');
    },
  };
}
