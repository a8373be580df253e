// `[smime] trust`: the machine's authorities, files of one's own, and what is said of a file that cannot be used.
// @module-tag slow
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { readTrust } from '../../../src/smime/trust.ts';
import { type Authority, CA_EXTENSIONS, openAuthority } from '../../support/authority.ts';

let authority: Authority;
beforeAll(() => {
  authority = openAuthority();
});
afterAll(() => authority.close());

describe('the trusted authorities', () => {
  it('are those of the machine by default', () => {
    expect(configSchema.parse({}).smime.trust).toEqual(['system']);
    expect(readTrust(['system']).length).toBeGreaterThan(20);
  });

  it('are those of every file that is named', () => {
    const [one, two] = ['one', 'two'].map((name) => authority.issue(name, { extensions: CA_EXTENSIONS }));
    const { trust } = configSchema.parse({
      smime: { trust: [one?.certificateFile, two?.certificateFile] },
    }).smime;
    expect(readTrust(trust)).toEqual([one?.der, two?.der]);
  });

  it('are none where the list is empty', () => {
    expect(readTrust(configSchema.parse({ smime: { trust: '' } }).smime.trust)).toEqual([]);
  });

  it('cannot be read from a file that is missing, empty or damaged', () => {
    const file = (name: string, content: string) => {
      const path = join(authority.folder, name);
      writeFileSync(path, content);
      return path;
    };
    expect(() => readTrust(['/nowhere/ca.pem'])).toThrow('smime.trust: cannot read /nowhere/ca.pem');
    const empty = file('empty.pem', 'nothing');
    expect(() => readTrust([empty])).toThrow(`smime.trust: found no certificate in ${empty}`);
    const damaged = file('bad.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    expect(() => readTrust([damaged])).toThrow(`smime.trust: a certificate in ${damaged} is damaged`);
  });
});
