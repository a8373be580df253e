// Notices of keys that expire, over a real PostgreSQL and through real engines: each is sent once, by however many servers and
// whatever happens to them, and is sealed like any other mail.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKey, type PrivateKey, type SecretKeyPacket } from 'openpgp';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import type { Config } from '../../src/config/schema.ts';
import { type Engine, openEngine } from '../../src/delivery/engine.ts';
import { type NoticeParts, type NoticeReport, runNotices, startNotices } from '../../src/notices/notices.ts';
import { decryptWith } from '../support/make-keys.ts';
import {
  importFor,
  type ListedHop,
  listedHop,
  openTrial,
  silent,
  type Trial,
  textOf,
} from '../support/trial.ts';

const ADMINISTRATOR = 'postmaster@outside.example';
const DAY = 86_400_000;
const SENT_BOTH: NoticeReport = { sent: 2, refused: 0, postponed: 0 };
const NOTHING: NoticeReport = { sent: 0, refused: 0, postponed: 0 };

let trial: Trial;
const observed = silent();
/** Two servers on one database. */
const engines: Engine[] = [];
const hops: readonly ListedHop[] = [listedHop(), listedHop()];

beforeAll(async () => {
  trial = await openTrial(
    [registerDomain, registerUser, registerKey],
    `[notices]\nadministrator = "${ADMINISTRATOR}"\nat = "08:00"\n`,
  );
  await trial.json('domain', 'add', 'example.org');
  for (const nextHop of hops) {
    engines.push(
      await openEngine({ config: trial.config, ...observed, workers: 0, watchChanges: true, nextHop }),
    );
  }
});

afterAll(async () => {
  for (const engine of engines) await engine.close();
  await trial?.close();
});

beforeEach(async () => {
  for (const hop of hops) {
    hop.sent.length = 0;
    hop.answer = () => ({ code: 250, enhanced: '2.0.0', text: 'Ok: queued' });
  }
  for (const table of ['key_notices', 'keys', 'deliveries'])
    await trial.database.pool.query(`DELETE FROM ${table}`);
});

let users = 0;

/** Key material that expires so many days from now; made a year ago. */
async function expiringKey(address: string, days: number): Promise<PrivateKey> {
  const made = Date.now() - 365 * DAY;
  const until = Date.now() + days * DAY;
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ name: 'Test', email: address }],
    date: new Date(made),
    keyExpirationTime: Math.round((until - made) / 1000),
    format: 'object',
  });
  return privateKey;
}

async function importKey(secret: PrivateKey, owner: string): Promise<void> {
  await importFor(trial, owner, secret);
  // Stored long before the daily moment.
  await trial.database.pool.query("UPDATE keys SET created_at = now() - interval '300 days'");
}

async function userWithKey(days: number): Promise<{ readonly address: string; readonly secret: PrivateKey }> {
  users += 1;
  const address = `user${users}@example.org`;
  await trial.json('user', 'add', address);
  const secret = await expiringKey(address, days);
  await importKey(secret, address);
  return { address, secret };
}

function parts(server = 0, config: Partial<Config['notices']> = {}): NoticeParts {
  const engine = engines[server];
  if (engine === undefined) throw new Error(`no server ${server}`);
  return {
    config: () => ({ ...trial.config, notices: { ...trial.config.notices, ...config } }),
    database: engine.database,
    deliverer: engine.deliverer,
    ...observed,
  };
}

const run = (server = 0, config: Partial<Config['notices']> = {}): Promise<NoticeReport> =>
  runNotices(parts(server, config), Date.now());

/** What went out, by recipient. */
function sent(): Readonly<Record<string, string[]>> {
  const byRecipient: Record<string, string[]> = {};
  for (const request of hops.flatMap((hop) => hop.sent)) {
    const to = request.envelope.recipients[0]?.path ?? '';
    byRecipient[to] = [...(byRecipient[to] ?? []), textOf(request)];
  }
  return byRecipient;
}

/** The claims of servers that died, an hour later. */
async function anHourLater(): Promise<void> {
  await trial.database.pool.query(
    "UPDATE key_notices SET claimed_until = claimed_until - interval '61 minutes'",
  );
}

