// The log is JSON lines, and holds no secret, no sender and no address of a third person.
import { describe, expect, test } from 'vitest';
import { createLogger, describeError, placesOf } from '../../../src/observe/log.ts';
import { logReply } from '../../../src/smtp/log-reply.ts';

/** A logger and the lines that it wrote. */
function recordingLogger(level: 'info' | 'silent' = 'info') {
  const lines: string[] = [];
  const logger = createLogger({ level, destination: { write: (line) => void lines.push(line) } });
  return { logger, lines };
}

describe('a log line', () => {
  test('is one JSON object with level, time, pid and message', () => {
    const { logger, lines } = recordingLogger();
    logger.warn({ recipient: 'alice@example.org' }, 'deferred');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.endsWith('}\n')).toBe(true);
    const record = JSON.parse(lines[0] ?? '');
    expect(record).toMatchObject({
      level: 'warn',
      pid: process.pid,
      recipient: 'alice@example.org',
      msg: 'deferred',
    });
    expect(new Date(record.time).toISOString()).toBe(record.time);
  });

  test('is not written below the level, and never when silent', () => {
    const info = recordingLogger();
    info.logger.debug('detail');
    const silent = recordingLogger('silent');
    silent.logger.fatal('end');
    expect([...info.lines, ...silent.lines]).toEqual([]);
  });

  test('does not hold what a whole envelope, database section or message brings along', () => {
    const { logger, lines } = recordingLogger();
    logger.info(
      {
        sender: 'carol@elsewhere.example',
        envelope: { sender: 'carol@elsewhere.example', recipients: 2 },
        database: { url: 'postgres://mail:pw@db/mail' },
        token: 'deadbeef',
        message: { body: 'the plaintext', subject: 'the subject' },
      },
      'a careless call',
    );
    for (const secret of ['carol', 'pw@db', 'deadbeef', 'plaintext', 'the subject']) {
      expect(lines[0]).not.toContain(secret);
    }
    expect(lines[0]).toContain('"recipients":2');
  });
});

describe('a logged error', () => {
  test('keeps type, code, message and causes, and loses stack, addresses and parameters', () => {
    const cause = Object.assign(
      new Error('connect ECONNREFUSED for postgres://mail:pw@db.example.org/mail'),
      {
        code: 'ECONNREFUSED',
      },
    );
    const error = new Error('Failed query: select 1\nparams: alice@example.org,bob', { cause });
    const { logger, lines } = recordingLogger();
    logger.error({ err: error }, 'look-up failed');
    expect(JSON.parse(lines[0] ?? '').err).toEqual({
      type: 'Error',
      message: 'Failed query: select 1',
      cause: { type: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED for <address>' },
    });
  });

  test.each([
    ['the database at postgres://sealpost@127.0.0.1:5432/mail cannot be reached', null],
    ['the database at postgresql://u@a:5432,b:5433/db did not answer', null],
    ['the database at postgres://[::1]:5432/mail does not exist', null],
    ['postgres://u:pw@db.example.org/mail', '<address>'],
    ['postgres://u@db/mail?password=pw', '<address>'],
    ['postgres://u@a@b/mail', '<address>'],
    ['http://u@example.org/x and bob@example.net', '<address> and <address>'],
  ])('names the database, and no password: %s', (message, shown) => {
    expect(describeError(new Error(message)).message).toBe(shown ?? message);
  });

  test('may be anything that was thrown', () => {
    expect(describeError('450 <carol@elsewhere.example> busy')).toEqual({
      type: 'string',
      message: '450 <<address>> busy',
    });
    const loop = new Error('loop');
    loop.cause = loop;
    expect(JSON.stringify(describeError(loop)).match(/loop/g)).toHaveLength(5);
  });
});

describe('an unexpected error', () => {
  test('is logged with the places of its stack, and without what its text quotes', () => {
    const error = new Error('Failed query: select 1\n    at alice@example.org\nparams: bob');
    const { logger, lines } = recordingLogger();
    logger.fatal({ err: error, at: placesOf(error) }, 'unexpected error; ending');
    const { err, at } = JSON.parse(lines[0] ?? '');
    expect(err).toMatchObject({ type: 'Error', message: 'Failed query: select 1\n    at <address>' });
    expect(at.join()).toContain('log.test.ts');
    expect(lines[0]).not.toMatch(/alice|bob/);
    expect(placesOf('thrown text')).toEqual([]);
  });
});

describe('a reply in the log', () => {
  test.each([
    [
      '<bob@partner.example>: Recipient address rejected',
      '550 5.1.1 <<address>>: Recipient address rejected',
    ],
    ['<"bob b."@partner.example>: no', '550 5.1.1 <<address>>: no'],
    ['said:\nbob=x@partner.example unknown', '550 5.1.1 said: bob=<address> unknown'],
  ])('names nobody: %s', (text, expected) => {
    expect(logReply({ code: 550, enhanced: '5.1.1', text })).toBe(expected);
  });
});
