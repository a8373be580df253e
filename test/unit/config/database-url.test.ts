import { describe, expect, test } from 'vitest';
import { type DatabaseAddress, readDatabaseUrl } from '../../../src/config/database-url.ts';

const NOTHING = { role: undefined, balanced: false, tls: { direct: false, asLibpq: false }, session: {} };

/** The URL, and what differs from a URL that says nothing. */
const READ: readonly (readonly [string, Partial<DatabaseAddress>])[] = [
  ['postgres://', { hosts: [{}] }],
  ['postgresql:///mail', { hosts: [{}], database: 'mail' }],
  ['postgres://db', { hosts: [{ host: 'db' }] }],
  ['postgres://db:5433/mail', { hosts: [{ host: 'db', port: 5433 }], database: 'mail' }],
  ['postgres://u:p@db/mail', { hosts: [{ host: 'db' }], user: 'u', password: 'p', database: 'mail' }],
  ['postgres://u:p%23%40%2f@db/m', { hosts: [{ host: 'db' }], user: 'u', password: 'p#@/', database: 'm' }],
  ['postgres://u:a%zz@db/m', { hosts: [{ host: 'db' }], user: 'u', password: 'a%zz', database: 'm' }],
  ['postgres://u:100%@db', { hosts: [{ host: 'db' }], user: 'u', password: '100%' }],
  ['postgres://u:a:b@db', { hosts: [{ host: 'db' }], user: 'u', password: 'a:b' }],
  ['postgres://u:s3@cret@db', { hosts: [{ host: 'db' }], user: 'u', password: 's3@cret' }],
  [
    'postgres://mail@/mail?host=/run/postgresql',
    { hosts: [{ host: '/run/postgresql' }], user: 'mail', database: 'mail' },
  ],
  [
    'postgres://mail@%2Frun%2Fpostgresql/mail',
    { hosts: [{ host: '/run/postgresql' }], user: 'mail', database: 'mail' },
  ],
  ['postgres://%2Frun%2Fpg:5433/m', { hosts: [{ host: '/run/pg', port: 5433 }], database: 'm' }],
  ['postgres://[::1]:5433/m', { hosts: [{ host: '::1', port: 5433 }], database: 'm' }],
  ['postgres://[fe80::1%25eth0]/m', { hosts: [{ host: 'fe80::1%eth0' }], database: 'm' }],
  [
    'postgres://a:5432,b:5433/db',
    {
      hosts: [
        { host: 'a', port: 5432 },
        { host: 'b', port: 5433 },
      ],
      database: 'db',
    },
  ],
  ['postgres://a,b/db', { hosts: [{ host: 'a' }, { host: 'b' }], database: 'db' }],
  ['postgres://a,b:5433/db', { hosts: [{ host: 'a' }, { host: 'b', port: 5433 }], database: 'db' }],
  ['postgres://[::1],[2001:db8::1]:1/', { hosts: [{ host: '::1' }, { host: '2001:db8::1', port: 1 }] }],
  [
    'postgres://u@a,b/db?port=6432',
    {
      hosts: [
        { host: 'a', port: 6432 },
        { host: 'b', port: 6432 },
      ],
      user: 'u',
      database: 'db',
    },
  ],
  [
    'postgres:///db?host=a,b&port=1,2',
    {
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
      database: 'db',
    },
  ],
  ['postgres://x:9/db?host=a,b', { hosts: [{ host: 'a' }, { host: 'b' }], database: 'db' }],
  ['postgres:///?host=/run/a,/run/b', { hosts: [{ host: '/run/a' }, { host: '/run/b' }] }],
  ['postgres://a,/db', { hosts: [{ host: 'a' }, {}], database: 'db' }],
  [
    'postgres://db.example/x?hostaddr=192.0.2.1',
    { hosts: [{ host: 'db.example', address: '192.0.2.1' }], database: 'x' },
  ],
  ['postgres:///?hostaddr=192.0.2.1,::1', { hosts: [{ address: '192.0.2.1' }, { address: '::1' }] }],
  [
    'postgres://db/x?user=u&password=a+b&dbname=y',
    { hosts: [{ host: 'db' }], user: 'u', password: 'a+b', database: 'y' },
  ],
  ['postgres://db?target_session_attrs=read-write', { hosts: [{ host: 'db' }], role: 'read-write' }],
  ['postgres://db?target_session_attrs=prefer-standby', { hosts: [{ host: 'db' }], role: 'prefer-standby' }],
  ['postgres://db?load_balance_hosts=random', { hosts: [{ host: 'db' }], balanced: true }],
  ['postgres://db?connect_timeout=3', { hosts: [{ host: 'db' }], connectTimeout: 3000 }],
  ['postgres://db?connect_timeout=0', { hosts: [{ host: 'db' }] }],
  [
    'postgres://db?client_encoding=UTF8&gssencmode=prefer&channel_binding=prefer',
    { hosts: [{ host: 'db' }] },
  ],
  ['postgres://db?application_name=mx1', { hosts: [{ host: 'db' }], session: { application_name: 'mx1' } }],
  [
    'postgres://db?fallback_application_name=x',
    { hosts: [{ host: 'db' }], session: { application_name: 'x' } },
  ],
  ['postgres://db?options=-c%20geqo%3doff', { hosts: [{ host: 'db' }], session: { options: '-c geqo=off' } }],
  [
    'postgres://db?keepalives=0&lock_timeout=5',
    { hosts: [{ host: 'db' }], session: { keepAlive: false, lock_timeout: 5 } },
  ],
  [
    'postgres://db?keepalives_idle=30',
    { hosts: [{ host: 'db' }], session: { keepAliveInitialDelayMillis: 30_000 } },
  ],
  [
    'postgres://db?sslmode=verify-full&sslrootcert=/ca.pem',
    {
      hosts: [{ host: 'db' }],
      tls: { mode: 'verify-full', authorities: '/ca.pem', direct: false, asLibpq: false },
    },
  ],
  [
    'postgres://db?ssl=true',
    { hosts: [{ host: 'db' }], tls: { mode: 'true', direct: false, asLibpq: false } },
  ],
  [
    'postgres://db?sslmode=require&uselibpqcompat=true',
    { hosts: [{ host: 'db' }], tls: { mode: 'require', direct: false, asLibpq: true } },
  ],
  [
    'postgres://db?sslcert=/c&sslkey=/k&sslnegotiation=direct',
    { hosts: [{ host: 'db' }], tls: { cert: '/c', key: '/k', direct: true, asLibpq: false } },
  ],
];

