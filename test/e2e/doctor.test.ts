// `sealpost doctor` beside a real Postfix with a shipped wiring: green, and red for each setting that is broken.
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mustRun } from '../support/child.ts';
import { ALICE, DOMAIN, type MailSystem, startMailSystem } from '../support/mail-system.ts';

let system: MailSystem;
const POSTMASTER = `postmaster@${DOMAIN}`;

beforeAll(async () => {
  system = await startMailSystem(
    { example: 'delivery-virtual', deliversItself: false },
    {
      config: { postfix: { percent_hack: false, bangpath: false }, notices: { administrator: ALICE } },
      // Older versions of Postfix 3.7 have it off.
      mainCf: { smtpd_forbid_bare_newline: 'normalize' },
    },
  );
  await system.sealpost.must(['alias', 'add', POSTMASTER, ALICE]);
}, 120_000);
afterAll(() => system?.close());

interface Told {
  readonly error: number;
  readonly checks: readonly {
    readonly code: string;
    readonly level: string;
    readonly found: string;
    readonly expected?: boolean;
  }[];
}

async function doctor(...words: readonly string[]) {
  const done = await system.sealpost.cli([
    'doctor',
    '--json',
    '--config-dir',
    system.postfix.configDir,
    ...words,
  ]);
  const told = done.json as Told;
  const bad = told.checks.filter(({ level }) => level === 'warning' || level === 'error');
  const blind = told.checks.filter(({ level, expected }) => level === 'not_looked' && expected !== true);
  return { code: done.code, told, bad, blind };
}

describe('sealpost doctor', () => {
  it('finds a shipped wiring well, and its probe comes through once', async () => {
    const { code, told, bad, blind } = await doctor('--probe');
    expect({ code, bad, blind }).toEqual({ code: 0, bad: [], blind: [] });
    const found = (name: string) => told.checks.find((check) => check.code === name);
    expect(found('reinjection_probe')).toMatchObject({
      level: 'ok',
      found: expect.stringMatching(/went through once: 250 .*queued as/),
    });
    expect(found('filter_wired')?.found).toContain('virtual_transport');
    expect(found('database_notifications')?.found).toMatch(/came back after \d+ ms/);
    await system.postfix.waitForEmptyQueue(20_000);
  }, 60_000);

  it('is red for what is broken, by name', async () => {
    const { configDir } = system.postfix;
    const path = (name: string): string => join(configDir, name);
    const set = (...settings: readonly string[]) => mustRun('postconf', ['-c', configDir, '-e', ...settings]);
    await writeFile(path('transport'), `${ALICE} virtual:\n`);
    await writeFile(path('checks'), '/^X-Spam-Flag: YES/ FILTER virtual:\n');
    await writeFile(path('aliases'), 'list: "|/usr/bin/list-server"\n');
    await appendFile(
      path('master.cf'),
      '127.0.0.1:10999 inet n - n - - smtpd\n  -o content_filter=virtual:\n',
    );
    await mustRun('postalias', ['-c', configDir, path('aliases')]);
    await set(
      'always_bcc=archive@elsewhere.test',
      `transport_maps=texthash:${path('transport')}`,
      `header_checks=regexp:${path('checks')}`,
      `alias_maps=hash:${path('aliases')}`,
      'allow_percent_hack=yes',
      `mydestination=localhost, ${DOMAIN}`,
      'smtpd_forbid_bare_newline=no',
      'virtual_transprot=x',
    );
    await mustRun('postconf', [
      '-c',
      configDir,
      '-P',
      `127.0.0.1:${system.places.reinjectPort}/inet/receive_override_options=no_unknown_recipient_checks`,
      `127.0.0.1:${system.places.reinjectPort}/inet/smtpd_milters=inet:127.0.0.1:8891`,
    ]);
    const { code, bad } = await doctor();
    expect(code).toBe(2);
    expect(bad.map((check) => check.code).sort()).toEqual([
      'aliases_run_commands',
      'always_bcc',
      'content_filter_delivers',
      'filter_actions',
      'local_delivery_open',
      'machine_names',
      'mydestination_lookups',
      'operators_configured',
      'operators_open',
      'postfix_warnings',
      'reinjection_no_address_mappings',
      'reinjection_no_header_checks',
      'signers',
      'smuggling',
      'transport_maps_override',
    ]);
    const found = (name: string) => bad.find((check) => check.code === name)?.found;
    expect(found('transport_maps_override')).toBe(`${ALICE} virtual:`);
    expect(found('aliases_run_commands')).toBe('list -> "|/usr/bin/list-server"');
    expect(found('filter_actions')).toContain('FILTER virtual:');
    expect(found('operators_configured')).toBe('allow_percent_hack is yes, [postfix] percent_hack is false');
    expect(found('machine_names')).toContain('localhost');
  }, 60_000);
});
