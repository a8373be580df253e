// Zeyple: a configuration file, and the GnuPG home that it names. Every address of every key is a recipient.
import { besideFile, readText } from './files.ts';
import { exportHome } from './gnupg.ts';
import { iniValue, parseIni } from './ini.ts';
import { type Source, SourceRefused } from './rows.ts';

/** @param config absolute */
export function zeypleSource(config: string): Source {
  return {
    name: `zeyple ${config}`,
    addsDomains: false,
    addsOwners: true,
    async *rows() {
      const ini = parseIni(await readText(config));
      if (typeof ini === 'string') throw new SourceRefused(`${config} is no configuration of Zeyple: ${ini}`);
      const home = iniValue(ini, 'gpg', 'home');
      if (!ini.has('zeyple') || home === undefined || home === '')
        throw new SourceRefused(
          `${config} is no configuration of Zeyple: expected [zeyple], and home in [gpg]`,
        );
      const folder = besideFile(config, home);
      for await (const { bytes } of exportHome(folder)) {
        yield {
          kind: 'key',
          where: `gnupg:${folder}`,
          upload: bytes,
          owners: { kind: 'named', except: new Set(), also: [] },
          sealedBefore: true,
        };
      }
      const forced = ini.get('zeyple')?.get('force_encrypt');
      const rules = ini.get('missing_key_rules')?.size ?? 0;
      if (rules > 0 || (forced !== undefined && /^(?:1|yes|true|on)$/i.test(forced.value))) {
        yield {
          kind: 'left',
          of: 'setting',
          name: rules > 0 ? 'missing_key_rules' : 'force_encrypt',
          where: config,
          because: 'what becomes of mail without a key is on_missing_key here; see "sealpost domain set"',
        };
      }
    },
  };
}