const REFUSED: readonly (readonly [string, string | null])[] = [
  ['mysql://db/x', null],
  ['postgres://u:a#b@db/x', null],
  ['postgres://u:12/secret@db/x', null],
  ['postgres://u:12?secret=x@db/x', null],
  ['postgres://db/a@b', null],
  ['postgres://u:%ff@db/x', null],
  ['postgres://db/x?unknown=1', 'a URL without the parameter "unknown", which sealpost does not heed'],
  [
    'postgres://db/x?tcp_user_timeout=1',
    'a URL without the parameter "tcp_user_timeout", which sealpost does not heed',
  ],
  [
    'postgres://a,b/x?Target_Session_Attrs=any',
    'a URL without the parameter "Target_Session_Attrs", which sealpost does not heed',
  ],
  ['postgres://db/x?service=mail', 'a URL without the parameter "service", which sealpost does not heed'],
  [
    'postgres://db/x?statement_timeout=5',
    'a URL without the parameter "statement_timeout", which database.query_timeout is for',
  ],
  [
    'postgres://db/x?sslmode=on',
    'a URL whose parameter "sslmode" is "disable" or "allow" or "prefer" or "require" or "verify-ca" or "verify-full" or "no-verify"',
  ],
  [
    'postgres://db/x?channel_binding=require',
    'a URL whose parameter "channel_binding" is "disable" or "prefer"',
  ],
  ['postgres://db/x?connect_timeout=soon', 'a URL whose parameter "connect_timeout" is a whole number'],
  [
    'postgres://db/x?client_encoding=LATIN1',
    'a URL whose parameter "client_encoding" is "utf8" or "UTF8" or "utf-8" or "UTF-8" or "auto"',
  ],
  ['postgres://db/x?sslrootcert=', 'a URL whose parameter "sslrootcert" is a text that is not empty'],
  ['postgres://a,b,c/x?port=1,2', 'one port for all hosts, or as many as there are hosts (3)'],
  ['postgres://a,b/x?hostaddr=192.0.2.1', 'as many addresses in "hostaddr" as there are hosts (2)'],
  ['postgres://db:99999/x', expect.stringMatching(/^hosts such as /)],
  ['postgres://db:0/x', expect.stringMatching(/^hosts such as /)],
  ['postgres://a:5432,b:x/x', expect.stringMatching(/^hosts such as /)],
  ['postgres://::1/x', expect.stringMatching(/^hosts such as /)],
  ['postgres://[db]/x', expect.stringMatching(/^hosts such as /)],
  [`postgres://${Array.from({ length: 33 }, () => 'a').join(',')}/x`, 'at most 32 hosts'],
];

describe('a URL of PostgreSQL', () => {
  test.each(READ)('%s is read as libpq reads it', (url, differs) => {
    expect(readDatabaseUrl(url)).toEqual({ ...NOTHING, ...differs });
  });

  test.each(REFUSED)('%s is refused, and its unknown parts are named', (url, expected) => {
    expect(readDatabaseUrl(url)).toEqual({ expected });
  });

  test('of a megabyte is read in no time', () => {
    const started = performance.now();
    readDatabaseUrl(
      `postgres://${'a:'.repeat(250_000)}@${'%'.repeat(250_000)}/${'x'.repeat(250_000)}?${'&'.repeat(250_000)}`,
    );
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
