// Turns a page's name and its values into HTML: templates of web/templates, which escape what they are given.
import { join } from 'node:path';
import { Eta } from 'eta';
import { packageRoot } from '../../src/config/package.ts';
import { LANGUAGES, type Language } from '../../src/enrolment/letters/language.ts';
import { grouped } from '../../src/keys/fingerprint.ts';
import { type Formats, formatsOf, readCatalogue, type Translate, translator } from './texts.ts';

/** What every page knows. */
export interface PageFrame {
  readonly language: Language;
  /** Of the form that changes something. */
  readonly csrf: string;
  /** The address of who is signed in; null: nobody. */
  readonly signedIn: string | null;
  /** Which entry of the menu is this page. */
  readonly here: string;
  /** Where the links to other languages lead: a path of ours that may be asked for by GET. */
  readonly path: string;
}

/** A page's own values; what a template prints of them is escaped. */
export type PageValues = Readonly<Record<string, unknown>>;

export type Render = (template: string, frame: PageFrame, values?: PageValues) => string;

interface Words {
  readonly t: Translate;
  readonly f: Formats;
}

const LONGEST_SHOWN = 200;

/**
 * What a stranger wrote, such as a user ID, for showing: bounded, and without characters that nobody sees or that turn the
 * direction of what follows.
 */
export function shown(text: string): string {
  const bounded = text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
  return bounded.replace(/[\p{Cs}\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu, '\u{fffd}');
}

/** Reads the catalogues; templates are read when they are first used. @throws Error where a catalogue cannot be read */
export function createRenderer(): Render {
  const eta = new Eta({
    views: join(packageRoot(), 'web', 'templates'),
    autoEscape: true,
    cache: true,
    useWith: false,
  });
  const words = new Map<Language, Words>(
    LANGUAGES.map((language) => [
      language,
      { t: translator(readCatalogue(language)), f: formatsOf(language) },
    ]),
  );
  return (template, frame, values = {}) =>
    eta.render(template, {
      ...values,
      ...words.get(frame.language),
      frame,
      shown,
      grouped,
      languages: LANGUAGES,
    });
}
