// `sealpost --help` loads none of the commands: what it says of them stands apart, and is held against what they say.
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { OVERVIEW } from '../../../src/cli/overview.ts';
import { COMMANDS, calledBy, createProgram } from '../../../src/cli/program.ts';

describe('the overview of the commands', () => {
  it('says of every command what the command says of itself', async () => {
    const parent = new Command();
    const help = parent.createHelp();
    const own: [string, string][] = [];
    for (const load of COMMANDS.values()) (await load())(parent);
    for (const command of parent.commands) own.push([help.subcommandTerm(command), command.description()]);
    expect([...OVERVIEW.values()]).toEqual(own);
    const program = await createProgram('--help');
    const listed = program.commands.map((each) => [help.subcommandTerm(each), each.description()]);
    expect(listed).toEqual(own);
  });

  it('stands aside for the command that is called, also behind "help"', async () => {
    expect(calledBy(['help', 'user'])).toBe('user');
    expect(calledBy(['user', 'list'])).toBe('user');
    expect(calledBy(['--config', 'user', 'key', 'list'])).toBe('key');
    expect(calledBy(['--config=user', 'help', 'key'])).toBe('key');
    expect(calledBy(['--config'])).toBe(undefined);
    const [user, ...others] = (await createProgram('user')).commands;
    expect(others).toEqual([]);
    expect(user?.commands.map((each) => each.name())).toContain('list');
  });
});
