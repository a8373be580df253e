// Header confidentiality policies (RFC 9788, section 3.2): what stands outside, what the inside says of it, and that nothing is lost.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { addrSpecs } from '../../../src/message/address-list.ts';
import { parseDateTime, rfc5322Date } from '../../../src/message/date-time.ts';
import { splitMessage } from '../../../src/message/header.ts';
import type { HeaderPolicy } from '../../../src/sealing/header-policy.ts';
import { protectHeader } from '../../../src/sealing/header-protection.ts';
import { corpus } from '../../fixtures/corpus.ts';

interface Wish {
  readonly policy?: HeaderPolicy;
  readonly subject?: 'keep' | 'hide';
  readonly outside?: readonly string[];
}

function protect(
  fields: readonly string[] | Buffer,
  { policy = 'no_confidentiality', subject = 'keep', outside = [] }: Wish = {},
) {
  const message = Buffer.isBuffer(fields)
    ? fields
    : Buffer.from(`${fields.map((field) => `${field}\r\n`).join('')}\r\nText\r\n`, 'latin1');
  const { inner, outer } = protectHeader(splitMessage(message), { policy, subject, outside, eol: '\r\n' });
  const text = (parts: readonly Buffer[]) => Buffer.concat(parts).toString('latin1');
  return { inner: text(inner), outer: text(outer) };
}

const outerOf = (field: string, policy: HeaderPolicy): string =>
  protect([field], { policy }).outer.replace(/\r\n$/, '');

describe('the worked example of RFC 9788, appendix C.3.1.2 (hcp_baseline)', () => {
  // The fields of the payload as the RFC prints them. User-Agent is left out: here it stays outside only.
  const fields = [
    'Subject: smime-signed-enc-hp-baseline',
    'Message-ID: <smime-signed-enc-hp-baseline@example>',
    'From: Alice <alice@smime.example>',
    'To: Bob <bob@smime.example>',
    'Date: Sat, 20 Feb 2021 10:09:02 -0500',
  ];
  const outside = ['Subject: [...]', ...fields.slice(1)];

  it('gives the same protected fields, HP-Outer fields and Content-Type', () => {
    const { inner, outer } = protect(
      [
        'MIME-Version: 1.0',
        ...fields,
        'User-Agent: Sample MUA Version 1.0',
        'Content-Type: text/plain; charset="utf-8"',
      ],
      { policy: 'baseline' },
    );
    expect(inner.trimEnd().split('\r\n')).toEqual([
      ...fields,
      ...outside.map((field) => `HP-Outer: ${field}`),
      'Content-Type: text/plain; charset="utf-8"; hp="cipher"; protected-headers="v1"',
    ]);
    expect(outer.trimEnd().split('\r\n')).toEqual([...outside, 'User-Agent: Sample MUA Version 1.0']);
  });
});

describe('the worked example of RFC 9788, appendix E.1 (hcp_baseline), without its legacy display element', () => {
  const fields = [
    'Date: Fri, 21 Jan 2022 20:40:48 -0500',
    'From: Alice <alice@example.net>',
    'To: Bob <bob@example.net>',
    'Subject: Dinner plans',
    'Message-ID: <text-plain-legacy-display@lhp.example>',
  ];

  it('gives the same protected fields and HP-Outer fields', () => {
    const { inner } = protect(
      [...fields, 'MIME-Version: 1.0', 'Content-Type: text/plain; charset="us-ascii"'],
      {
        policy: 'baseline',
      },
    );
    expect(inner.trimEnd().split('\r\n')).toEqual([
      ...fields,
      'HP-Outer: Date: Fri, 21 Jan 2022 20:40:48 -0500',
      'HP-Outer: From: Alice <alice@example.net>',
      'HP-Outer: To: Bob <bob@example.net>',
      'HP-Outer: Subject: [...]',
      'HP-Outer: Message-ID: <text-plain-legacy-display@lhp.example>',
      'Content-Type: text/plain; charset="us-ascii"; hp="cipher";',
      ' protected-headers="v1"',
    ]);
  });
});

