// The catalogues against each other, and against what the pages ask of them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHOICES, OWN_SETTINGS } from '../../../portal/frame/changes.ts';
import { textKey } from '../../../portal/frame/refusals.ts';
import { MEANWHILE, STATE_KINDS } from '../../../portal/frame/state.ts';
import { placesOf, readCatalogue, translator } from '../../../portal/frame/texts.ts';
import { LANGUAGES } from '../../../src/enrolment/letters/language.ts';
import { TOKEN_ACTIONS } from '../../../src/enrolment/tokens.ts';
import { repository } from '../../support/places.ts';

const english = readCatalogue('en');
const templates = join(repository, 'web/templates');
const sources = [
  ...readdirSync(templates).map((name) => readFileSync(join(templates, name), 'utf8')),
  ...['portal/pages', 'portal/frame', 'portal'].flatMap((folder) =>
    readdirSync(join(repository, folder))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(repository, folder, name), 'utf8')),
  ),
].join('\n');

describe('the catalogues', () => {
  it.for(LANGUAGES)('in %s have the keys and the places of the English one', (language) => {
    const catalogue = readCatalogue(language);
    expect([...catalogue.keys()]).toEqual([...english.keys()]);
    for (const [key, text] of english)
      expect([...placesOf(catalogue.get(key) ?? '')].sort(), key).toEqual([...placesOf(text)].sort());
  });

  it('have every text that a page names', () => {
    const named = [...sources.matchAll(/\bt\('([a-z_]+\.[a-z_0-9]*[a-z0-9])'/g)].map(([, key = '']) => key);
    expect(named.length).toBeGreaterThan(100);
    expect(named.filter((key) => !english.has(key))).toEqual([]);
  });

  it('have a text for every refusal, message, choice and link', () => {
    const refusals = readFileSync(join(repository, 'src/enrolment/types.ts'), 'utf8');
    const [, codes = ''] = /export type RefusalCode =([\s\S]*?');/.exec(refusals) ?? [];
    const keyRefusals = readFileSync(join(repository, 'src/keys/refusals.ts'), 'utf8');
    const [, keyCodes = ''] = /export type RefusalCode =([\s\S]*?');/.exec(keyRefusals) ?? [];
    const quoted = (text: string) =>
      [...text.matchAll(/\| '([^']+)'/g)].map(([, code = '']) => textKey(code));
    const messages = [...sources.matchAll(/key: '([a-z_]+)'/g)].map(([, key = '']) => key);
    const wanted = [
      ...[...quoted(codes), ...messages].flatMap((key) => [`message.${key}`, `message.${key}_title`]),
      ...quoted(keyCodes).map((key) => `refused_key.${key}`),
      ...OWN_SETTINGS.flatMap((name) => [`settings.${name}`, `settings.${name}_note`]),
      ...Object.values(CHOICES)
        .flat()
        .map((choice) => `choice.${choice}`),
      ...STATE_KINDS.map((kind) => `state.${kind}`),
      ...MEANWHILE.map((what) => `meanwhile.${what}`),
      ...TOKEN_ACTIONS.map(textKey).flatMap((action) =>
        ['', '_title', '_button'].map((ending) => `link.${action}${ending}`),
      ),
    ];
    expect(wanted.length).toBeGreaterThan(100);
    expect(wanted.filter((key) => !english.has(key))).toEqual([]);
  });

  it('take no text for another, and no value for granted', () => {
    const translate = translator(english);
    expect(translate('sign_in.continue_as', { address: '<b>' })).toBe('Continue as <b>');
    expect(() => translate('sign_in.continue_as')).toThrow('no value for {address}');
    expect(() => translate('sign_in.nothing')).toThrow('there is no text');
  });
});

describe('the templates', () => {
  it('print nothing unescaped but other templates and words of their own', () => {
    const raw = [...sources.matchAll(/<%~([\s\S]*?)%>/g)].map(([, code = '']) => code.trim());
    expect(raw.length).toBeGreaterThan(20);
    const harmless = /^(?:include\('[a-z-]+', it\)|it\.body|.* \? '[ a-z="-]*' : '[ a-z="-]*')$/;
    expect(raw.filter((code) => !harmless.test(code))).toEqual([]);
  });

  it('put a token into every form that changes something', () => {
    for (const name of readdirSync(templates)) {
      const text = readFileSync(join(templates, name), 'utf8');
      const forms = text.match(/<form[^>]*method="post"/g) ?? [];
      const tokens = text.match(/include\('csrf', it\)/g) ?? [];
      expect([name, tokens.length]).toEqual([name, forms.length]);
    }
  });
});
