import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { Address } from '../../../src/address/address.ts';
import { type Config, configSchema } from '../../../src/config/schema.ts';
import type { Acceptances } from '../../../src/delivery/acceptances.ts';
import { createClaims } from '../../../src/delivery/claims.ts';
import { createDeliverer, type Deliverer } from '../../../src/delivery/deliver.ts';
import type { KeyDoor } from '../../../src/delivery/key-address.ts';
import { bounceHash } from '../../../src/delivery/message-hash.ts';
import { planCopy } from '../../../src/delivery/plan.ts';
import { DirectoryUnavailable, type RecipientFacts, type StoredKey } from '../../../src/directory/types.ts';
import { detectEncrypted } from '../../../src/message/detect.ts';
import type { MessageEvent } from '../../../src/observe/events.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics, type Metrics } from '../../../src/observe/metrics.ts';
import type { SealingJob } from '../../../src/openpgp/types.ts';
import type { SendRequest, SendResult } from '../../../src/smtp/client/next-hop.ts';
import { classOf, formatReply } from '../../../src/smtp/replies.ts';
import type { Reply, Transaction } from '../../../src/smtp/types.ts';

const OK: Reply = { code: 250, enhanced: '2.0.0', text: 'Ok: queued' };
const BUSY: Reply = { code: 450, enhanced: '4.2.1', text: 'busy' };
const NO: Reply = { code: 550, enhanced: '5.1.1', text: 'unknown' };
const MESSAGE = Buffer.from('From: <c@example.net>\r\nSubject: hello\r\n\r\nThe body.\r\n');

