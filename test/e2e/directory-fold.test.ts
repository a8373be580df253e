// Addresses that are one to Postfix, over a real PostgreSQL: what was stored before they were folded in full.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerMigrate } from '../../src/cli/migrate.ts';
import { registerUser } from '../../src/cli/user.ts';
import { createDirectory } from '../../src/directory/lookup.ts';
import { foldingTogether, refoldAddresses } from '../../src/directory/refold.ts';
import { openTrial, type Trial } from '../support/trial.ts';

let trial: Trial;

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerAlias, registerMigrate]);
  await trial.json('domain', 'add', 'example.org');
  await trial.json('domain', 'add', 'case.example');
  await trial.json('domain', 'set', 'case.example', 'fold_local_part=off');
});

afterAll(() => trial?.close());

/** Adds a user whose address is then spelled as an earlier version stored it. */
async function storedAs(address: string, spelling: string): Promise<number> {
  const { id } = (await trial.json('user', 'add', address)) as { id: number };
  await trial.database.pool.query('UPDATE addresses SET address = $1 WHERE user_id = $2', [spelling, id]);
  return id;
}

async function readerOf(address: string): Promise<number | null> {
  const { database, config } = trial;
  const path = Buffer.from(address, 'utf8').toString('latin1');
  const { resolution } = await createDirectory({ database, config }).recipient(path);
  const [reader] = 'readers' in resolution ? resolution.readers : [];
  return reader?.kind === 'user' ? reader.user.id : null;
}

describe('addresses stored in lower case only', () => {
  it('are folded where the folded form is free, and are found either way', async () => {
    const weiss = await storedAs('weiss@example.org', 'weiß@example.org');
    const kept = await storedAs('Strauß@case.example', 'Strauß@case.example');
    await trial.json('user', 'set', 'weiß@example.org', 'send_as=groß@example.org');
    await trial.database.pool.query("UPDATE sender_logins SET address = 'groß@example.org'");
    expect(await readerOf('weiß@example.org')).toBe(weiss);

    expect(await refoldAddresses(trial.database)).toEqual({ folded: 1, left: [] });
    expect(await refoldAddresses(trial.database)).toEqual({ folded: 0, left: [] });
    for (const each of ['weiß@example.org', 'WEISS@example.org', 'weiẞ+x@example.org'])
      expect(await readerOf(each)).toBe(weiss);
    expect(await readerOf('Strauß@case.example')).toBe(kept);
    expect(await readerOf('strauss@case.example')).toBeNull();
    const { rows } = await trial.database.pool.query('SELECT address FROM sender_logins');
    expect(rows).toEqual([{ address: 'gross@example.org' }]);
  });

  it('that are one to Postfix stay as they are, each found as it is spelled, and are named', async () => {
    const plain = ((await trial.json('user', 'add', 'susan@example.org')) as { id: number }).id;
    const long = await storedAs('xx@example.org', 'ſuſan@example.org');
    const together = [{ address: 'ſuſan@example.org', foldsTo: 'susan@example.org' }];
    expect(await refoldAddresses(trial.database)).toEqual({ folded: 0, left: together });
    expect(await foldingTogether(trial.database)).toEqual(together);
    expect(await readerOf('ſuſan@example.org')).toBe(long);
    expect(await readerOf('ſuſan+x@example.org')).toBe(long);
    expect(await readerOf('susan@example.org')).toBe(plain);
    expect(await readerOf('ſusan@example.org')).toBe(plain);
    expect(await trial.sealpost('migrate', '--status')).toMatchObject({
      out: expect.stringContaining('same     ſuſan@example.org is susan@example.org to Postfix'),
    });
    // The administrator reaches both.
    expect(await trial.json('user', 'show', 'ſuſan@example.org')).toMatchObject({ id: long });
    expect(await trial.json('user', 'show', 'SUSAN@example.org')).toMatchObject({ id: plain });
    await trial.json('user', 'rename', 'ſuſan@example.org', 'susan2@example.org', '--drop-old');
    expect(await foldingTogether(trial.database)).toEqual([]);
  });

  it('of which two want the same new form stay, both of them', async () => {
    await storedAs('one@example.org', 'groß.ſ@example.org');
    await storedAs('two@example.org', 'gross.ſ@example.org');
    expect(await refoldAddresses(trial.database)).toEqual({
      folded: 0,
      left: expect.arrayContaining([
        { address: 'groß.ſ@example.org', foldsTo: 'gross.s@example.org' },
        { address: 'gross.ſ@example.org', foldsTo: 'gross.s@example.org' },
      ]),
    });
  });
});
