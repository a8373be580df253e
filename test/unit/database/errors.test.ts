// Which errors mean "the database is away", and what of a URL people may see.
import { DrizzleQueryError } from 'drizzle-orm/errors';
import { describe, expect, it } from 'vitest';
import { DatabaseUnavailable } from '../../../src/database/embedded/unavailable.ts';
import {
  DatabaseNotMigrated,
  isDatabaseUnavailable,
  isOvertaken,
  redactUrl,
  refusesWrites,
  rootReason,
} from '../../../src/database/errors.ts';

const coded = (code: string, extra: object = {}) =>
  Object.assign(new Error(`some ${code}`), { code, ...extra });

describe('isOvertaken', () => {
  it.each([
    ['23505 unique violation', coded('23505'), true],
    ['23503 foreign key violation', coded('23503'), true],
    ['a wrapped unique violation', new DrizzleQueryError('insert', [], coded('23505')), true],
    ['23514 check violation', coded('23514'), false],
    ['40P01 deadlock', coded('40P01'), false],
    ['a text', '23505', false],
  ])('knows %s', (_name, error, overtaken) => expect(isOvertaken(error)).toBe(overtaken));
});

describe('isDatabaseUnavailable', () => {
  const away: readonly [string, unknown][] = [
    ['connection refused', coded('ECONNREFUSED', { syscall: 'connect' })],
    ['connection reset', coded('ECONNRESET')],
    ['broken pipe', coded('EPIPE')],
    ['timed out', coded('ETIMEDOUT')],
    ['host not found', coded('ENOTFOUND', { syscall: 'getaddrinfo' })],
    ['no socket', coded('ENOENT', { syscall: 'connect' })],
    ['08006 connection failure', coded('08006')],
    ['28P01 wrong password', coded('28P01')],
    ['3D000 no such database', coded('3D000')],
    ['53300 too many connections', coded('53300')],
    ['57P01 terminated by the administrator', coded('57P01')],
    ['57P03 starting up', coded('57P03')],
    ['57014 statement timeout', coded('57014')],
    ['58030 I/O error', coded('58030')],
    ['55P03 lock not available', coded('55P03')],
    ['40001 serialisation failure', coded('40001')],
    ['40P01 deadlock', coded('40P01')],
    ['25006 read-only after a failover', coded('25006')],
    ['pg: terminated unexpectedly', new Error('Connection terminated unexpectedly')],
    ['pg: connection timeout', new Error('Connection terminated due to connection timeout')],
    ['pg: pool timeout', new Error('timeout exceeded when trying to connect')],
    ['pg: client timeout', new Error('timeout expired')],
    ['pg: query timeout', new Error('Query read timeout')],
    ['pg: broken client', new Error('Client has encountered a connection error and is not queryable')],
    ['a wrapped drizzle error', new DrizzleQueryError('select', [], new Error('Query read timeout'))],
    ['a cause of a cause', new Error('a', { cause: new Error('b', { cause: coded('57P01') }) })],
    ['an AggregateError', new AggregateError([coded('ECONNREFUSED')], '')],
    ['DatabaseUnavailable', new DatabaseUnavailable('gone')],
  ];
  it.each(away)('says yes to %s', (_name, error) => expect(isDatabaseUnavailable(error)).toBe(true));

  const ours: readonly [string, unknown][] = [
    ['23505 unique violation', coded('23505')],
    ['42P01 undefined table', coded('42P01')],
    ['22P02 bad input', coded('22P02')],
    ['a missing file', coded('ENOENT', { syscall: 'open' })],
    ['a wrapped unique violation', new DrizzleQueryError('insert', [], coded('23505'))],
    ['a programming error', new TypeError('x is not a function')],
    ['DatabaseNotMigrated', new DatabaseNotMigrated('run migrate', ['0000'])],
    ['a text', 'Query read timeout'],
    ['nothing', undefined],
  ];
  it.each(ours)('says no to %s', (_name, error) => expect(isDatabaseUnavailable(error)).toBe(false));

  it('ends on causes that form a ring', () => {
    const ring = new Error('a');
    ring.cause = new Error('b', { cause: ring });
    expect(isDatabaseUnavailable(ring)).toBe(false);
  });
});

describe('a write that fails', () => {
  /** SQLSTATE; whether the mail waits (else the fault is ours, and it waits too, but nobody tries again by itself); whether nothing is sent until a write succeeds. */
  it.each([
    ['25006 the server is read-only', '25006', true, true],
    ['42501 the role lacks the right', '42501', false, true],
    ['53100 the disk is full', '53100', true, true],
    ['53200 out of memory', '53200', true, true],
    ['53400 a limit of the configuration', '53400', true, true],
    ['58030 the disk fails', '58030', true, true],
    ['58P01 a file is gone', '58P01', true, true],
    ['57014 a deadline', '57014', true, false],
    ['57P01 ended by the administrator', '57P01', true, false],
    ['57P03 not up yet', '57P03', true, false],
    ['40001 serialisation', '40001', true, false],
    ['40P01 a deadlock', '40P01', true, false],
    ['55P03 a lock', '55P03', true, false],
    ['08006 the connection', '08006', true, false],
    ['23505 the row is there', '23505', false, false],
    ['22P02 bad input', '22P02', false, false],
  ])('with %s', (_name, code, temporary, stops) => {
    const error = new DrizzleQueryError('insert', [], coded(code));
    expect([isDatabaseUnavailable(error), refusesWrites(error)]).toEqual([temporary, stops]);
  });

  it('for want of the synchronous standby waits, and is tried again', () => {
    const error = new DatabaseUnavailable('the synchronous standby does not answer');
    expect([isDatabaseUnavailable(error), refusesWrites(error)]).toEqual([true, false]);
  });
});

describe('redactUrl', () => {
  it.each([
    ['embedded:', 'embedded:'],
    ['postgres://mail:s3cret@db.example:5433/sealpost', 'postgres://mail@db.example:5433/sealpost'],
    ['postgresql://mail@db.example/sealpost', 'postgresql://mail@db.example/sealpost'],
    ['postgres://db.example/sealpost?user=mail&password=s3cret', 'postgres://db.example/sealpost'],
    ['postgres://:s3cret@db.example', 'postgres://db.example'],
    ['postgres:///sealpost?host=/run/postgresql', 'postgres:///sealpost'],
  ])('shows %s as %s', (url, shown) => expect(redactUrl(url)).toBe(shown));

  it.each(['postgres://mail:s3@cret@db/sealpost', 'postgres://mail:s3/cret@db/x', 's3cret'])(
    'repeats nothing of %s',
    (url) => expect(redactUrl(url)).not.toContain('cret'),
  );
});

describe('rootReason', () => {
  it("gives the driver's words and not the query with its parameters", () => {
    const error = new DrizzleQueryError(
      'select $1',
      ['alice@example.org'],
      new Error('connect ECONNREFUSED'),
    );
    expect(rootReason(error)).toBe('connect ECONNREFUSED');
  });
  it('looks into an AggregateError without words', () => {
    expect(rootReason(new AggregateError([new Error('connect ECONNREFUSED ::1:5432')], ''))).toContain(
      '::1:5432',
    );
  });
});
