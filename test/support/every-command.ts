// Every command of the program, in an order in which each finds what the ones before have made.
import type { Command } from 'commander';

/** What a command cannot do without. */
export type Needs =
  /** Neither configuration nor database. */
  | 'nothing'
  /** sealpost.toml. */
  | 'configuration'
  /** sealpost.toml, and the database that it names. */
  | 'database';

export interface CommandCall {
  /** `FILE` words are replaced: see {@link wordsOf}. */
  readonly words: readonly string[];
  readonly needs: Needs;
  /** Its exit code where everything is there; default 0. */
  readonly code?: number;
}

const database = (line: string, more: Partial<CommandCall> = {}): CommandCall => ({
  words: line.split(' '),
  needs: 'database',
  ...more,
});
const configuration = (line: string, more: Partial<CommandCall> = {}): CommandCall => ({
  ...database(line, more),
  needs: 'configuration',
});
const nothing = (line: string, more: Partial<CommandCall> = {}): CommandCall => ({
  ...database(line, more),
  needs: 'nothing',
});

const ID = '0123456789abcdef0123456789abcdef';

export const EVERY_CALL: readonly CommandCall[] = [
  configuration('config check'),
  nothing('config describe'),
  database('init --no-input --postfix-config DIR/none'),
  database('migrate'),
  database('migrate --status'),
  database('domain add example.org'),
  database('domain list'),
  database('domain show example.org'),
  database('domain set example.org subject=hide'),
  database('user add alice@example.org bob@example.org'),
  database('user list'),
  database('user show alice@example.org'),
  database('user set alice@example.org --quota 1GB'),
  database('user rename bob@example.org rob@example.org'),
  database('alias add team@example.org alice@example.org'),
  database('alias list'),
  database('alias remove team@example.org --yes'),
  database('key import KEY --for alice@example.org'),
  database('key list'),
  database('key list --missing'),
  database('key events'),
  database('key show alice@example.org'),
  database('key export alice@example.org'),
  database('key disable FINGERPRINT'),
  database('key enable FINGERPRINT'),
  // She has this very key.
  database('key add alice@example.org KEY --confirm', { code: 1 }),
  database('key recovery alice@example.org --allow', { code: 1 }),
  database('rule add alice@example.org --action pass --sender monitor.example'),
  database('rule list'),
  database('rule remove 1 --yes'),
  database(`fingerprint add ${'AB'.repeat(20)} --expires 2999-01-01`),
  database('fingerprint list'),
  database(`fingerprint remove ${'AB'.repeat(20)} --yes`),
  database('explain alice@example.org'),
  database('lookup virtual_alias alice@example.org'),
  database('encrypt --to alice@example.org LETTER'),
  database('trace alice@example.org', { code: 1 }),
  database('queue list'),
  database('queue stats alice@example.org'),
  database(`queue show alice@example.org ${ID}`, { code: 1 }),
  database(`queue fetch alice@example.org ${ID}`, { code: 1 }),
  database(`queue ack alice@example.org ${ID} --yes`, { code: 1 }),
  database('token add alice@example.org'),
  database('token list'),
  database('token revoke 1 --yes'),
  database('portal link alice@example.org'),
  database('notices run'),
  database('import csv USERS'),
  configuration('import gpg-mailgate --config DIR/none', { code: 1 }),
  configuration('import lacre --config DIR/none', { code: 1 }),
  configuration('import zeyple --config DIR/none', { code: 1 }),
  configuration('import keyring DIR/none', { code: 1 }),
  configuration('import postfix --config-dir DIR/none', { code: 1 }),
  configuration('import postfixadmin mysql://reader:x@127.0.0.1:9/postfix', { code: 75 }),
  configuration('import mailcow mysql://reader:x@127.0.0.1:9/mailcow', { code: 75 }),
  configuration('import leap-mx DIR/none', { code: 1 }),
  database('sync postfixadmin mysql://reader:x@127.0.0.1:9/postfix --once', { code: 75 }),
  configuration('postfix show delivery-lmtp --config-dir DIR/none', { code: 1 }),
  configuration('postfix apply delivery-lmtp --config-dir DIR/none', { code: 1 }),
  nothing('postfix undo --config-dir DIR/none', { code: 1 }),
  nothing('pull --server http://127.0.0.1:9 --to DIR/maildir --token-file DIR/none', { code: 1 }),
  nothing('doctor --config-dir DIR/none', { code: 2 }),
  configuration('status', { code: 1 }),
  database('backup DIR/backup.tar'),
  // A letter is no backup, which is said before a database is asked.
  nothing('verify LETTER', { code: 1 }),
  nothing('restore LETTER', { code: 1 }),
  database('database accept', { code: 1 }),
  database('restore --accept', { code: 1 }),
  database('key remove FINGERPRINT --yes'),
  database('user remove rob@example.org --erase --yes'),
  database('user remove alice@example.org --yes'),
  database('domain remove example.org --yes'),
  configuration('config set filter.max_recipients 500'),
  nothing('completion bash'),
  nothing('completion zsh'),
  nothing('completion fish'),
  nothing('completion complete -- us'),
];

/** `user add`, for each command that does something. */
export function leavesOf(commands: readonly Command[], before = ''): readonly string[] {
  return commands.flatMap((command) => {
    const name = `${before}${command.name()}`;
    return command.commands.length === 0 ? [name] : leavesOf(command.commands, `${name} `);
  });
}