async function decrypted(secret: PrivateKey, message: string | undefined): Promise<string> {
  const armored =
    /-----BEGIN PGP MESSAGE-----[\s\S]*-----END PGP MESSAGE-----/.exec(message ?? '')?.[0] ?? '';
  return (await decryptWith(secret, Buffer.from(armored))).toString();
}

describe('a user whose key expires within seven days', () => {
  it('gets one mail, from the null sender and sealed, and the administrator a summary', async () => {
    const { address, secret } = await userWithKey(5.5);
    expect(await run()).toEqual(SENT_BOTH);
    const mails = sent();
    expect(Object.keys(mails).sort()).toEqual([ADMINISTRATOR, address].sort());
    const [mail] = mails[address] ?? [];
    expect(hops[0]?.sent.map(({ envelope }) => envelope.sender)).toEqual(['', '']);
    expect(mail).toContain('Sealpost-Status: sealed');
    expect(mail).toContain('\r\nAuto-Submitted: auto-generated\r\n');
    expect(mail).toContain(`From: ${ADMINISTRATOR}\r\n`);
    expect(mail).toMatch(/\r\nMessage-ID: <sealpost-notice-[0-9a-f-]{36}@outside\.example>\r\n/);
    expect(mail).toMatch(/\r\nDate: \w{3}, \d{2} \w{3} \d{4} [\d:]{8} \+0000\r\n/);
    const fingerprint = secret
      .getFingerprint()
      .toUpperCase()
      .replace(/(.{4})(?=.)/g, '$1 ');
    const text = await decrypted(secret, mail);
    expect(text).toContain(fingerprint);
    expect(text).toContain('goes on being encrypted with the expired one');
    const [summary] = mails[ADMINISTRATOR] ?? [];
    expect(summary).toContain(fingerprint);
    expect(summary).toContain(`of ${address}`);
    expect(summary).not.toContain('Sealpost-Status');
    expect(await run()).toEqual(NOTHING);
    expect(await run(1)).toEqual(NOTHING);
  });

  it('is told what the settings will do to the mail then', async () => {
    const { address, secret } = await userWithKey(5.5);
    await trial.json('user', 'set', address, 'on_expired_key=reject');
    await run();
    expect(await decrypted(secret, sent()[address]?.[0])).toContain('mail to you will be refused after that');
  });
});

describe('a user with a second key', () => {
  const LASTS_LONGER = 'You have another key that lasts longer';

  it('that lasts longer is told so', async () => {
    const { address, secret } = await userWithKey(5.5);
    await importKey(await expiringKey(address, 300), address);
    await run();
    expect(await decrypted(secret, sent()[address]?.[0])).toContain(LASTS_LONGER);
  });

  it('whose only encryption subkey is revoked is told what happens without it', async () => {
    const { address, secret } = await userWithKey(5.5);
    const other = await expiringKey(address, 300);
    await importKey(other, address);
    const [subkey] = other.subkeys;
    if (subkey === undefined) throw new Error('no subkey');
    other.subkeys[0] = await subkey.revoke(other.keyPacket as SecretKeyPacket);
    await importKey(other, address);
    expect(await trial.json('key', 'list', address)).toMatchObject([
      { state: 'usable' },
      { state: 'unusable', because: 'every encryption subkey is revoked', revoked: false },
    ]);
    await run();
    const text = await decrypted(secret, sent()[address]?.[0]);
    expect(text).not.toContain(LASTS_LONGER);
    expect(text).toContain('goes on being encrypted with the expired one');
  });
});