describe('each policy', () => {
  const fields = [
    'From: Alice Liddell <alice@example.org>',
    'To: "Bob, the Builder" <bob@example.net>, carol@example.net (Carol)',
    'Subject: Top secret',
    'Date: Mon, 5 Feb 2024 10:00:00 +0100',
    'Message-ID: <m@example.org>',
    'Thread-Topic: Top secret',
    'Comments: between us',
    'Keywords: gold, silver',
    'X-Mailer: one',
  ];

  it('no_confidentiality leaves everything outside, and says so inside', () => {
    const { inner, outer } = protect(fields);
    expect(outer.trimEnd().split('\r\n')).toEqual(fields);
    expect(inner).toContain('HP-Outer: Subject: Top secret\r\n');
    expect(inner).not.toContain('Thread-Topic');
  });

  it('baseline hides the Subject and its copy in Thread-Topic, and removes Comments and Keywords', () => {
    const { inner, outer } = protect(fields, { policy: 'baseline' });
    expect(outer.trimEnd().split('\r\n')).toEqual([
      fields[0],
      fields[1],
      'Subject: [...]',
      fields[3],
      fields[4],
      fields[8],
    ]);
    expect(inner.trimEnd().split('\r\n')).toEqual([
      ...fields.slice(0, 8),
      ...[fields[0], fields[1], 'Subject: [...]', fields[3], fields[4]].map((field) => `HP-Outer: ${field}`),
      'Content-Type: text/plain; charset=us-ascii; hp="cipher";',
      ' protected-headers="v1"',
    ]);
  });

  it('shy also takes away the names in From, To and Cc, the time zone, and what neither trace nor routing needs', () => {
    const { inner, outer } = protect(fields, { policy: 'shy' });
    expect(outer.trimEnd().split('\r\n')).toEqual([
      'From: alice@example.org',
      'To: bob@example.net, carol@example.net',
      'Subject: [...]',
      'Date: Mon, 05 Feb 2024 09:00:00 +0000',
      fields[4],
    ]);
    expect(inner).toContain('HP-Outer: From: alice@example.org\r\n');
    expect(inner).toContain('HP-Outer: Date: Mon, 05 Feb 2024 09:00:00 +0000\r\n');
    for (const field of fields) expect(inner).toContain(`${field}\r\n`);
  });

  it('subject=hide alone hides the Subject and Thread-Topic, and nothing else', () => {
    const { inner, outer } = protect(fields, { subject: 'hide' });
    expect(outer.trimEnd().split('\r\n')).toEqual(
      fields
        .map((field) => (field.startsWith('Subject') ? 'Subject: [...]' : field))
        .filter((field) => !field.startsWith('Thread')),
    );
    expect(inner).toContain('\r\nSubject: Top secret\r\n');
    expect(inner).toContain('\r\nThread-Topic: Top secret\r\n');
  });

  it('hides what repeats a hidden Subject: copies by spam filters, and signatures that hold copied fields', () => {
    const copies = [
      'X-Spam-Prev-Subject: Top secret',
      'X-Original-Subject: Top secret',
      'DKIM-Signature: v=1; a=rsa-sha256; z=From:alice@example.org|Subject:Top=20secret; b=zz==',
      'ARC-Message-Signature: i=1;\r\n\tz=Subject:Top=20secret;b=zz==',
    ];
    const others = ['DKIM-Signature: v=1; bh=z=; xz=1; b=zz==', 'ARC-Message-Signature: i=2; b=z='];
    const all = ['Subject: Top secret', ...copies, ...others];
    const text = (some: readonly string[]) => some.map((field) => `${field}\r\n`).join('');
    expect(protect(all).outer).toBe(text(all));
    for (const wish of [{ subject: 'hide' }, { policy: 'baseline' }, { policy: 'shy' }] as const) {
      const { inner, outer } = protect(all, wish);
      expect(outer).toBe(text(['Subject: [...]', ...others]));
      for (const field of copies) expect(inner).toContain(`${field}\r\n`);
      for (const field of others) expect(inner).not.toContain(field);
    }
  });

  it('never shows a Subject that a policy hides, whatever the subject setting', () => {
    for (const subject of ['keep', 'hide'] as const) {
      for (const policy of ['baseline', 'shy'] as const)
        expect(protect(fields, { policy, subject }).outer).not.toContain('secret');
    }
  });
});

