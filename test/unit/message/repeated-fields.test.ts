// What repeats sealed text does not stand outside; what trace and routing need always does. And what the inside says of itself.
import { describe, expect, it } from 'vitest';
import { splitMessage } from '../../../src/message/header.ts';
import type { HeaderPolicy } from '../../../src/sealing/header-policy.ts';
import { protectHeader } from '../../../src/sealing/header-protection.ts';

const HIDDEN = [
  { subject: 'hide', policy: 'no_confidentiality' },
  { subject: 'keep', policy: 'baseline' },
  { subject: 'keep', policy: 'shy' },
] as const;
const POLICIES: readonly HeaderPolicy[] = ['no_confidentiality', 'baseline', 'shy'];

interface Wish {
  readonly subject?: 'keep' | 'hide';
  readonly policy?: HeaderPolicy;
}

function protect(fields: readonly string[], { subject = 'keep', policy = 'no_confidentiality' }: Wish = {}) {
  const message = Buffer.from(`${fields.map((field) => `${field}\r\n`).join('')}\r\nText\r\n`, 'utf8');
  const { inner, outer } = protectHeader(splitMessage(message), { subject, policy, eol: '\r\n' });
  const text = (parts: readonly Buffer[]) => Buffer.concat(parts).toString('utf8');
  return { inner: text(inner), outer: text(outer) };
}

const MARKED = [
  'From: Ann <ann@sender.example>',
  'X-Spam-Report: Spam detection software\r\n Content preview:  Dear Alice, the PIN of your new card is 4711. [...]',
  'X-Ham-Report: Spam detection software, running on the system "mx",\r\n has NOT identified this incoming email as spam.\r\n Content preview:  Dear Alice, the PIN of your new card is 4711. [...]',
  'X-Spam-Subject: ***SPAM*** topsecret',
  'X-Subject: topsecret',
  'X-Old-Subject: topsecret',
  'X-Spam-Status: Yes, score=6.1 tests=FOO',
  'X-Spam-Prev-Subject: topsecret',
  'X-Original-Subject: topsecret',
  'Thread-Topic: topsecret',
  'X-Amavis-OS-Fingerprint: x',
  'X-Preview: the PIN of your new card is 4711',
  'X-MS-Exchange-Organization-OriginalArrivalTime: x',
  'To: alice@example.org',
  'Subject: topsecret',
  'Date: Mon, 5 Feb 2024 10:00:00 +0100',
];