describe('the administrator', () => {
  it('gets the summary sealed where the address has a key, with the keys of contacts and domains in it', async () => {
    const own = await expiringKey(ADMINISTRATOR, 300);
    await importKey(own, ADMINISTRATOR);
    await importKey(await expiringKey('friend@elsewhere.example', 0.9), 'friend@elsewhere.example');
    await importKey(await expiringKey('any@example.org', 20), '@example.org');
    expect(await run()).toEqual({ ...NOTHING, sent: 1 });
    const mails = sent();
    expect(Object.keys(mails)).toEqual([ADMINISTRATOR]);
    const [mail] = mails[ADMINISTRATOR] ?? [];
    expect(mail).toContain('Sealpost-Status: sealed');
    const text = await decrypted(own, mail);
    expect(text).toContain('of friend@elsewhere.example');
    expect(text).toContain('of @example.org');
  });

  it('alone is told where notices.users is off', async () => {
    await userWithKey(5.5);
    await run(0, { users: false });
    expect(Object.keys(sent())).toEqual([ADMINISTRATOR]);
  });
});

describe('the job in serve', () => {
  /** Starts it, lets its first minute pass, and closes it once `done` holds. */
  async function aMinuteOf(config: Partial<Config['notices']>, done: () => boolean): Promise<void> {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
    const job = startNotices(parts(0, config));
    try {
      vi.advanceTimersByTime(60_000);
      vi.useRealTimers();
      await vi.waitUntil(done, { timeout: 60_000, interval: 20 });
    } finally {
      vi.useRealTimers();
      await job.close();
    }
  }

  it('tells of what is due, and nobody else does so again', async () => {
    await userWithKey(5.5);
    await aMinuteOf({}, () => Object.values(sent()).flat().length === 2);
    expect(await run(1)).toEqual(NOTHING);
    expect(Object.values(sent()).flat()).toHaveLength(2);
  });

  it('mails nobody where no administrator is named', async () => {
    await userWithKey(5.5);
    await aMinuteOf({ administrator: '' }, () => true);
    expect(sent()).toEqual({});
  });
});

describe('nobody is told of a key', () => {
  it('that is disabled, that has plenty of time, or whose user is disabled', async () => {
    await userWithKey(60);
    const disabled = await userWithKey(5.5);
    await trial.json('key', 'disable', disabled.secret.getFingerprint().toUpperCase());
    const gone = await userWithKey(5.5);
    await trial.json('user', 'set', gone.address, '--status', 'disabled');
    expect(await run()).toEqual(NOTHING);
    expect(sent()).toEqual({});
  });
});

describe('each notice is sent once', () => {
  it('by two servers that look at the same time', async () => {
    for (let index = 0; index < 5; index += 1) await userWithKey(5.5);
    const reports = await Promise.all([run(0), run(1), run(0), run(1)]);
    expect(reports.reduce((sum, report) => sum + report.sent, 0)).toBe(Object.values(sent()).flat().length);
    for (const [recipient, mails] of Object.entries(sent())) {
      if (recipient !== ADMINISTRATOR) expect(mails).toHaveLength(1);
    }
    // Whoever claims a key for the administrator tells of it; no key is told of twice.
    const told = (sent()[ADMINISTRATOR] ?? []).flatMap(
      (mail) => mail.match(/of user\d+@example\.org/g) ?? [],
    );
    expect(told).toHaveLength(5);
    expect(new Set(told).size).toBe(5);
  });

  it('when a server dies before the next hop has answered: an hour later, by another one', async () => {
    const { address } = await userWithKey(5.5);
    const died: NoticeParts = {
      ...parts(),
      deliverer: {
        deliverAsOne: async () => {
          throw new Error('the process died');
        },
      },
    };
    await expect(runNotices(died, Date.now())).rejects.toThrow('the process died');
    const beforeTheHour = await run(1);
    await anHourLater();
    const after = await run(1);
    expect(beforeTheHour.sent + after.sent).toBe(2);
    expect(Object.values(sent()).flat()).toHaveLength(2);
    expect(sent()[address]).toHaveLength(1);
  });

  it('when a server dies after the next hop has accepted it, before that was recorded here', async () => {
    const { address } = await userWithKey(5.5);
    const real = parts();
    const died: NoticeParts = {
      ...real,
      deliverer: {
        deliverAsOne: async (transaction) => {
          await real.deliverer.deliverAsOne(transaction);
          throw new Error('the process died');
        },
      },
    };
    for (let attempt = 0; attempt < 2; attempt += 1)
      await expect(runNotices(died, Date.now())).rejects.toThrow('the process died');
    expect(Object.values(sent()).flat()).toHaveLength(2);
    await anHourLater();
    expect(await run(1)).toEqual(SENT_BOTH);
    expect(Object.values(sent()).flat()).toHaveLength(2);
    expect(sent()[address]).toHaveLength(1);
    const { rows } = await trial.database.pool.query('SELECT DISTINCT state FROM key_notices');
    expect(rows).toEqual([{ state: 'sent' }]);
  });

  it('after the next hop was away: not before an hour has passed, and no storm meanwhile', async () => {
    for (let index = 0; index < 4; index += 1) await userWithKey(5.5);
    for (const hop of hops) hop.answer = () => ({ code: 451, enhanced: '4.3.0', text: 'later' });
    expect(await run()).toEqual({ ...NOTHING, postponed: 3 });
    const tried = hops[0]?.sent.length ?? 0;
    expect(tried).toBe(3);
    for (const hop of hops) hop.answer = () => ({ code: 250, enhanced: '2.0.0', text: 'Ok' });
    // Those that were not tried yet go out; the others wait for their hour.
    expect(await run(1)).toEqual(SENT_BOTH);
    expect(await run(1)).toEqual(NOTHING);
    await anHourLater();
    expect(await run(1)).toEqual({ ...NOTHING, sent: 3 });
    await anHourLater();
    expect(await run()).toEqual(NOTHING);
  });

  it('where it is refused: the administrator’s log knows, and it is not tried again', async () => {
    await userWithKey(5.5);
    for (const hop of hops) hop.answer = () => ({ code: 550, enhanced: '5.1.1', text: 'unknown' });
    expect(await run()).toEqual({ ...NOTHING, refused: 2 });
    await anHourLater();
    expect(await run()).toEqual(NOTHING);
  });
});

