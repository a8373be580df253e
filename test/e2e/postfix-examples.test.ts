// postfix-examples/ as an administrator uses it: the README's own commands, applied to and taken from a running Postfix, and
// what must hold of every listener that takes filtered mail back.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { mustRun, runProgram } from '../support/child.ts';
import { useExamplePorts } from '../support/example-ports.ts';
import { parseMainCf, parseMasterCf } from '../support/master-cf.ts';
import { allocatePlaces, exampleSubstitutions, type Places, repository } from '../support/places.ts';
import { type PrivatePostfix, startPostfix } from '../support/private-postfix.ts';

const folder = join(repository, 'postfix-examples');
// The wirings of the filter; lookups/ has no master.cf and tests of its own (lookups-postfix.test.ts).
const examples = readdirSync(folder)
  .filter((name) => readdirSync(join(folder, name)).includes('master.cf'))
  .sort();
const read = (example: string, name: string) => readFileSync(join(folder, example, name), 'utf8');

/** The command in backticks behind a word of the README, such as Apply or Undo. */
function commandOf(example: string, word: string): string {
  const found = new RegExp(`${word}[^\`]*\`([^\`]+)\``).exec(read(example, 'README.md'))?.[1];
  if (found === undefined)
    throw new Error(`postfix-examples/${example}/README.md has no command for ${word}`);
  return found;
}

describe('postfix-examples', () => {
  useExamplePorts();
  let started: { readonly postfix: PrivatePostfix; readonly places: Places } | undefined;
  afterEach(async () => {
    await started?.postfix.stop();
    await started?.places.remove();
    started = undefined;
  });

  it('there is one folder for each way of wiring, each with its four files', () => {
    expect(examples).toEqual([
      'after-queue-lmtp',
      'after-queue-smtp',
      'delivery-lmtp',
      'delivery-local',
      'delivery-virtual',
      'pipe',
      'receiver',
    ]);
    for (const example of examples) {
      const files = readdirSync(join(folder, example)).sort();
      expect(files, example).toEqual(['README.md', 'main.cf', 'master.cf', 'sealpost.example.toml']);
      expect(read(example, 'README.md').trim().split('\n').length, example).toBeLessThanOrEqual(12);
    }
  });

  for (const example of examples) {
    it(`${example}: the README's commands apply it to a running Postfix without a warning, and undo it`, async () => {
      const places = await allocatePlaces();
      const mailboxes = 'discard:';
      const postfix = await startPostfix({
        places,
        example: null,
        substitutions: exampleSubstitutions(places),
        mailboxes,
      });
      started = { postfix, places };
      const settings = async () => {
        const values = await mustRun('postconf', ['-c', postfix.configDir, '-n']);
        const services = await mustRun('postconf', ['-c', postfix.configDir, '-M']);
        expect(values.stderr + services.stderr).toBe('');
        return `${values.stdout}${services.stdout}`;
      };
      const shell = (command: string) =>
        runProgram('bash', ['-c', command.replaceAll('/etc/postfix/', `${postfix.configDir}/`)], {
          cwd: join(folder, example),
          env: { MAIL_CONFIG: postfix.configDir },
        });
      const before = await settings();

      const applied = await shell(commandOf(example, 'Apply'));
      expect(applied.stderr).not.toMatch(/warning|error|fatal/);
      expect(applied.code, applied.stderr).toBe(0);
      for (const [name, value] of parseMainCf(read(example, 'main.cf'))) {
        expect(await settings()).toContain(`${name} = ${value}`);
      }
      const after = await settings();
      for (const { name } of parseMasterCf(read(example, 'master.cf'))) {
        const [service = '', type = ''] = name.split('/');
        expect(
          after.split('\n').some((line) => line.startsWith(service) && line.includes(type)),
          name,
        ).toBe(true);
      }

      const undone = await shell(commandOf(example, 'Undo'));
      expect(undone.code, undone.stderr).toBe(0);
      // What the example takes out, it cannot put back.
      const taken = parseMainCf(read(example, 'main.cf')).map(([name]) => name);
      const linesOf = (text: string) => text.split('\n').sort();
      const whatItWas = linesOf(before).filter((line) => !taken.includes(line.split(' ')[0] ?? ''));
      expect(linesOf(await settings())).toEqual(whatItWas);
    });

    it(`${example}: mail handed to sealpost keeps its bytes, tells its queue ID and cannot take a way around it`, () => {
      const [client] = parseMasterCf(read(example, 'master.cf'));
      const [head = '', ...options] = client?.lines ?? [];
      const [, , , , chroot, , limit, program = ''] = head.split(/\s+/);
      expect(chroot).toBe('n');
      expect(Number(limit)).toBeGreaterThan(0);
      if (program === 'pipe') {
        expect(options.join(' ')).toMatch(/--queue-id \$\{queue_id\} -f \$\{sender\} -- \$\{recipient\}/);
        expect(options.join(' ')).toContain('flags=q user=sealpost null_sender=');
        return;
      }
      const set = options.map((option) => option.trim());
      expect(set).toContain(`-o ${program}_send_xforward_command=yes`);
      expect(set).toContain(`-o ${program}_line_length_limit=0`);
      expect(set).toContain(`-o ${program}_fallback_relay=`);
      expect(set).toContain(`-o ${program}_tls_security_level=none`);
    });
  }

  for (const [example, port, agent] of [
    ['after-queue-lmtp', 10026, ''],
    ['after-queue-smtp', 10026, ''],
    ['pipe', 10026, ''],
    ['delivery-virtual', 10026, 'sealpost-virtual:'],
    ['delivery-local', 10027, 'sealpost-local:'],
  ] as const) {
    it(`${example}: the way back filters nothing and maps nothing again, trusts only this machine and cannot be smuggled into`, () => {
      const entry = parseMasterCf(read(example, 'master.cf')).find(
        ({ name }) => name === `127.0.0.1:${port}/inet`,
      );
      const options = new Map(
        (entry?.lines.slice(1) ?? []).map((line) => {
          const [name = '', value = ''] = line.trim().replace(/^-o /, '').split(/=(.*)/s);
          return [name, value];
        }),
      );
      expect(options.get('content_filter')).toBe(agent);
      const overrides = options.get('receive_override_options')?.split(',');
      expect(overrides).toContain('no_unknown_recipient_checks');
      expect(overrides).toContain('no_header_body_checks');
      expect(overrides).toContain('no_address_mappings');
      expect(options.get('smtpd_forbid_bare_newline')).toBe('normalize');
      expect(options.get('smtpd_forbid_bare_newline_exclusions')).toBe('');
      expect(options.get('smtpd_authorized_xforward_hosts')).toBe('127.0.0.0/8');
      expect(options.get('smtpd_client_restrictions')).toBe('permit_mynetworks,reject');
      expect(options.get('mynetworks')).toBe('127.0.0.0/8');
      // Not below the filter's concurrency: `next_hop_connections` of the sealpost.example.toml beside it.
      const connections = Number(
        /^next_hop_connections = (\d+)/m.exec(read(example, 'sealpost.example.toml'))?.[1],
      );
      expect(Number(entry?.lines[0]?.split(/\s+/)[6])).toBeGreaterThan(connections);
      // Before the filter, addresses are mapped: sealpost sees the readers that aliases name.
      const settings = parseMainCf(read(example, 'main.cf')).map(([name]) => name);
      expect(settings).not.toContain('receive_override_options');
      expect(settings).toEqual(expect.arrayContaining(['allow_percent_hack', 'swap_bangpath']));
    });
  }
});
