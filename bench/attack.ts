// The memory budget under attack: many large messages at once, and many slow clients. Speed does not matter here; the peak
// does, and that every message arrives once in the end (put off with 452 and sent again, as Postfix would).
import { setTimeout as sleep } from 'node:timers/promises';
import { checkCaptured } from './captured.ts';
import { letter } from './letter.ts';
import { resetTreePeak, treePeakMegabytes } from './process-tree.ts';
import type { Finding, PartOptions, PartResult, Row } from './rows.ts';
import { type Mail, openSession } from './session.ts';
import { RECIPIENTS, SENDER, type Stand, theStand } from './stand.ts';

interface Attack {
  /** What so many clients do. */
  readonly name: string;
  readonly clients: number;
  readonly bytes: number;
  readonly slowly?: NonNullable<Mail['slowly']>;
}

const MB = 2 ** 20;

const ATTACKS: readonly Attack[] = [
  { name: 'clients, 25 MB each, at once', clients: 50, bytes: 25 * MB },
  {
    name: 'slow clients, 256 KB each over ten seconds',
    clients: 1000,
    bytes: 256 * 1024,
    slowly: { pieces: 20, pause: 500 },
  },
];

export async function attackPart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const rows: Row[] = [];
  const findings: Finding[] = [];
  for (const full of ATTACKS) {
    const clients = options.quick ? Math.ceil(full.clients / 5) : full.clients;
    const attack = { ...full, clients, name: `${clients} ${full.name}` };
    options.progress(attack.name);
    // A fresh process: nothing of an earlier peak is left.
    await stand.sealpost.restart();
    const { seconds, peak, putOff } = await run(stand, attack);
    options.progress(`${attack.name}: peak ${peak.toFixed(0)} MB, put off ${putOff} times`);
    rows.push({
      work: `${attack.name}, sealed (put off ${putOff} times)`,
      figures: { 'messages/s': attack.clients / seconds, ms: seconds * 1000, 'peak MB': peak },
    });
    findings.push({ what: `${attack.name}: peak resident memory`, measured: peak, unit: 'MB' });
  }
  return {
    rows,
    findings,
    notes: [
      'With the default filter.memory_budget of 256 MB, which counts message bytes; the processes themselves and what is made of the ' +
        'messages come on top. Each client that is put off (4xx) tries again after a moment, until its message is taken. All arrived ' +
        'once, sealed, and a sample decrypts.',
    ],
  };
}

async function run(
  stand: Stand,
  { name, clients, bytes, slowly }: Attack,
): Promise<{ readonly seconds: number; readonly peak: number; readonly putOff: number }> {
  const pid = stand.sealpost.pid() ?? 0;
  resetTreePeak(pid);
  const started = performance.now();
  let seconds = 0;
  let putOff = 0;
  let peak = 0;
  const { body } = letter(RECIPIENTS.rsa, bytes);
  const expected = { what: name, copies: clients, sealed: true, body, sample: 3 };
  await stand.nextHop.captured(
    name,
    clients,
    async () => {
      const counts = await Promise.all(
        Array.from({ length: clients }, () => deliverInTheEnd(stand, bytes, slowly)),
      );
      seconds = (performance.now() - started) / 1000;
      peak = treePeakMegabytes(pid);
      putOff = counts.reduce((sum, each) => sum + each, 0);
    },
    (messages) => checkCaptured(messages, expected, stand.decrypt),
  );
  return { seconds, peak, putOff };
}

/** @returns how often the message was put off before it was taken */
async function deliverInTheEnd(stand: Stand, bytes: number, slowly: Mail['slowly']): Promise<number> {
  const session = await openSession(stand.ports.lmtp, 'lmtp', 300_000);
  const mail: Mail = {
    sender: SENDER,
    recipients: [RECIPIENTS.rsa],
    letter: letter(RECIPIENTS.rsa, bytes),
    ...(slowly === undefined ? {} : { slowly }),
  };
  for (let putOff = 0; ; putOff += 1) {
    const delivery = await session.deliver(mail);
    if (!delivery.putOff) {
      await session.quit();
      return putOff;
    }
    if (putOff > 2000) throw new Error(`${bytes} bytes were put off ${putOff} times`);
    await sleep(100 + Math.random() * 300);
  }
}
