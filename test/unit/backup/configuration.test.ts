// The configuration as it goes into a backup: everything but what is secret.
import { describe, expect, it } from 'vitest';
import { withoutSecrets } from '../../../src/backup/configuration.ts';

describe('a configuration without its secrets', () => {
  it.each([
    ['postgres://sealpost:Tr0ub4dor@db.example/sealpost', 'postgres://sealpost@db.example/sealpost'],
    ['postgres://sealpost:a:b@c/d@db.example/x', 'postgres://sealpost@db.example/x'],
    ['postgres://db.example/x?user=a&password=Tr0ub4dor', 'postgres://db.example/x'],
    [
      'postgres://a:Tr0ub4dor@h1:5432,h2:5433/db?target_session_attrs=read-write',
      'postgres://a@h1:5432,h2:5433/db?target_session_attrs=read-write',
    ],
    ['postgres://db.example/x?sslmode=require', 'postgres://db.example/x?sslmode=require'],
    ['host=db password=Tr0ub4dor', undefined],
    ['embedded:', 'embedded:'],
  ])('has %s as %s', (url, shown) => {
    const { document, takenOut } = withoutSecrets({ database: { url } });
    expect((document.database as { url?: string }).url).toBe(shown);
    expect(takenOut).toEqual(shown === url ? [] : ['database.url']);
  });

  it('keeps the names of files, and what is no secret', () => {
    const document = {
      hostname: 'mx.example.org',
      portal: { trusted_secret_file: '/etc/sealpost/proxy.secret', token_lifetime: '24h' },
      sync: [{ source: 'postfixadmin', url: '@/etc/sealpost/dsn' }],
      receiver: { spool: ['/var/spool/in'], api: { token_rate: 5 } },
    };
    expect(withoutSecrets(document)).toEqual({ document, takenOut: [] });
  });

  it('names what it took out of lists of tables', () => {
    const { document, takenOut } = withoutSecrets({
      sync: [{ url: 'mysql://reader:Tr0ub4dor@127.0.0.1/postfix' }],
      portal: { trusted_header_secret: 'Tr0ub4dor' },
    });
    expect(document).toEqual({ sync: [{ url: 'mysql://reader@127.0.0.1/postfix' }], portal: {} });
    expect(takenOut).toEqual(['sync[0].url', 'portal.trusted_header_secret']);
  });
});
