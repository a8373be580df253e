// A key as its owner handed it over, through the commands and a real PostgreSQL: kept, told of, exported, and sealed to.
import { readKey } from 'openpgp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { type Engine, openEngine } from '../../src/delivery/engine.ts';
import { decryptWith } from '../support/make-keys.ts';
import { listedHop, mail, openTrial, silent, type Trial, textOf } from '../support/trial.ts';
import { type HandMade, handMade, subkeyBody } from '../unit/keys/hand-made.ts';

const USER_ID = Buffer.from('J\xf6rg <joerg@example.org>', 'latin1');
const FOREIGN = Buffer.from('Joerg <joerg@example.net>');
const POST_QUANTUM = subkeyBody(4, 35, 1216);

let trial: Trial;
let engine: Engine;
let made: HandMade;
const hop = listedHop();

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerKey]);
  await trial.json('domain', 'add', 'example.org');
  await trial.json('user', 'add', 'joerg@example.org');
  engine = await openEngine({ config: trial.config, ...silent(), workers: 0, nextHop: hop });
  made = await handMade();
});
afterAll(async () => {
  await engine?.close();
  await trial?.close();
});

interface Shown {
  readonly original: boolean;
  readonly unused_subkeys: readonly { readonly because: string }[];
}

async function exported(...options: readonly string[]): Promise<Buffer> {
  const { armored } = (await trial.json('key', 'export', ...options, 'joerg@example.org')) as {
    readonly armored: string;
  };
  const base64 = armored.split('\n\n')[1]?.split('\n=')[0] ?? '';
  return Buffer.from(base64, 'base64');
}

it('is kept whole and exported, though mail is sealed with what is known of it', async () => {
  const strange = await made.bound(POST_QUANTUM);
  const userIds = [await made.userId(USER_ID), await made.userId(FOREIGN)];
  const upload = Buffer.concat([made.primary, ...userIds, strange, made.subkey]);
  const [added] = (await trial.json('key', 'import', trial.file('key.pgp', upload))) as readonly {
    readonly result: string;
  }[];
  expect(added).toMatchObject({ result: 'added', owners: ['joerg@example.org'] });

  const [shown] = (await trial.json('key', 'show', 'joerg@example.org')) as readonly Shown[];
  expect(shown).toMatchObject({
    original: true,
    user_ids: ['Jörg <joerg@example.org>'],
    unused_subkeys: [{ because: 'it is not supported here (post-quantum: ML-KEM-768+X25519, version 4)' }],
  });
  const whole = await exported();
  expect(whole.equals(Buffer.concat([made.primary, ...userIds.slice(0, 1), strange, made.subkey]))).toBe(
    true,
  );
  expect((await readKey({ binaryKey: whole })).subkeys).toHaveLength(1);
  expect((await exported('--reduced')).includes(POST_QUANTUM)).toBe(false);

  const text = 'From: <carol@outside.example>\r\nSubject: hello\r\n\r\nThe body.\r\n';
  await engine.deliverer.deliver(mail(text, 'joerg@example.org'));
  const [sent] = hop.sent;
  const armor = /-----BEGIN PGP MESSAGE-----[\s\S]*-----END PGP MESSAGE-----/.exec(
    sent === undefined ? '' : textOf(sent),
  );
  const inside = await decryptWith(made.secret, Buffer.from(armor?.[0] ?? ''));
  expect(inside.toString('latin1')).toContain('The body.');
});

it('is learned from a copy where an older version kept the reduced form only', async () => {
  await trial.database.pool.query('UPDATE keys SET original = NULL');
  expect((await trial.json('key', 'show', 'joerg@example.org')) as readonly Shown[]).toMatchObject([
    { original: false, unused_subkeys: [] },
  ]);
  expect((await exported()).includes(POST_QUANTUM)).toBe(false);
  const kyber = await made.bound(subkeyBody(5, 8, 1200));
  const copy = Buffer.concat([made.primary, await made.userId(USER_ID), kyber, made.subkey]);
  expect(await trial.json('key', 'import', trial.file('copy.pgp', copy))).toMatchObject([
    { result: 'merged', news: ['a subkey that is not used is new'] },
  ]);
  expect(await trial.json('key', 'import', trial.file('copy.pgp', copy))).toMatchObject([
    { result: 'unchanged' },
  ]);
  const older = Buffer.concat([
    made.primary,
    await made.userId(USER_ID),
    await made.bound(POST_QUANTUM),
    made.subkey,
  ]);
  await trial.json('key', 'import', trial.file('older.pgp', older));
  const [shown] = (await trial.json('key', 'show', 'joerg@example.org')) as readonly Shown[];
  expect(shown?.unused_subkeys.map(({ because }) => because)).toEqual([
    "it is not supported here (LibrePGP's Kyber, version 5)",
    'it is not supported here (post-quantum: ML-KEM-768+X25519, version 4)',
  ]);
});