const folder = mkdtempSync(join(tmpdir(), 'sealpost-deliver-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Stage {
  readonly metrics: Metrics;
  readonly deliverer: Deliverer;
  readonly sent: SendRequest[];
  readonly jobs: SealingJob[];
  readonly events: string[];
  /** Ciphertext whose memory may be used again. */
  readonly givenBack: Uint8Array[];
  readonly remembered: Map<string, string>;
  /** Lines of the log. */
  readonly logged: string[];
  readonly told: MessageEvent[];
  readonly memory: { -readonly [Name in keyof Acceptances]: Acceptances[Name] };
}

interface Script {
  /** The next hop's reply by recipient path; default OK. */
  readonly reply?: (path: string, attempt: number) => Reply;
  readonly send?: (request: SendRequest, attempt: number) => Promise<SendResult>;
  readonly encrypt?: (job: SealingJob) => void;
  readonly directory?: (path: string) => void;
  readonly config?: object;
  readonly keyDoor?: KeyDoor;
}

/** A stage on which only the delivery itself is real: keyed@ has a key named after it, everybody else has none. */
function stage(script: Script = {}): Stage {
  const sent: SendRequest[] = [];
  const jobs: SealingJob[] = [];
  const events: string[] = [];
  const givenBack: Uint8Array[] = [];
  const remembered = new Map<string, string>();
  const told: MessageEvent[] = [];
  const logged: string[] = [];
  const memory: Stage['memory'] = {
    recall: async (message, recipients) =>
      new Map(
        recipients.flatMap((one) => {
          const reply = remembered.get(`${message} ${one}`);
          return reply === undefined ? [] : [[one, reply] as const];
        }),
      ),
    begin: async (message, recipients) => ({
      accepted: await memory.recall(message, recipients),
      elsewhere: new Set(),
      takenOver: new Set(),
      mayFinish: async () => true,
      giveUp: () => undefined,
    }),
    remember: async (message, recipient, reply) => {
      events.push('remember');
      remembered.set(`${message} ${recipient}`, reply);
    },
    forget: (message, recipients) => {
      for (const one of recipients) remembered.delete(`${message} ${one}`);
    },
    refused: () => null,
    heard: () => undefined,
    expire: async () => 0,
    close: async () => undefined,
  };
  const config: Config = configSchema.parse({ hostname: 'mx.example.org', ...script.config });
  const metrics = createMetrics({ processMetrics: false });
  const deliverer = createDeliverer({
    config: () => config,
    directory: {
      recipient: async (path) => {
        script.directory?.(path);
        return facts(path);
      },
    },
    decider: {
      copy: async (found, seen) =>
        planCopy({
          facts: found,
          keyDoor:
            found.address?.startsWith('keys@') === true
              ? 'takes'
              : found.address?.startsWith('keys+') === true
                ? 'reads'
                : 'closed',
          global: config.encryption,
          ...seen,
          choose: (keys) => ({
            state: keys.length === 0 ? 'missing' : 'usable',
            kind: 'openpgp',
            use: keys.map((key) => ({ fingerprint: key.fingerprint, certificate: key.certificate, at: 0 })),
            leftOut: [],
            judged: [],
          }),
        }),
    },
    claims: createClaims(null),
    tell: (event) => void told.push(event),
    shown: (path) => path,
    detect: async (message) => detectEncrypted(message),
    sealInline: async () => null,
    keyDoor: script.keyDoor ?? null,
    giveBack: (sealed) => void givenBack.push(sealed),
    encrypt: async (job) => {
      script.encrypt?.(job);
      events.push('encrypt');
      jobs.push(job);
      return Buffer.from(
        `-----BEGIN PGP MESSAGE-----\r\n\r\n${job.keys[0]?.fingerprint}\r\n-----END PGP MESSAGE-----\r\n`,
      );
    },
    memory: {
      recall: (...given) => memory.recall(...given),
      begin: (...given) => memory.begin(...given),
      remember: (...given) => memory.remember(...given),
      forget: (...given) => memory.forget(...given),
      refused: () => memory.refused(),
      heard: (error) => memory.heard(error),
      expire: () => memory.expire(),
      close: () => memory.close(),
    },
    nextHop: () => ({
      send: async (request) => {
        events.push('send');
        sent.push(request);
        if (script.send) return script.send(request, sent.length);
        const recipients = request.envelope.recipients.map(({ path }, index) => {
          const reply = script.reply?.(path, sent.length) ?? OK;
          return { reply, class: classOf(reply), stage: 'end-of-data' as const, index };
        });
        for (const { reply, index } of recipients)
          if (classOf(reply) === 'accepted') await request.onAccepted?.(index, reply);
        return { recipients };
      },
    }),
    outgoingDirectory: folder,
    logger: createLogger({ level: 'info', destination: { write: (line) => void logged.push(line) } }),
    metrics,
  });
  return { metrics, deliverer, sent, jobs, events, givenBack, remembered, logged, told, memory };
}

function facts(path: string): RecipientFacts {
  const keys: readonly StoredKey[] = path.startsWith('keyed')
    ? [
        {
          kind: 'openpgp',
          fingerprint: `KEY-OF-${path}`,
          certificate: new Uint8Array(),
          status: 'active',
          source: 'cli',
          createdAt: new Date(0),
        },
      ]
    : [];
  const address = path as Address;
  if (path.endsWith('@localhost'))
    return { address, resolution: { kind: 'nobody' }, domain: null, unknownHere: true, domainKeys: [] };
  if (path.startsWith('unclear'))
    return {
      address,
      resolution: {
        kind: 'unclear',
        because: 'the name is in several domains of ours, and the address names none of them',
      },
      domain: null,
      domainKeys: [],
    };
  return {
    address,
    resolution:
      keys.length > 0
        ? { kind: 'contact', readers: [{ kind: 'contact', address, keys }], via: [] }
        : { kind: 'nobody' },
    domain: null,
    domainKeys: [],
  };
}

function transaction(recipients: readonly string[], more: Partial<Transaction> = {}): Transaction {
  return {
    id: 't1',
    envelope: {
      sender: 'c@example.net',
      parameters: [],
      recipients: recipients.map((path) => ({ path, parameters: [] })),
    },
    xforward: { IDENT: 'QUEUE1' },
    message: MESSAGE,
    deadline: Date.now() + 60_000,
    ...more,
  };
}

async function replies(deliverer: Deliverer, given: Transaction): Promise<readonly string[]> {
  return (await deliverer.deliver(given)).outcomes.map((outcome) => formatReply(outcome.reply));
}

function bytes(request: SendRequest | undefined): string {
  const message = request?.message ?? Buffer.alloc(0);
  return Buffer.from(message instanceof Uint8Array ? message : Buffer.concat(message)).toString('latin1');
}

describe('delivering one transaction', () => {
  it('seals for who has a key, and passes byte for byte for who has none, in one shared transaction', async () => {
    const { deliverer, sent } = stage();
    const given = transaction(['keyed@x', 'a@x', 'b@x']);
    expect(await replies(deliverer, given)).toEqual([
      '250 2.0.0 Ok: queued',
      '250 2.0.0 Ok: queued',
      '250 2.0.0 Ok: queued',
    ]);
    const paths = sent.map((request) => request.envelope.recipients.map(({ path }) => path));
    expect(paths).toEqual(expect.arrayContaining([['keyed@x'], ['a@x', 'b@x']]));
    const passed = sent.find((request) => request.envelope.recipients.length === 2);
    expect(bytes(passed)).toBe(MESSAGE.toString('latin1'));
    const sealed = sent.find((request) => request.envelope.recipients.length === 1);
    expect(bytes(sealed)).toContain('multipart/encrypted');
    expect(bytes(sealed)).not.toContain('The body.');
  });

  it('lesson 4: every recipient has a ciphertext of its own, which knows of no other key', async () => {
    const { deliverer, jobs, sent } = stage();
    await deliverer.deliver(transaction(['keyed1@x', 'keyed2@x']));
    expect(jobs.map((job) => job.keys.map((key) => key.fingerprint))).toEqual([
      ['KEY-OF-keyed1@x'],
      ['KEY-OF-keyed2@x'],
    ]);
    for (const request of sent) {
      const [own] = request.envelope.recipients;
      const other = own?.path === 'keyed1@x' ? 'keyed2@x' : 'keyed1@x';
      expect(bytes(request)).not.toContain(other);
    }
  });

  it('builds every copy before the first one is sent', async () => {
    const { deliverer, events } = stage();
    await deliverer.deliver(transaction(['keyed1@x', 'a@x', 'keyed2@x']));
    expect(events.indexOf('send')).toBeGreaterThan(events.lastIndexOf('encrypt'));
  });

  it('lesson 1: when encryption fails the mail waits; nothing is sent in its place', async () => {
    const { deliverer, sent } = stage({
      encrypt: () => {
        throw new Error('no such curve');
      },
    });
    expect(await replies(deliverer, transaction(['keyed@x', 'a@x']))).toEqual([
      '451 4.7.5 Encryption failed; the mail stays queued and will be tried again',
      '250 2.0.0 Ok: queued',
    ]);
    expect(sent.map((request) => request.envelope.recipients.map(({ path }) => path))).toEqual([['a@x']]);
  });

  it('lesson 16: a failed encryption changes nothing for the next message', async () => {
    let failing = true;
    const { deliverer, sent } = stage({
      encrypt: () => {
        if (failing) throw new Error('once');
      },
    });
    await deliverer.deliver(transaction(['keyed@x']));
    failing = false;
    await deliverer.deliver(transaction(['keyed@x']));
    expect(sent).toHaveLength(1);
    expect(bytes(sent[0])).toContain('multipart/encrypted');
  });

  it('lesson 11: a directory that is away defers, and passes nothing', async () => {
    const { deliverer, sent } = stage({
      directory: () => {
        throw new DirectoryUnavailable('database away');
      },
    });
    expect(await replies(deliverer, transaction(['keyed@x']))).toEqual([
      '451 4.4.3 The key directory cannot be reached now; try again later',
    ]);
    expect(sent).toHaveLength(0);
  });

  it('defers, and passes nothing, where deciding itself fails, and does not blame the database', async () => {
    const { deliverer, sent } = stage({
      directory: () => {
        throw new TypeError('a fault of ours');
      },
    });
    expect(await replies(deliverer, transaction(['keyed@x']))).toEqual([
      '451 4.3.0 What becomes of this mail could not be decided; it stays queued and will be tried again',
    ]);
    expect(sent).toHaveLength(0);
  });

  it('sends nothing while the memory of deliveries cannot be asked', async () => {
    const { deliverer, sent, memory } = stage();
    memory.recall = async () => {
      throw new Error('database away');
    };
    expect(await replies(deliverer, transaction(['a@x']))).toEqual([
      '451 4.3.0 The database cannot be reached now; try again later',
    ]);
    expect(sent).toHaveLength(0);
  });

  it('lesson 14: a retry sends only what was not accepted before', async () => {
    const { deliverer, sent } = stage({
      reply: (path, attempt) => (path === 'keyed2@x' && attempt <= 2 ? BUSY : OK),
    });
    expect(await replies(deliverer, transaction(['keyed1@x', 'keyed2@x']))).toEqual([
      '250 2.0.0 Ok: queued',
      '450 4.2.1 busy',
    ]);
    expect(await replies(deliverer, transaction(['keyed1@x', 'keyed2@x']))).toEqual([
      '250 2.0.0 Ok: queued',
      '250 2.0.0 Ok: queued',
    ]);
    const counts = sent.flatMap((request) => request.envelope.recipients.map(({ path }) => path)).sort();
    expect(counts).toEqual(['keyed1@x', 'keyed2@x', 'keyed2@x']);
  });

  it('sends again after it was told that our reply arrived: then it is another message', async () => {
    const { deliverer, sent } = stage();
    const first = await deliverer.deliver(transaction(['a@x']));
    first.forget([0]);
    await deliverer.deliver(transaction(['a@x']));
    expect(sent).toHaveLength(2);
  });

  it('knows a retry without a queue ID by Message-ID, sender and content', async () => {
    const { deliverer, sent } = stage();
    await deliverer.deliver(transaction(['a@x'], { xforward: {} }));
    await deliverer.deliver(transaction(['a@x'], { xforward: {} }));
    expect(sent).toHaveLength(1);
    await deliverer.deliver(
      transaction(['a@x'], { xforward: {}, message: Buffer.concat([MESSAGE, Buffer.from('more\r\n')]) }),
    );
    expect(sent).toHaveLength(2);
  });

  it('the same content under another queue ID is another message', async () => {
    const { deliverer, sent } = stage();
    await deliverer.deliver(transaction(['a@x']));
    await deliverer.deliver(transaction(['a@x'], { xforward: { IDENT: 'QUEUE2' } }));
    expect(sent).toHaveLength(2);
  });

  it('remembers before it answers', async () => {
    const { deliverer, events } = stage();
    await deliverer.deliver(transaction(['a@x']));
    expect(events).toEqual(['send', 'remember']);
  });

  it('answers success although the acceptance could not be recorded: it was accepted', async () => {
    const { deliverer, memory } = stage();
    memory.remember = async () => {
      throw new Error('database away');
    };
    expect(await replies(deliverer, transaction(['a@x']))).toEqual(['250 2.0.0 Ok: queued']);
  });

  it('answers an exact repetition of a recipient with the same outcome, and sends one copy', async () => {
    const { deliverer, sent } = stage();
    expect(await replies(deliverer, transaction(['a@x', 'a@x']))).toHaveLength(2);
    expect(sent.flatMap((request) => request.envelope.recipients)).toHaveLength(1);
  });

  it('keeps paths that differ by case apart, each as it was sent', async () => {
    const { deliverer, sent } = stage();
    await deliverer.deliver(transaction(['a@x', 'A@x']));
    expect(sent.flatMap((request) => request.envelope.recipients.map(({ path }) => path))).toEqual([
      'a@x',
      'A@x',
    ]);
  });

  it('tells in the log and counts what passes in plaintext to a name of this machine that nobody of ours has', async () => {
    const { deliverer, logged, metrics } = stage();
    expect(await replies(deliverer, transaction(['root@localhost', 'a@x']))).toHaveLength(2);
    const lines = logged.map((line) => JSON.parse(line)).filter(({ level }) => level === 'warn');
    expect(lines.map(({ msg }) => msg)).toEqual([
      'passed in plaintext to an unknown address at a name of this machine: no key is known, and on_missing_key is pass',
    ]);
    expect(await metrics.registry.metrics()).toContain('sealpost_plaintext_unknown_address_total 1\n');
  });

  it('says in the log a few times a minute whose address cannot be told, however often a sender causes it', async () => {
    const { deliverer, logged } = stage();
    const many = Array.from({ length: 200 }, (_, at) => `unclear-${at}@x`);
    const answers = await replies(deliverer, transaction(many));
    expect(new Set(answers)).toEqual(
      new Set([
        '451 4.1.3 Whose address this is cannot be told: the name is in several domains of ours, and the address names none of them',
      ]),
    );
    const lines = logged.filter((line) => line.includes('reader unclear'));
    expect(lines).toHaveLength(10);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'warn', action: 'defer', suppressed: 0 });
  });

  /** A next hop that answers when it is let. */
  const held = (reply: Reply = OK, klass: 'accepted' | 'temporary' = 'accepted') => {
    let release: () => void = () => undefined;
    const wait = new Promise<void>((resolve) => {
      release = resolve;
    });
    const staged = stage({
      send: async (request) => {
        await wait;
        return {
          recipients: request.envelope.recipients.map(() => ({ reply, class: klass, stage: 'end-of-data' })),
        };
      },
    });
    return { ...staged, release };
  };

  it('defers a second attempt while the first one is under way, and its client gone', async () => {
    const { deliverer, sent, release } = held();
    const abandoned = transaction(['a@x']);
    const first = replies(deliverer, abandoned);
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    const early = replies(deliverer, transaction(['a@x']));
    await new Promise((resolve) => setTimeout(resolve, 10));
    deliverer.abandon(abandoned);
    const underWay = ['451 4.3.0 An earlier attempt to deliver this message has not ended yet'];
    expect(await early).toEqual(underWay);
    expect(await replies(deliverer, transaction(['a@x']))).toEqual(underWay);
    release();
    expect(await first).toEqual(['250 2.0.0 Ok: queued']);
  });

  it('answers a second transaction of the same message as the first one ends, and sends once', async () => {
    const { deliverer, sent, release } = held();
    const first = replies(deliverer, transaction(['a@x']));
    const second = replies(deliverer, transaction(['a@x', 'b@x']));
    release();
    expect(await first).toEqual(['250 2.0.0 Ok: queued']);
    expect(await second).toEqual(['250 2.0.0 Ok: queued', '250 2.0.0 Ok: queued']);
    expect(sent.flatMap(({ envelope }) => envelope.recipients.map(({ path }) => path)).sort()).toEqual([
      'a@x',
      'b@x',
    ]);
  });

  it('answers the second one as the first where that is deferred', async () => {
    const { deliverer, release } = held(BUSY, 'temporary');
    const both = [replies(deliverer, transaction(['a@x'])), replies(deliverer, transaction(['a@x']))];
    release();
    expect(await Promise.all(both)).toEqual([['450 4.2.1 busy'], ['450 4.2.1 busy']]);
  });

  it('lets two transactions share recipients with each other by way of a third', async () => {
    const { deliverer, sent, release } = held();
    const first = replies(deliverer, transaction(['a@x']));
    const second = replies(deliverer, transaction(['b@x']));
    const both = replies(deliverer, transaction(['a@x', 'b@x', 'c@x']));
    const again = replies(deliverer, transaction(['c@x', 'a@x']));
    release();
    const ok = '250 2.0.0 Ok: queued';
    expect(await Promise.all([first, second, both, again])).toEqual([[ok], [ok], [ok, ok, ok], [ok, ok]]);
    expect(sent).toHaveLength(3);
  });

  it('waits for the other transaction no longer than its own deadline', async () => {
    const { deliverer, sent, release } = held();
    const first = replies(deliverer, transaction(['a@x']));
    await vi.waitFor(() => expect(sent).toHaveLength(1));
    expect(await replies(deliverer, transaction(['a@x'], { deadline: Date.now() + 20 }))).toEqual([
      '451 4.3.0 An earlier attempt to deliver this message has not ended yet',
    ]);
    release();
    expect(await first).toEqual(['250 2.0.0 Ok: queued']);
  });

  it('remembers what the next hop accepts after our deadline, and defers retries until it has answered', async () => {
    let answer: () => void = () => undefined;
    const late = new Promise<readonly { index: number; reply: Reply; class: 'accepted' }[]>((resolve) => {
      answer = () => resolve([{ index: 0, reply: OK, class: 'accepted' }]);
    });
    const { deliverer, sent, remembered } = stage({
      send: async () => ({ recipients: [{ reply: BUSY, class: 'temporary', stage: 'end-of-data' }], late }),
    });
    expect(await replies(deliverer, transaction(['a@x']))).toEqual(['450 4.2.1 busy']);
    expect(await replies(deliverer, transaction(['a@x']))).toEqual([
      '451 4.3.0 An earlier attempt to deliver this message has not ended yet',
    ]);
    expect(deliverer.lateDeliveries()).toBe(1);
    answer();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(remembered.size).toBe(1);
    expect(await replies(deliverer, transaction(['a@x']))).toEqual(['250 2.0.0 Ok: queued']);
    expect(sent).toHaveLength(1);
  });

  it("gives a sealed copy's memory back once it is sent, and never while its bytes may still be on their way", async () => {
    const busy: SendResult = { recipients: [{ reply: BUSY, class: 'temporary', stage: 'end-of-data' }] };
    for (const [send, givesBack] of [
      [undefined, true],
      [async () => busy, true],
      [async () => ({ ...busy, late: Promise.resolve([]) }), false],
      [() => Promise.reject(new Error('a bug')), false],
    ] as const) {
      const { deliverer, givenBack } = stage(send === undefined ? {} : { send });
      await deliverer.deliver(transaction(['keyed@x', 'plain@x']));
      const sealed = givenBack.filter((part) => Buffer.from(part).includes('KEY-OF-keyed@x'));
      expect(sealed).toHaveLength(givesBack ? 1 : 0);
    }
  });

  it('lesson 19: Sealpost-* fields from outside are removed, and every other byte stays', async () => {
    const { deliverer, sent } = stage();
    const forged = Buffer.concat([
      Buffer.from('Sealpost-Status: sealed; key=AAAA;\r\n by=evil\r\nSEALPOST-X: 1\r\n'),
      MESSAGE,
    ]);
    await deliverer.deliver(transaction(['a@x'], { message: forged }));
    expect(bytes(sent[0])).toBe(MESSAGE.toString('latin1'));
  });

  it('ends a loop with 5.4.6', async () => {
    const { deliverer, sent, logged } = stage();
    const looping = Buffer.concat([Buffer.from('Received: by x\r\n'.repeat(51)), MESSAGE]);
    expect(await replies(deliverer, transaction(['a@x'], { message: looping }))).toEqual([
      '554 5.4.6 Too many hops: the message is in a loop',
    ]);
    expect(sent).toHaveLength(0);
    expect(logged.join('')).toContain('"event":"mail_loop"');
  });

  it('when one copy cannot be sent, the others are sent and remembered before anything is answered', async () => {
    let slowDone = false;
    const { deliverer, remembered } = stage({
      send: async (request) => {
        const [first] = request.envelope.recipients;
        if (first?.path === 'keyed1@x') throw new Error('the copy could not be read');
        await new Promise((resolve) => setTimeout(resolve, 50));
        await request.onAccepted?.(0, OK);
        slowDone = true;
        return { recipients: [{ reply: OK, class: 'accepted', stage: 'end-of-data' }] };
      },
    });
    expect(await replies(deliverer, transaction(['keyed1@x', 'keyed2@x']))).toEqual([
      '451 4.3.0 Internal error; the mail stays queued and will be tried again',
      '250 2.0.0 Ok: queued',
    ]);
    expect(slowDone).toBe(true);
    expect(remembered.size).toBe(1);
    expect(deliverer.busy()).toBe(0);
  });

  it('keeps ciphertext that does not fit into memory in files, and leaves none behind', async () => {
    const { deliverer, sent } = stage();
    const large = Buffer.concat([MESSAGE, Buffer.alloc(2 ** 21, 'x\r\n')]);
    await deliverer.deliver(transaction(['keyed1@x', 'keyed2@x'], { message: large }));
    expect(sent).toHaveLength(2);
    const { readdirSync } = await import('node:fs');
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a letter to the key address', () => {
  const letters: Parameters<NonNullable<Script['keyDoor']>>[0][] = [];
  const keyDoor: Script['keyDoor'] = async (letter) => {
    letters.push(letter);
    return 'a key was handed over';
  };

  it('is read, and goes nowhere; others of the same transaction get theirs, and a retry reads nothing again', async () => {
    letters.length = 0;
    const scene = stage({
      keyDoor,
      reply: (_path, attempt) => (attempt === 1 ? { code: 451, enhanced: '4.3.0', text: 'later' } : OK),
    });
    const mail = transaction(['keys@example.org', 'plain@example.org']);
    const first = await scene.deliverer.deliverAsOne(mail);
    expect(first.reply.code).toBe(451);
    const second = await scene.deliverer.deliverAsOne(mail);
    expect(second.reply.code).toBe(250);
    expect(letters).toMatchObject([{ sender: 'c@example.net' }]);
    expect(scene.sent.map(({ envelope }) => envelope.recipients.map(({ path }) => path))).toEqual([
      ['plain@example.org'],
      ['plain@example.org'],
    ]);
    expect(scene.told[0]).toMatchObject({
      event: 'key_letter',
      because: 'key address',
      reason: 'a key was handed over',
      recipient: 'keys@example.org',
    });
  });

  it.each(['keys@example.org', 'keys+else@example.org'])(
    'waits where it cannot be read now, and nothing is sent: %s',
    async (recipient) => {
      const failing: Script['keyDoor'] = () => Promise.reject(new Error('the database is away'));
      for (const door of [failing, undefined]) {
        const scene = stage(door === undefined ? {} : { keyDoor: door });
        const { outcomes } = await scene.deliverer.deliver(transaction([recipient]));
        expect(outcomes.map(({ reply }) => reply.code)).toEqual([451]);
        expect(scene.sent).toEqual([]);
        expect(scene.remembered.size).toBe(0);
        expect(scene.told).toMatchObject([{ event: 'deferred', because: 'key letter not read' }]);
      }
    },
  );

  it('is read, and goes on, where somebody else may have the address', async () => {
    letters.length = 0;
    const scene = stage({ keyDoor });
    await scene.deliverer.deliver(transaction(['keys+else@example.org']));
    expect(letters).toHaveLength(1);
    expect(scene.sent).toHaveLength(1);
    expect(scene.told).toMatchObject([{ event: 'passed' }]);
  });
});

describe('one answer for all (SMTP, the pipe)', () => {
  const asOne = async (deliverer: Deliverer, given: Transaction): Promise<string> =>
    formatReply((await deliverer.deliverAsOne(given)).reply);

  it('is 451 when one recipient has to wait, and the retry repeats nobody', async () => {
    const { deliverer, sent } = stage({
      reply: (path, attempt) => (path === 'keyed2@x' && attempt <= 2 ? BUSY : OK),
    });
    const given = transaction(['keyed1@x', 'keyed2@x']);
    const first = await deliverer.deliverAsOne(given);
    expect(formatReply(first.reply)).toBe('451 4.2.1 busy');
    // The client has our 451; what was accepted must still be known.
    first.forget();
    expect(await asOne(deliverer, given)).toBe('250 2.0.0 Ok: queued');
    expect(sent.flatMap((request) => request.envelope.recipients.map(({ path }) => path)).sort()).toEqual([
      'keyed1@x',
      'keyed2@x',
      'keyed2@x',
    ]);
  });

  it('sends a bounce for the refused, from the null sender, before it answers 250', async () => {
    const { deliverer, sent } = stage({ reply: (path) => (path === 'keyed@x' ? NO : OK) });
    expect(await asOne(deliverer, transaction(['keyed@x', 'a@x']))).toBe('250 2.0.0 Ok: queued');
    const bounce = sent.find((request) => request.envelope.sender === '');
    expect(bounce?.envelope.recipients.map(({ path }) => path)).toEqual(['c@example.net']);
    expect(bytes(bounce)).toContain('Status: 5.1.1');
    expect(bytes(bounce)).toContain('Final-Recipient: rfc822; keyed@x');
    expect(bytes(bounce)).not.toContain('The body.');
    expect(bytes(bounce)).not.toContain('a@x');
  });

  it('sends a bounce with the envelope id that the client gave', async () => {
    const { deliverer, sent } = stage({ reply: (path) => (path === 'keyed@x' ? NO : OK) });
    const given = transaction(['keyed@x', 'a@x']);
    const parameters = [{ keyword: 'ENVID', value: 'QQ+3D1' }];
    await deliverer.deliverAsOne({ ...given, envelope: { ...given.envelope, parameters } });
    const bounce = sent.find((request) => request.envelope.sender === '');
    expect(bytes(bounce)).toContain('\r\nOriginal-Envelope-Id: QQ=1\r\n');
  });

  it('seals the bounce for a sender who has a key', async () => {
    const { deliverer, sent } = stage({ reply: (path) => (path === 'b@x' ? NO : OK) });
    const given = transaction(['keyed@x', 'b@x'], {
      envelope: {
        sender: 'keyed-sender@x',
        parameters: [],
        recipients: ['keyed@x', 'b@x'].map((path) => ({ path, parameters: [] })),
      },
    });
    expect(await asOne(deliverer, given)).toBe('250 2.0.0 Ok: queued');
    const bounce = sent.find((request) => request.envelope.sender === '');
    expect(bytes(bounce)).toContain('multipart/encrypted');
    expect(bytes(bounce)).not.toContain('Status: 5.1.1');
  });

  it('is 451 while the bounce cannot be delivered, and does not send it twice', async () => {
    let bouncing = false;
    const { deliverer, sent, remembered } = stage({
      reply: (path) => (path === 'keyed@x' ? NO : path === 'c@example.net' && !bouncing ? BUSY : OK),
    });
    const given = transaction(['keyed@x', 'a@x']);
    expect(await asOne(deliverer, given)).toBe(
      '451 4.3.0 A recipient was refused, and the bounce could not be delivered yet',
    );
    bouncing = true;
    expect(await asOne(deliverer, given)).toBe('250 2.0.0 Ok: queued');
    expect([...remembered.keys()].some((key) => key.endsWith(bounceHash('keyed@x')))).toBe(true);
    // Our 250 was lost: the same again sends neither the message nor the bounce.
    const before = sent.filter((request) =>
      request.envelope.recipients.some(({ path }) => path !== 'keyed@x'),
    ).length;
    expect(await asOne(deliverer, given)).toBe('250 2.0.0 Ok: queued');
    expect(
      sent.filter((request) => request.envelope.recipients.some(({ path }) => path !== 'keyed@x')),
    ).toHaveLength(before);
  });

  it('reports every refused recipient of a message that Postfix splits into several transactions', async () => {
    const { deliverer, sent, remembered } = stage({ reply: (path) => (path.startsWith('no') ? NO : OK) });
    const reported = () =>
      sent
        .filter((request) => request.envelope.sender === '')
        .map((request) => /Final-Recipient: rfc822; (\S+)/.exec(bytes(request))?.[1]);
    const first = await deliverer.deliverAsOne(transaction(['a@x', 'no1@x']));
    const second = await deliverer.deliverAsOne(transaction(['b@x', 'no2@x']));
    expect(reported()).toEqual(['no1@x', 'no2@x']);
    // Again, since our replies were lost: nobody is told twice.
    await deliverer.deliverAsOne(transaction(['b@x', 'no2@x', 'no1@x']));
    expect(reported()).toEqual(['no1@x', 'no2@x']);
    first.forget();
    second.forget();
    expect([...remembered.keys()]).toEqual([]);
  });

  it('sends no second bounce when the next hop accepts the first one after the deadline', async () => {
    let accept: (() => void) | undefined;
    const { deliverer, sent } = stage({
      send: async (request) => {
        const bounce = request.envelope.sender === '';
        const result = (reply: Reply) => ({ reply, class: classOf(reply), stage: 'end-of-data' as const });
        if (!bounce) {
          const recipients = request.envelope.recipients.map(({ path }) => result(path === 'no@x' ? NO : OK));
          for (const [index, { reply }] of recipients.entries())
            if (reply === OK) await request.onAccepted?.(index, reply);
          return { recipients };
        }
        const late = new Promise<void>((resolve) => {
          accept = resolve;
        }).then(() => [{ index: 0, reply: OK, class: 'accepted' as const }]);
        return { recipients: [result(BUSY)], late };
      },
    });
    const bounces = () => sent.filter((request) => request.envelope.sender === '').length;
    const given = transaction(['a@x', 'no@x']);
    expect(await asOne(deliverer, given)).toMatch(/^451 4\.3\.0 A recipient was refused/);
    // Not known yet what became of it.
    expect(await asOne(deliverer, given)).toMatch(/^451 4\.3\.0 A recipient was refused/);
    expect(bounces()).toBe(1);
    accept?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await asOne(deliverer, given)).toBe('250 2.0.0 Ok: queued');
    expect(bounces()).toBe(1);
  });

  it('lesson 3: a refused recipient of mail from the null sender ends with a log line, without a bounce', async () => {
    const { deliverer, sent } = stage({ reply: (path) => (path === 'keyed@x' ? NO : OK) });
    const given = transaction(['keyed@x', 'a@x'], {
      envelope: {
        sender: '',
        parameters: [],
        recipients: ['keyed@x', 'a@x'].map((path) => ({ path, parameters: [] })),
      },
    });
    expect(await asOne(deliverer, given)).toBe('250 2.0.0 Ok: queued');
    expect(sent).toHaveLength(2);
  });

  it('does not send a second bounce while the first one is on its way', async () => {
    let release: () => void = () => undefined;
    const wait = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { deliverer, sent } = stage({
      send: async (request) => {
        if (request.envelope.sender === '') await wait;
        const recipients = request.envelope.recipients.map(({ path }) => {
          const reply = path === 'keyed@x' ? NO : OK;
          return { reply, class: classOf(reply), stage: 'end-of-data' as const };
        });
        recipients.forEach(({ reply }, index) => {
          if (reply === OK) void request.onAccepted?.(index, reply);
        });
        return { recipients };
      },
    });
    const first = asOne(deliverer, transaction(['keyed@x', 'a@x']));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await asOne(deliverer, transaction(['keyed@x', 'a@x']))).toMatch(/^451 4\.3\.0 /);
    release();
    expect(await first).toBe('250 2.0.0 Ok: queued');
    expect(sent.filter((request) => request.envelope.sender === '')).toHaveLength(1);
  });

  it('is the refusal itself when everybody was refused', async () => {
    const { deliverer } = stage({ reply: () => NO });
    expect(await asOne(deliverer, transaction(['keyed@x', 'a@x']))).toBe('550 5.1.1 unknown');
  });
});

describe('the log', () => {
  it('names nobody whom the next hop names in its replies, whatever becomes of the refused ones', async () => {
    const quoting = (path: string): Reply => ({ ...NO, text: `<${path}>: Recipient address rejected` });
    const { deliverer, logged } = stage({ reply: (path) => (path.startsWith('ok') ? OK : quoting(path)) });
    await replies(deliverer, transaction(['ok@partner.example', 'no@partner.example']));
    // Refused for one of two, and the bounce as well: its recipient is the sender.
    await deliverer.deliverAsOne(
      transaction(['ok@partner.example', 'no@partner.example'], { xforward: { IDENT: 'QUEUE2' } }),
    );
    const nobody = transaction(['ok@partner.example', 'no@partner.example'], {
      xforward: { IDENT: 'QUEUE3' },
    });
    await deliverer.deliverAsOne({ ...nobody, envelope: { ...nobody.envelope, sender: '' } });
    const said = logged.join('');
    expect(said).toContain('the bounce for refused recipients was not accepted');
    expect(said).toContain('a recipient was refused, and no bounce may be sent');
    expect(said).toContain('550 5.1.1 <<address>>: Recipient address rejected');
    expect(said).not.toMatch(/no@partner|c@example/);
  });
});