describe('mail that a spam filter marked before us', () => {
  it.each(POLICIES)('shows nothing of its body outside, under %s', (policy) => {
    const { inner, outer } = protect(MARKED, { policy });
    expect(outer).not.toContain('4711');
    expect(outer).toContain('\r\nX-Spam-Status: Yes, score=6.1 tests=FOO\r\n');
    for (const field of MARKED.filter((each) => each.includes('4711')))
      expect(inner).toContain(`${field}\r\n`);
  });

  it.each(HIDDEN)('shows nothing of its Subject where that is hidden: %o', (wish) => {
    const { inner, outer } = protect(MARKED, wish);
    expect(outer).not.toContain('topsecret');
    for (const field of MARKED.filter((each) => each.includes('topsecret')))
      expect(inner).toContain(`${field}\r\n`);
  });

  it.each([
    'X-Spam-Report: * 1.0 FOO\r\n\tContent preview: PIN 4711',
    'X-HAM-REPORT: PIN 4711',
    'X-Barracuda-Spam-Report: BODY: PIN 4711',
    'X-Spam-Checker-Report: PIN 4711',
    'X-SA-Report: PIN 4711',
    'X-Spam-Preview: PIN 4711',
    'X-Content-Preview: PIN 4711',
    'X-Message-Snippet: PIN 4711',
    'X-Body-Excerpt: PIN 4711',
    'X-Spambayes-Evidence: PIN 4711',
    'X-DSPAM-Factors: 15,\r\n\t4711, 0.99',
    'X-Spam-Hammy: 0.000-1--4711',
    'X-Spam-Spammy: 0.999-1--4711',
    'X-Amavis-Alert: BANNED, message contains 4711.exe',
    'X-Spamd-Result: default: False [1.0 / 15.0];\r\n\tURIBL_BLACK(7.50)[card4711.example:url]',
    'X-Spamd-Result: default: False; PHISHING(0.00)[4711.example->b.example]',
    'X-Spamd-Result: default: False; FOO(0.00)[https://4711.example/]',
    'X-Spamd-Result: default: False; FREEMAIL(0.00)[pin4711@free.example:email]',
  ])('takes inside what quotes the body, under every setting and for a signed root: %j', (field) => {
    for (const policy of POLICIES) {
      for (const root of [
        'text/plain',
        'multipart/signed; boundary=x; protocol="application/pgp-signature"',
      ]) {
        const { inner, outer } = protect(['From: a@b.example', field, `Content-Type: ${root}`], { policy });
        expect(outer).toBe('From: a@b.example\r\n');
        expect(inner).toContain(`${field}\r\n`);
        expect(inner).toContain(`Content-Type: ${root}`);
      }
    }
  });

  it.each([
    'X-Spam-Flag: YES',
    'X-Spam-Status: Yes, score=6.1 required=5.0 tests=URIBL_BLACK',
    'X-Spam-Level: ******',
    'X-Spam-Score: 6.1',
  ])('leaves verdicts without text where Sieve finds them: %s', (field) => {
    for (const policy of POLICIES) expect(protect([field], { policy }).outer).toBe(`${field}\r\n`);
  });

  it.each([
    'X-Spamd-Result: default: False [-2.31 / 15.00];\r\n\tR_SPF_ALLOW(-0.20)[+mx]; MIME_TRACE(0.00)[0:+]',
    'X-Forefront-Antispam-Report: CIP:192.0.2.1;SFV:NSPM',
    'X-Mailer: one',
    'X-Report-Abuse: <mailto:abuse@b.example>',
  ])('leaves what quotes nothing, but under shy: %s', (field) => {
    expect(protect([field]).outer).toBe(`${field}\r\n`);
    expect(protect([field], { policy: 'baseline' }).outer).toBe(`${field}\r\n`);
    const shy = protect([field], { policy: 'shy' });
    expect(shy.outer).toBe('');
    expect(shy.inner).toContain(`${field}\r\n`);
  });
});

describe('a hidden Subject that other fields repeat', () => {
  it.each([
    ['the same', 'the secret plan', 'X-ASG-Orig-Subj: the secret plan'],
    ['resent', 'the secret plan', 'Resent-Subject: the secret plan'],
    ['in a sentence', 'the secret plan', 'X-Gateway-Note: archived "the secret plan" today'],
    ['in another case', 'the secret plan', 'X-Note: The SECRET Plan'],
    ['folded', 'the secret plan', 'X-Note: the\r\n secret\r\n\tplan'],
    ['itself folded', 'the\r\n secret plan', 'X-Note: the secret plan'],
    ['as encoded word', 'the secret plan', 'X-Note: =?utf-8?Q?the_secret_plan?='],
    ['as split encoded words', 'Grüße an alle', 'X-Note: =?utf-8?B?R3LD?=\r\n =?utf-8?B?vMOfZSBhbiBhbGxl?='],
    ['encoded where the copy is not', '=?utf-8?B?R3LDvMOfZSBhbiBhbGxl?=', 'X-Note: Grüße an alle'],
    ['with ß in upper case', 'Grüße an alle', 'X-Note: GRÜSSE AN ALLE'],
    ['decomposed', 'Grüße an alle', 'X-Note: Gru\u0308ße an alle'],
    ['with a prefix of its own', 'the secret plan', 'X-Note: Re: the secret plan'],
    ['marked by a spam filter before', '***SPAM*** the secret plan', 'X-Note: the secret plan'],
    ['marked by a list', 'Re: [list] the secret plan', 'X-Note: the secret plan'],
    [
      'in a DKIM signature with copies',
      'the secret plan',
      'DKIM-Signature: v=1; z=Subject:the=20secret=20plan',
    ],
    ['in a field of a list', 'the secret plan', 'List-Archive: <https://l.example/?q=x> (the secret plan)'],
    ['in Comments', 'the secret plan', 'Comments: the secret plan'],
    ['short, in a field that is known for it', 'Hi', 'X-Original-Subject: Hi'],
    ['short, as a thread', 'Hi', 'Thread-Topic: Hi'],
  ])('goes inside: %s', (_how, subject, field) => {
    for (const wish of HIDDEN) {
      const { inner, outer } = protect(
        [`Subject: ${subject}`, field, 'Date: Thu, 01 Jan 2026 00:00:00 +0000'],
        wish,
      );
      expect(outer).toBe('Subject: [...]\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n');
      expect(inner).toContain(`Subject: ${subject}\r\n`);
      expect(inner).toContain(`${field}\r\n`);
    }
  });

  it('stays where it is while the Subject is shown', () => {
    const field = 'X-ASG-Orig-Subj: the secret plan';
    expect(protect(['Subject: the secret plan', field]).outer).toContain(field);
  });

  it('is looked for in every Subject of several', () => {
    const { outer } = protect(['Subject: first one', 'Subject: second one', 'X-Note: second one'], {
      subject: 'hide',
    });
    expect(outer).toBe('Subject: [...]\r\n');
  });

  it('takes no field away for a Subject of fewer than six characters', () => {
    expect(protect(['Subject: alice', 'X-Note: alice'], { subject: 'hide' }).outer).toContain(
      'X-Note: alice',
    );
    expect(protect(['Subject: alices', 'X-Note: alices'], { subject: 'hide' }).outer).not.toContain('alices');
  });
});

