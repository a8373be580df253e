// Re-injection through sendmail(1): the argument list, the bytes, and what each exit code means.
// @module-tag slow
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSendmailNextHop, sendThroughSendmail } from '../../../filters/pipe/sendmail.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sp-sendmail-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A program that keeps its arguments and input, and then runs `rest`. */
function fakeSendmail(rest: string, head = `cat > '${directory}/stdin'`): string {
  const path = join(directory, 'sendmail');
  writeFileSync(
    path,
    `#!/bin/sh\nfor a; do printf '%s\\0' "$a"; done > '${directory}/args'\n${head}\n${rest}\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

const MESSAGE = Buffer.from('Subject: x\r\n\r\n.\r\nbare\rcr \0\xff\r\nend\r\n', 'latin1');
const send = (sendmail: string, given: Partial<Parameters<typeof sendThroughSendmail>[0]> = {}) =>
  sendThroughSendmail({
    sendmail,
    sender: 'a@example.org',
    recipients: ['b@example.net'],
    message: MESSAGE,
    deadline: Date.now() + 10_000,
    ...given,
  });
const passedArguments = () => readFileSync(join(directory, 'args'), 'utf8').split('\0').slice(0, -1);

describe('sendmail is called', () => {
  it('with -G -i -f SENDER -- RCPT..., and the message with LF line ends', async () => {
    const reply = await send(fakeSendmail('exit 0'), { recipients: ['b@example.net', '-c@example.net'] });
    expect(reply.code).toBe(250);
    expect(passedArguments()).toEqual([
      '-G',
      '-i',
      '-f',
      'a@example.org',
      '--',
      'b@example.net',
      '-c@example.net',
    ]);
    expect(readFileSync(join(directory, 'stdin'), 'latin1')).toBe('Subject: x\n\n.\nbare\rcr \0\xff\nend\n');
  });

  it('with an empty argument for the null sender', async () => {
    await send(fakeSendmail('exit 0'), { sender: '' });
    expect(passedArguments().slice(2, 5)).toEqual(['-f', '', '--']);
  });

  it('without a shell, and with addresses that it cannot take for two', async () => {
    const recipients = [
      '$(touch x)@example.net',
      'b,c@example.net',
      '"q d"@example.net',
      'j\u00c3\u00b6rg@example.net',
    ];
    await send(fakeSendmail('exit 0'), { recipients });
    expect(passedArguments().slice(5)).toEqual([
      '"$(touch x)"@example.net',
      '"b,c"@example.net',
      '"q d"@example.net',
      'j\u00f6rg@example.net',
    ]);
  });

  it('not at all for an address whose bytes no argument keeps', async () => {
    const reply = await send(fakeSendmail('exit 0'), { recipients: ['j\u00f6rg@example.net'] });
    expect(reply).toEqual({
      code: 451,
      enhanced: '4.3.5',
      text: 'an address cannot be written as an argument of sendmail',
    });
  });

  it('with all of a large message', async () => {
    const message = Buffer.alloc(5_000_000, 'x\r\n');
    expect((await send(fakeSendmail('exit 0'), { message })).code).toBe(250);
    expect(readFileSync(join(directory, 'stdin')).length).toBe(
      message.toString('latin1').replaceAll('\r\n', '\n').length,
    );
  });
});

describe('the exit code of sendmail', () => {
  it.each([
    [1, 451, '4.3.0'],
    [64, 451, '4.3.0'],
    [65, 554, '5.6.0'],
    [67, 550, '5.1.1'],
    [69, 451, '4.3.0'],
    [75, 451, '4.3.0'],
    [77, 451, '4.3.0'],
    [78, 451, '4.3.0'],
    [127, 451, '4.3.0'],
  ])('%d is %d %s', async (exit, code, enhanced) => {
    const reply = await send(fakeSendmail(`echo "550 hidden@example.net" >&2; exit ${exit}`));
    expect(reply).toMatchObject({ code, enhanced });
    expect(reply.text).not.toContain('hidden');
  });

  it('0 is no success when the message was not read', async () => {
    const reply = await send(fakeSendmail('exit 0', ':'), { message: Buffer.alloc(5_000_000, 'x\r\n') });
    expect(reply).toEqual({
      code: 451,
      enhanced: '4.3.0',
      text: 'sendmail ended before it had read the message',
    });
  });

  it('a signal is temporary', async () => {
    expect(await send(fakeSendmail('kill -9 $$'))).toEqual({
      code: 451,
      enhanced: '4.3.0',
      text: 'sendmail was ended by SIGKILL',
    });
  });

  it('a missing program is temporary', async () => {
    expect(await send(join(directory, 'none'))).toEqual({
      code: 451,
      enhanced: '4.3.5',
      text: 'the program of pipe.sendmail cannot be run (ENOENT)',
    });
  });

  it('a program that hangs is killed at the deadline', async () => {
    const reply = await send(fakeSendmail('exec sleep 20'), { deadline: Date.now() + 300 });
    expect(reply).toEqual({ code: 451, enhanced: '4.4.1', text: 'sendmail did not end in time' });
  });
});

describe('sendmail as the next hop', () => {
  const request = {
    envelope: {
      sender: '',
      parameters: [],
      recipients: [
        { path: 'b@example.net', parameters: [] },
        { path: 'c@example.net', parameters: [] },
      ],
    },
    xforward: {},
    message: [MESSAGE.subarray(0, 10), MESSAGE.subarray(10)],
  };

  it('tells of every recipient that was accepted', async () => {
    const accepted: number[] = [];
    const hop = createSendmailNextHop({ sendmail: fakeSendmail('exit 0') });
    const result = await hop.send({
      ...request,
      deadline: Date.now() + 5000,
      onAccepted: (index) => void accepted.push(index),
    });
    expect(accepted).toEqual([0, 1]);
    expect(result.recipients.map((recipient) => recipient.class)).toEqual(['accepted', 'accepted']);
    expect(readFileSync(join(directory, 'stdin'), 'latin1')).toBe('Subject: x\n\n.\nbare\rcr \0\xff\nend\n');
  });

  it('tells of none when sendmail failed', async () => {
    const accepted: number[] = [];
    const hop = createSendmailNextHop({ sendmail: fakeSendmail('exit 75') });
    const result = await hop.send({
      ...request,
      deadline: Date.now() + 5000,
      onAccepted: (index) => void accepted.push(index),
    });
    expect(accepted).toEqual([]);
    expect(result.recipients.map((recipient) => recipient.class)).toEqual(['temporary', 'temporary']);
  });
});
