// Aliases that were there before their user, over a real PostgreSQL: from the moment the user is there they lead to the user,
// by id, through renames and removals, and keys find their way.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { packageRoot } from '../../src/config/package.ts';
import { createDirectory } from '../../src/directory/lookup.ts';
import { openTrial, type Trial } from '../support/trial.ts';
import { curveKey, type Gpg, openGpg } from '../unit/keys/gpg.ts';

let trial: Trial;
let gpg: Gpg;

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerAlias, registerKey]);
  gpg = openGpg();
});

afterAll(async () => {
  await trial?.close();
  gpg?.close();
});

const json = (...words: readonly string[]) => trial.json(...words);

/** Users and outside addresses that mail to an address reaches. */
async function readersOf(address: string): Promise<readonly string[]> {
  const { resolution } = await createDirectory(trial).recipient(address);
  const readers = 'readers' in resolution ? resolution.readers : [];
  return readers.map((reader) =>
    reader.kind === 'user' ? `user ${reader.user.address}` : `${reader.kind} ${reader.address}`,
  );
}

async function targetsOf(alias: string): Promise<readonly string[]> {
  const [listed] = (await json('alias', 'list', alias)) as readonly { readonly targets: readonly string[] }[];
  return listed?.targets ?? [];
}

let domains = 0;
let domain: string;
beforeEach(async () => {
  domains += 1;
  domain = `d${domains}.example`;
  await json('domain', 'add', domain);
});

describe('an alias that was added before its user', () => {
  it('follows a rename, its extension too', async () => {
    await json('alias', 'add', `info@${domain}`, `Alice@${domain}`, `alice+info@${domain}`);
    await json('user', 'add', `alice@${domain}`);
    await json('user', 'rename', `alice@${domain}`, `al@${domain}`);
    expect(await readersOf(`info@${domain}`)).toEqual([`user al@${domain}`]);
    expect(await targetsOf(`info@${domain}`)).toEqual([`al@${domain}`, `al+info@${domain}`]);
  });

  it('follows a user who is renamed to its target, and who is renamed again', async () => {
    await json('alias', 'add', `info@${domain}`, `al@${domain}`);
    await json('user', 'add', `alice@${domain}`);
    await json('user', 'rename', `alice@${domain}`, `al@${domain}`);
    await json('user', 'rename', `al@${domain}`, `alice@${domain}`);
    expect(await readersOf(`info@${domain}`)).toEqual([`user alice@${domain}`]);
  });

  it('whose target was outside when it was added, follows too', async () => {
    await json('alias', 'add', `info@${domain}`, `Alice@late.${domain}`);
    await json('domain', 'add', `late.${domain}`);
    await json('user', 'add', `alice@late.${domain}`);
    await json('user', 'rename', `alice@late.${domain}`, `al@${domain}`);
    expect(await readersOf(`info@${domain}`)).toEqual([`user al@${domain}`]);
  });

  it('is left to the more exact address where there is one', async () => {
    await json('alias', 'add', `info@${domain}`, `alice+x@${domain}`);
    await json('user', 'add', `alice+x@${domain}`);
    await json('user', 'add', `alice@${domain}`);
    await json('user', 'rename', `alice@${domain}`, `al@${domain}`);
    expect(await readersOf(`info@${domain}`)).toEqual([`user alice+x@${domain}`]);
  });

  it('takes keys, and goes with its user', async () => {
    await json('alias', 'add', `info@${domain}`, `alice@${domain}`);
    await json('user', 'add', `alice@${domain}`);
    const key = trial.file('key.pgp', gpg.exportKey(gpg.make(curveKey({ address: `info@${domain}` }))));
    expect(await json('key', 'import', key)).toMatchObject([
      { result: 'added', owners: [`alice@${domain}`] },
    ]);
    expect(await json('key', 'import', key, '--for', `info@${domain}`)).toMatchObject([
      { result: 'unchanged' },
    ]);
    expect(await json('user', 'remove', `alice@${domain}`, '--yes')).toMatchObject({
      removed_aliases: [`info@${domain}`],
    });
  });
});