describe('what trace and routing need', () => {
  const fields = [
    'Return-Path: <sender@b.example>',
    'Delivered-To: alice@example.org',
    'X-Original-To: alice@example.org',
    'Received: from a (a.example [192.0.2.1]) by b with ESMTP id 4T for <alice@example.org>; Thu, 1 Jan 2026 00:00:00 +0000',
    'Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=b.example',
    'Received-SPF: Pass (spf=pass)',
    'ARC-Seal: i=1; cv=none; d=b.example',
    'ARC-Authentication-Results: i=1; mx.example.org; spf=pass',
    'ARC-Message-Signature: i=1; d=b.example; b=aa',
    'DKIM-Signature: v=1; d=b.example; s=selector; b=aa',
    'From: sender@b.example',
    'Sender: sender@b.example',
    'Reply-To: sender@b.example',
    'To: alice@example.org',
    'Cc: carol@example.org',
    'Date: Thu, 01 Jan 2026 00:00:00 +0000',
    'Message-ID: <1@b.example>',
    'References: <0@b.example>',
    'Resent-From: alice@example.org',
    'Auto-Submitted: auto-replied',
    'Precedence: bulk, or list',
    'List-Id: <announce.b.example>',
    'TLS-Required: no, or so',
    'X-Spam-Flag: YES it is',
    'X-Spam-Status: Yes, score=6.1 required=5.0 tests=FOO',
    'X-Spam-Level: ******',
    'X-Spam-Score: 6.12345',
  ];

  it.each([
    'required=5.0',
    'with ESMTP',
    'spf=pass',
    'alice@example.org',
    'sender@b.example',
    'Received',
    'from a (a.example [192.0.2.1])',
    '<1@b.example>',
    'auto-replied',
    '******',
    'bulk, or list',
    'announce.b.example',
    'Thu, 01 Jan 2026 00:00:00 +0000',
    'selector',
  ])('never moves, though the sender chose the Subject %j', (subject) => {
    for (const wish of HIDDEN) {
      const { outer } = protect([...fields, `Subject: ${subject}`], wish);
      expect(outer.trimEnd().split('\r\n')).toEqual([...fields, 'Subject: [...]']);
    }
  });
});

describe('time and room', () => {
  it('no Subject and no field makes it slow, and what is too long to be searched stands inside', () => {
    const many = 'a'.repeat(90_000);
    const fields = [
      `Subject: ${'a'.repeat(100)}b${many}`,
      ...Array.from({ length: 200 }, (_, n) => `X-${n}: ${many}`),
      `X-Marks: ${'o\u0308\u0323'.repeat(20_000)}`,
      `X-Words: ${'=?utf-8?Q?a=?'.repeat(7_000)}`,
      `X-Blanks: ${'=?utf-8?Q? '.repeat(9_000)}?=`,
    ];
    const started = performance.now();
    const { outer } = protect(fields, { subject: 'hide' });
    // Quadratic time would take minutes.
    expect(performance.now() - started).toBeLessThan(10_000);
    // A megabyte of fields is searched; what lies behind it counts as body, which is sealed.
    expect(outer).toContain('X-5: a');
    expect(outer).not.toContain('X-100: a');
    expect(
      protect(['Subject: secret one', `X-Long: ${'x'.repeat(102_400)}`], { subject: 'hide' }).outer,
    ).toBe('Subject: [...]\r\n');
  });

  it('of very many Subjects none is shown by any other field', () => {
    const subjects = Array.from({ length: 2_000 }, (_, n) => `Subject: secret ${n}`);
    const { outer } = protect([...subjects, 'X-Note: secret 1999', 'From: a@b.example'], { subject: 'hide' });
    expect(outer).toBe('Subject: [...]\r\nFrom: a@b.example\r\n');
  });
});

