// How a key comes to be used, through the flow, the commands and a real PostgreSQL: letters are caught at the next hop and opened
// with OpenPGP.js. One stand for all.
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { confirmKey } from '../../src/enrolment/flow.ts';
import {
  type EnrolmentStand,
  fingerprintOf,
  newKey,
  openEnrolmentStand,
  tokenIn,
  upload,
} from '../support/enrolment-stand.ts';
import { decryptWith } from '../support/make-keys.ts';
import { mail, textOf } from '../support/trial.ts';

const VISIT = { client: '192.0.2.7' };
let stand: EnrolmentStand;

beforeAll(async () => {
  stand = await openEnrolmentStand([registerDomain, registerUser, registerKey]);
});
afterAll(async () => {
  await stand?.close();
});

describe('a key that an administrator hands over with --confirm', () => {
  it('is used once the link in its own letter was followed, and then the next mail is sealed', async () => {
    const { trial, context, engine, hop } = stand;
    await stand.user('alice');
    const key = await newKey('alice');
    const file = trial.file('alice.asc', upload(key));
    const added = await trial.json('key', 'add', 'alice@example.org', file, '--confirm', '--language', 'de');
    expect(added).toMatchObject({ fingerprint: fingerprintOf(key), result: 'submitted' });

    const [letter, ...others] = await stand.round();
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ to: 'alice@example.org', sender: '', sealed: true });
    expect(letter?.raw).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(letter?.raw).toMatch(/^From: .*<keys@example\.org>\r$/m);
    expect(letter?.raw).toMatch(/^Message-ID: <sealpost-[0-9a-f]{32}@example\.org>\r$/im);
    expect(letter?.raw).toMatch(/^Date: /m);
    expect(letter?.raw).not.toContain('/confirm/');
    const text = (await letter?.text(key)) ?? '';
    expect(text).toContain('Fingerabdruck');
    const token = tokenIn(text, 'confirm');
    expect(await trial.json('key', 'list', 'alice@example.org')).toEqual([]);

    expect(await confirmKey(context, token, VISIT)).toMatchObject({ ok: true, result: 'active' });
    expect(await confirmKey(context, token, VISIT)).toEqual({ ok: false, because: 'token used' });
    const before = hop.sent.length;
    await engine.deliverer.deliver(mail('Subject: hello\r\n\r\nBody\r\n', 'alice@example.org'));
    const sealed = textOf(hop.sent[before] as (typeof hop.sent)[number]);
    const armor = sealed.slice(sealed.indexOf('-----BEGIN PGP MESSAGE'));
    expect((await decryptWith(key, Buffer.from(armor, 'latin1'))).toString()).toContain('Body');
    expect(await stand.round()).toEqual([]);
  });

  it('leaves no row behind when all is done', async () => {
    const { rows } = await stand.trial.database.orm.execute<{ left: string }>(sql`
      SELECT count(*)::text AS left FROM (
        SELECT id FROM enrolment_submissions UNION ALL SELECT id FROM enrolment_letters
        UNION ALL SELECT id FROM enrolment_recoveries UNION ALL SELECT id FROM reader_changes) AS rows`);
    expect(rows[0]?.left).toBe('0');
  });
});
