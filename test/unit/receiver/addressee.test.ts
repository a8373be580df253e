import { describe, expect, it } from 'vitest';
import { readAddressee } from '../../../receiver/spool/addressee.ts';
import { returnable } from '../../../receiver/spool/returnable.ts';

const read = (header: string) => readAddressee(Buffer.from(`${header}\n\nbody\n`));

describe('the addressee of a spool file', () => {
  it('is the Delivered-To on top, beside the original recipient and the sender', () => {
    const header =
      'Return-Path: <bob@x.test>\nX-Original-To: alice@y.test\nDelivered-To: id_1@y.test\nReceived: z';
    expect(read(header)).toEqual({
      recipient: 'id_1@y.test',
      original: 'alice@y.test',
      sender: 'bob@x.test',
    });
  });

  it('is the X-Original-To where there is no Delivered-To beside it', () => {
    const header = 'X-Original-To: alice@y.test\nReceived: z\nDelivered-To: forged@y.test';
    expect(read(header)?.recipient).toBe('alice@y.test');
  });

  it('is never a second Delivered-To, nor the sender a second Return-Path', () => {
    const header =
      'Return-Path: <>\nDelivered-To: id_1@y.test\nDelivered-To: id_2@y.test\nReturn-Path: <forged@x.test>';
    expect(read(header)).toEqual({ recipient: 'id_1@y.test', original: null, sender: '' });
  });

  it('does not take a Return-Path from further up', () => {
    expect(read('Return-Path: <a@x.test>\nSubject: s\nDelivered-To: id_1@y.test')?.sender).toBeNull();
  });

  it('is nobody where no field names one, an empty one included, or only the body does', () => {
    expect(read('Subject: s')).toBeNull();
    expect(read('Delivered-To: ')).toBeNull();
    expect(read('Subject: s\n\nDelivered-To: id_1@y.test')).toBeNull();
  });
});

describe('what is returned to a sender', () => {
  const back = (header: string, sender: string | null = 'bob@x.test') =>
    returnable(Buffer.from(`${header}\n\nsecret body\n`), { sender }, 50);

  it('is the header in CRLF, without delivery fields and every field with an internal id', () => {
    const found = back(
      'Return-Path: <bob@x.test>\nDelivered-To: id_1@y.test\nReceived: from a\n\tfor <id_1@y.test>; now\nSubject: s\n f',
    );
    expect(found.ok && found.header.toString()).toBe('Subject: s\r\n f\r\n');
  });

  it('is nothing for the null sender, an unknown one, lists, machines and loops', () => {
    const refusals = [
      back('Subject: s', ''),
      back('Subject: s', null),
      back('List-Unsubscribe: <x>'),
      back('Precedence: LIST'),
      back('Auto-Submitted: auto-generated (x)'),
      back('Received: a\n'.repeat(51).trim()),
    ];
    expect(refusals.map(({ ok }) => ok)).toEqual(refusals.map(() => false));
    expect(back('Auto-Submitted: no').ok).toBe(true);
    expect(back('Precedence: first-class').ok).toBe(true);
  });
});