describe('the old address of a user who is renamed', () => {
  const alice = () => `alice@${domain}`;
  const al = () => `al@${domain}`;
  beforeEach(() => json('user', 'add', alice()));

  it('stays as an alias, so that its mail is sealed as before', async () => {
    const key = trial.file('key.pgp', gpg.exportKey(gpg.make(curveKey({ address: alice() }))));
    await json('key', 'import', key);
    expect(await json('user', 'rename', alice(), al())).toMatchObject({ address: al(), alias: alice() });
    expect(await readersOf(alice())).toEqual([`user ${al()}`]);
    expect(await readersOf(`alice+lists@${domain}`)).toEqual([`user ${al()}`]);
    // The certificate still names its owner.
    expect(await json('key', 'import', key)).toMatchObject([{ result: 'unchanged', owners: [al()] }]);
  });

  it('is nobody with --drop-old', async () => {
    expect(await json('user', 'rename', alice(), al(), '--drop-old')).toMatchObject({ alias: null });
    expect(await json('alias', 'list')).not.toContainEqual(expect.objectContaining({ address: alice() }));
  });

  it('stays through a chain of renames, each name once', async () => {
    await json('user', 'rename', alice(), al());
    await json('user', 'rename', al(), `ali@${domain}`);
    await json('user', 'rename', `ali@${domain}`, `a@${domain}`);
    expect(await json('alias', 'list', `a@${domain}`)).toEqual(
      ['al', 'ali', 'alice'].map((name) => ({ address: `${name}@${domain}`, targets: [`a@${domain}`] })),
    );
  });

  it('makes room for a rename back, and the other name stays then', async () => {
    await json('user', 'rename', alice(), al());
    expect(await json('user', 'rename', al(), alice())).toMatchObject({ address: alice(), alias: al() });
    expect(await readersOf(al())).toEqual([`user ${alice()}`]);
    expect(await targetsOf(al())).toEqual([alice()]);
  });

  it('follows into another domain', async () => {
    await json('domain', 'add', `other.${domain}`);
    await json('user', 'rename', alice(), `al@other.${domain}`);
    expect(await readersOf(alice())).toEqual([`user al@other.${domain}`]);
  });

  it('is no room for a new user, who is told what helps; nor for another user', async () => {
    await json('user', 'rename', alice(), al());
    await json('user', 'add', `bob@${domain}`);
    for (const words of [
      ['add', alice()],
      ['rename', `bob@${domain}`, alice()],
    ]) {
      expect(await trial.sealpost('user', ...words)).toMatchObject({
        code: 1,
        err: expect.stringContaining(`"sealpost alias remove ${alice()}"`),
      });
    }
    await json('alias', 'remove', alice(), '--yes');
    await json('user', 'add', alice());
    expect(await readersOf(alice())).toEqual([`user ${alice()}`]);
    // Who had the name before is not touched by it.
    await json('user', 'rename', al(), `ali@${domain}`);
    expect(await readersOf(alice())).toEqual([`user ${alice()}`]);
  });

  it('never takes the place of an alias with a target of its own, or with another one', async () => {
    await json('alias', 'add', `info@${domain}`, `alice+info@${domain}`);
    await json('alias', 'add', `team@${domain}`, alice(), 'out@outside.example');
    for (const name of ['info', 'team']) {
      expect(await trial.sealpost('user', 'rename', alice(), `${name}@${domain}`)).toMatchObject({
        code: 1,
        err: expect.stringContaining('is taken by an alias'),
      });
    }
  });

  it('goes with the user', async () => {
    await json('user', 'rename', alice(), al());
    expect(await json('user', 'remove', al(), '--yes')).toMatchObject({ removed_aliases: [alice()] });
  });
});

describe('an alias of an older program, which does not name its user by id,', () => {
  const forgetIds = () => trial.database.pool.query('UPDATE alias_targets SET target_user_id = NULL');

  beforeEach(async () => {
    await json('user', 'add', `alice@${domain}`);
    await json('alias', 'add', `info@${domain}`, `alice@${domain}`);
    await forgetIds();
  });

  it.each([
    ['the migration', () => trial.database.pool.query(migration())],
    ['adding it once more', () => json('alias', 'add', `info@${domain}`, `alice@${domain}`)],
  ] as const)('does after %s', async (_name, mend) => {
    await mend();
    const { rows } = await trial.database.pool.query(
      `SELECT u.id FROM alias_targets t JOIN users u ON u.id = t.target_user_id
         JOIN addresses a ON a.id = t.alias_id WHERE a.address = $1`,
      [`info@${domain}`],
    );
    expect(rows).toHaveLength(1);
  });

  it('follows a rename all the same', async () => {
    await json('user', 'rename', `alice@${domain}`, `al@${domain}`);
    expect(await readersOf(`info@${domain}`)).toEqual([`user al@${domain}`]);
  });

  it('goes with its user all the same', async () => {
    expect(await json('user', 'remove', `alice@${domain}`, '--yes')).toMatchObject({
      removed_aliases: [`info@${domain}`],
    });
  });

  function migration(): string {
    return readFileSync(join(packageRoot(), 'migrations', '0010_link_alias_targets.sql'), 'utf8');
  }
});