describe('HP-Outer of the sender', () => {
  it.each(['HP-Outer: Subject: the secret plan', 'hp-outer: From: a@b.example', 'HP-OUTER:x'])(
    'never stays outside: %s',
    (field) => {
      for (const root of ['text/plain; hp="cipher"', 'multipart/signed; boundary=x', 'text/plain']) {
        for (const policy of POLICIES) {
          const { inner, outer } = protect(['From: a@b.example', field, `Content-Type: ${root}`], { policy });
          expect(outer).toBe('From: a@b.example\r\n');
          expect(inner).toContain(`${field}\r\n`);
        }
      }
    },
  );
});

describe('what the Content-Type inside says of its header', () => {
  const BOTH = 'hp="cipher"; protected-headers="v1"';
  it.each([
    ['the sender says clear', 'text/plain; charset=utf-8; hp="clear"', `text/plain; charset=utf-8; ${BOTH}`],
    [
      'without quotes',
      'text/plain; hp=clear; charset=utf-8',
      'text/plain; hp="cipher"; charset=utf-8; protected-headers="v1"',
    ],
    ['in another case', 'text/plain; HP="CLEAR"', `text/plain; ${BOTH}`],
    [
      'twice',
      'text/plain; hp=clear; hp="cipher"',
      'text/plain; hp="cipher"; hp="cipher"; protected-headers="v1"',
    ],
    ['with blanks', 'text/plain; hp = "clear"', `text/plain; ${BOTH}`],
    ['folded', 'text/plain;\r\n\thp="clear"', `text/plain;\r\n\t${BOTH}`],
    ['extended (RFC 2231)', "text/plain; hp*=us-ascii''clear", `text/plain; ${BOTH}`],
    [
      'continued (RFC 2231)',
      'text/plain; hp*0=cle; hp*1=ar',
      'text/plain; hp="cipher"; hp="cipher"; protected-headers="v1"',
    ],
    ['behind a comment', 'text/plain (a; hp=x); hp="clear"', `text/plain (a; hp=x); ${BOTH}`],
    ['what nobody knows', 'text/plain; hp="v7"', `text/plain; ${BOTH}`],
    [
      'broken',
      'text/plain; hp=cl"ear; charset=utf-8',
      'text/plain; hp="cipher"; charset=utf-8; protected-headers="v1"',
    ],
    [
      'the old form alone',
      'text/html; protected-headers="v1"',
      'text/html; protected-headers="v1"; hp="cipher"',
    ],
    [
      'an old form of another version',
      'text/html; protected-headers=v0',
      'text/html; protected-headers="v1"; hp="cipher"',
    ],
    ['both already', `text/html; ${BOTH}`, `text/html; ${BOTH}`],
    [
      'both without quotes',
      'text/html; hp=cipher; protected-headers=v1',
      'text/html; hp=cipher; protected-headers=v1',
    ],
    ['a name that begins alike', 'text/html; hpx=clear', `text/html; hpx=clear; ${BOTH}`],
    ['text that looks like it', 'text/html; name="; hp=clear"', `text/html; name="; hp=clear"; ${BOTH}`],
    ['a boundary', 'multipart/alternative; boundary="b1"', `multipart/alternative; boundary="b1"; ${BOTH}`],
  ])('is cipher and v1, and nothing else changes: %s', (_how, before, after) => {
    const { inner } = protect(['Subject: Hello', `Content-Type: ${before}`]);
    const type = inner.slice(inner.indexOf('Content-Type: ') + 'Content-Type: '.length);
    // A long line is folded.
    expect(type.replaceAll(';\r\n protected', '; protected').replaceAll(';\r\n hp', '; hp')).toBe(
      `${after}\r\n`,
    );
  });
});