describe('fields that are hard to read', () => {
  it.each([
    [
      'folded',
      'To: Bob\r\n <bob@example.net>,\r\n\tCarol <carol@example.net>',
      'To: bob@example.net, carol@example.net',
    ],
    ['encoded words', 'From: =?utf-8?B?w4Rubmk=?= <a@example.org>', 'From: a@example.org'],
    [
      'an encoded word with a comma',
      'From: =?utf-8?Q?Liddell,_Alice?= <a@example.org>',
      'From: a@example.org',
    ],
    ['raw UTF-8', 'Cc: J\xc3\xb6rg <j\xc3\xb6rg@example.com>', 'Cc: j\xc3\xb6rg@example.com'],
    ['raw Latin-1', 'Cc: J\xf6rg <j@example.com>', 'Cc: j@example.com'],
    [
      'comments and quotes',
      'From: "A \\"the\\" <boss>" (a (b) c) <"al ice"@example.org>',
      'From: "al ice"@example.org',
    ],
    ['comments inside the address', 'From: alice(hidden)@(too)example.org', 'From: alice@example.org'],
    ['a domain literal', 'To: B <b@[192.0.2.1]>', 'To: b@[192.0.2.1]'],
    ['a source route', 'To: B <@a.example,@b.example:b@example.net>', 'To: b@example.net'],
    ['dots in a name', 'From: J. R. Hartley <j.r.hartley@example.org>', 'From: j.r.hartley@example.org'],
    [
      'a group',
      'To: Friends: Bob <bob@example.net>, Carol <c@example.net>;',
      'To: bob@example.net, c@example.net',
    ],
    [
      'a group of senders',
      'From: Board: A <a@example.org>;, b@example.org',
      'From: a@example.org, b@example.org',
    ],
    ['a group without members', 'To: undisclosed-recipients:;', 'To: undisclosed-recipients:;'],
    ['empty members', 'To: , Bob <b@example.net>,,', 'To: b@example.net'],
    ['a name before the colon in another case', 'FROM : Alice <a@example.org>', 'FROM: a@example.org'],
    ['an address alone, whose bytes stay', 'From:   alice@example.org ', 'From:   alice@example.org '],
    ['no address', 'To: everybody', 'To: everybody'],
    ['a name without brackets', 'To: Bob Builder bob@example.net', 'To: Bob Builder bob@example.net'],
    ['an open quote', 'From: "Alice <a@example.org>', 'From: "Alice <a@example.org>'],
    ['an open comment', 'From: a@example.org (Alice', 'From: a@example.org (Alice'],
    ['an open bracket', 'From: Alice <a@example.org', 'From: Alice <a@example.org'],
    ['nothing', 'To:', 'To:'],
  ])('under shy: %s', (_name, before, after) => {
    expect(outerOf(before, 'shy')).toBe(after);
  });

  it.each([
    ['east of Greenwich', 'Mon, 5 Feb 2024 00:30:00 +0100', 'Sun, 04 Feb 2024 23:30:00 +0000'],
    ['without a day and seconds', '5 Feb 2024 10:00 -0500', 'Mon, 05 Feb 2024 15:00:00 +0000'],
    ['with a comment', 'Mon, 5 Feb 2024 10:00:00 -0800 (PST (west))', 'Mon, 05 Feb 2024 18:00:00 +0000'],
    ['a named zone', 'Mon, 5 Feb 2024 10:00:00 EST', 'Mon, 05 Feb 2024 15:00:00 +0000'],
    ['unknown zone, UTC time', 'Mon, 5 Feb 2024 10:00:00 -0000', 'Mon, 05 Feb 2024 10:00:00 +0000'],
    ['a zone of half an hour', 'Mon, 5 Feb 2024 10:00:00 -0330', 'Mon, 05 Feb 2024 13:30:00 +0000'],
    ['a day that there is not', 'Fri, 31 Feb 2024 10:00:00 +0000', null],
    ['an hour that there is not', 'Mon, 5 Feb 2024 25:00:00 +0000', null],
    ['a zone that nobody knows', 'Mon, 5 Feb 2024 10:00:00 XYZ', null],
    ['a year of two digits', 'Mon, 5 Feb 24 10:00:00 GMT', null],
    ['no date at all', 'yesterday', null],
  ])('the Date in UTC under shy: %s', (_name, before, after) => {
    const date = parseDateTime(before);
    expect(date === null ? null : rfc5322Date(date)).toBe(after);
    expect(outerOf(`Date: ${before}`, 'shy')).toBe(`Date: ${after ?? before}`);
  });

  it('doubled, empty and very long fields are hidden like others', () => {
    const { inner, outer } = protect(
      [
        'Subject: one',
        `Subject: ${'two '.repeat(30_000)}`,
        'Keywords:',
        'Comments: a',
        'Comments: b',
        'From: A <a@x.example>',
        'From: B <b@x.example>',
      ],
      { policy: 'shy' },
    );
    expect(outer).toBe('Subject: [...]\r\nFrom: a@x.example\r\nFrom: b@x.example\r\n');
    expect(inner).toContain('two two');
    expect(inner).toContain('Keywords:\r\nComments: a\r\nComments: b\r\n');
    expect(outerOf('Subject:', 'baseline')).toBe('Subject: [...]');
    expect(outerOf('subject: x\r\n y', 'baseline')).toBe('Subject: [...]');
  });

  it('a list of 500 addresses is folded', () => {
    const list = Array.from({ length: 500 }, (_, n) => `User ${n} <u${n}@example.com>`).join(', ');
    const lines = outerOf(`Cc: ${list}`, 'shy').split('\r\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(78);
    expect(addrSpecs(lines.join('').slice(3))).toHaveLength(500);
  });

  it('a list of 100,000 addresses, or of nothing but what could open something, is read in linear time', () => {
    const value = Array.from({ length: 100_000 }, (_, n) => `"N" <u${n}@example.com>`).join(',');
    const started = performance.now();
    expect(addrSpecs(value)).toHaveLength(100_000);
    for (const piece of ['(', '"', '<', ':', ';', '=?', '[', '@.', '\\', 'a. ', '<a@', '(x) ']) {
      addrSpecs(piece.repeat(100_000));
      addrSpecs(`${piece.repeat(100_000)}@b`);
    }
    // Quadratic time would take minutes.
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

describe('an address list as large as a message', () => {
  it('is read however long its quoted strings are', { tags: ['slow'] }, () => {
    for (const text of ['x'.repeat(24_000_000), '\\"'.repeat(12_000_000)])
      expect(addrSpecs(`"${text}" <a@b.example>`)).toEqual(['a@b.example']);
  });

  it('of characters that separate something is read without an object for each', {
    tags: ['slow'],
  }, async () => {
    // A thread ends with an error beyond its limit: 4 MB of them took 400 MB.
    const read = `(async () => {
      const { parentPort, workerData } = require('node:worker_threads');
      (await import('tsx/esm/api')).register();
      const { addrSpecs } = await import(workerData);
      parentPort.postMessage([',', '<', '@'].map((special) => addrSpecs(special.repeat(4_000_000))));
    })()`;
    const thread = new Worker(read, {
      eval: true,
      workerData: new URL('../../../src/message/address-list.ts', import.meta.url).href,
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16 },
    });
    expect(await once(thread, 'message')).toEqual([[[], null, null]]);
    await thread.terminate();
  });
});

describe('what is left exact', () => {
  it.each(['pgp-signed', 'smime-signed', 'protected-headers-signed'])(
    'a multipart/signed root keeps its header outside and its content bare, under every policy: %s',
    (name) => {
      const message = corpus().find((each) => each.name === name)?.message ?? Buffer.alloc(0);
      const plain = protect(message);
      for (const policy of ['baseline', 'shy'] as const) {
        const { inner, outer } = protect(message, { policy, subject: 'hide' });
        expect({ inner, outer }).toEqual(plain);
        expect(outer).toContain('Subject: corpus\r\n');
        expect(inner).toMatch(/^Content-Type: multipart\/signed/);
        expect(inner).not.toContain('HP-Outer');
      }
    },
  );

  it.each(['signed-data', 'compressed-data'])('S/MIME (%s) is a root as any other', (type) => {
    const field = `Content-Type: application/pkcs7-mime; smime-type=${type}`;
    const { inner, outer } = protect(['Subject: real', field], { subject: 'hide' });
    expect(inner).toContain('hp="cipher"');
    expect(outer).toBe('Subject: [...]\r\n');
  });

  it('no more than 102,400 bytes of Content-Type fields are searched for one that says multipart/signed', () => {
    const signed = 'Content-Type: multipart/signed; boundary=x';
    const others = (bytes: number) => `Content-Type: text/plain; x="${'x'.repeat(bytes - 32)}"`;
    const outer = (bytes: number) =>
      protect(['Subject: real', others(bytes - signed.length - 2), signed], { subject: 'hide' }).outer;
    expect(outer(102_400)).toBe('Subject: real\r\n');
    expect(outer(102_401)).toBe('Subject: [...]\r\n');
  });

  it.each([
    [
      'text/plain; charset=utf-8; hp="clear"',
      'text/plain; charset=utf-8; hp="cipher"; protected-headers="v1"',
    ],
    ['text/plain; hp=cipher; charset=utf-8', 'text/plain; hp=cipher; charset=utf-8; protected-headers="v1"'],
    [
      'multipart/mixed; boundary=x; protected-headers="v1"',
      'multipart/mixed; boundary=x; protected-headers="v1"; hp="cipher"',
    ],
  ])('a root that says it is protected gains only what it lacks: %s', (field, after) => {
    const { inner, outer } = protect(['Subject: real', `Content-Type: ${field}`], { policy: 'baseline' });
    expect(inner).toBe(`Subject: real\r\nHP-Outer: Subject: [...]\r\nContent-Type: ${after}\r\n`);
    expect(outer).toBe('Subject: [...]\r\n');
  });

  it('no field of the corpus is lost: each is outside, or inside with its bytes', () => {
    for (const { name, message } of corpus()) {
      for (const policy of ['no_confidentiality', 'baseline', 'shy'] as const) {
        const { inner, outer } = protect(message, { policy });
        for (const field of splitMessage(message).fields) {
          // A bare CR becomes a line ending, and the last field of a message may lack one; hp is added to Content-Type.
          const bytes = field.raw.toString('latin1').trimEnd();
          if (bytes.includes('\r') && !bytes.includes('\r\n')) continue;
          if (field.name === 'mime-version' || field.name === 'content-type') continue;
          expect(inner.includes(bytes) || outer.includes(bytes), `${name}, ${policy}: ${field.name}`).toBe(
            true,
          );
        }
      }
    }
  });
});

describe('further fields that stay outside under shy', () => {
  const fields = [
    'Subject: Quarterly figures',
    'X-Ticket: 42',
    'X-Queue: Quarterly figures',
    'X-Mailer: One',
    'X-Spamd-Result: default: False [5.00 / 15.00]; DBL_SPAM(6.50)[bad.example:url];',
  ];

  it('are those named, but for what repeats the Subject or quotes the body; the others are inside', () => {
    const outside = ['x-ticket', 'x-queue', 'x-spamd-result'];
    const { inner, outer } = protect(fields, { policy: 'shy', outside });
    expect(outer).toBe('Subject: [...]\r\nX-Ticket: 42\r\n');
    for (const field of [fields[0], ...fields.slice(2)]) expect(inner).toContain(`${field}\r\n`);
    expect(inner).not.toContain('X-Ticket');
  });

  it('are none without a list', () => {
    expect(protect(fields, { policy: 'shy' }).outer).toBe('Subject: [...]\r\n');
  });

  it('change nothing under the other policies', () => {
    for (const policy of ['no_confidentiality', 'baseline'] as const)
      expect(protect(fields, { policy, outside: ['x-ticket'] })).toEqual(protect(fields, { policy }));
  });
});