describe('a renewed key', () => {
  it('cancels what was to be sent again, and is told of when its own time comes', async () => {
    const { address, secret } = await userWithKey(5.5);
    for (const hop of hops) hop.answer = () => ({ code: 451, enhanced: '4.3.0', text: 'later' });
    await run();
    for (const hop of hops) {
      hop.sent.length = 0;
      hop.answer = () => ({ code: 250, enhanced: '2.0.0', text: 'Ok' });
    }
    await trial.database.pool.query('UPDATE keys SET expires_at = $1', [new Date(Date.now() + 400 * DAY)]);
    await anHourLater();
    expect(await run()).toEqual(NOTHING);
    expect(sent()).toEqual({});
    const { rows } = await trial.database.pool.query('SELECT DISTINCT state FROM key_notices');
    expect(rows).toEqual([{ state: 'cancelled' }]);
    await trial.database.pool.query('UPDATE keys SET expires_at = $1', [new Date(Date.now() + 4 * DAY)]);
    expect(await run()).toEqual(SENT_BOTH);
    expect(await decrypted(secret, sent()[address]?.[0])).toContain('expires');
  });
});

describe('templates', () => {
  it('of the administrator take the place of the package’s, each by itself', async () => {
    const { address, secret } = await userWithKey(5.5);
    const templates = join(trial.folder, 'notices');
    mkdirSync(templates, { recursive: true });
    writeFileSync(join(templates, 'user.txt'), 'Subject: Schlüssel {{date}}\n\nHallo {{address}}\n');
    await run(0, { templates });
    const mails = sent();
    expect(await decrypted(secret, mails[address]?.[0])).toContain(`\r\n\r\nHallo ${address}\r\n`);
    expect(mails[ADMINISTRATOR]?.[0]).toContain('sealpost key list --expiring 30d');
  });

  it('that cannot be used stop the run, and nothing is claimed', async () => {
    await userWithKey(5.5);
    const templates = join(trial.folder, 'bad');
    mkdirSync(templates, { recursive: true });
    writeFileSync(join(templates, 'user.txt'), 'Subject: x\n\n{{name}}\n');
    await expect(run(0, { templates })).rejects.toThrow(/user\.txt: found the placeholder \{\{name\}\}/);
    expect(await run()).toEqual(SENT_BOTH);
  });
});
