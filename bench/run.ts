// `npm run bench`: sealpost beside what people run today, in one run on one machine, as ratios. A figure is printed only
// when all its messages arrived and a sample of them decrypted to what was sent.
//
//   npm run bench [-- --quick]     fewer messages, for a look
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repository } from '../test/e2e/support/places.ts';
import { benchLookups } from './lookups.ts';
import { measureGreeting, measurePipe, measureProxy, type PipeFigure, type ProxyFigure } from './measure.ts';
import { createStand, USERS } from './stand.ts';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const scale = values.quick ? 0.1 : 1;
const ROUNDS = values.quick ? 1 : 3;

function progress(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const stand = await createStand(progress);
const lines: string[] = [];
try {
  const greeting = await measureGreeting(stand, 50);
  progress(
    `greeting: median ${greeting.medianMs.toFixed(2)} ms, slowest ${greeting.slowestMs.toFixed(2)} ms`,
  );

  const ours: ProxyFigure[] = [];
  const peers: ProxyFigure[] = [];
  const overlapping: ProxyFigure[] = [];
  progress('warming up ...');
  await measureProxy(stand, 'sealpost', Math.round(1000 * scale));
  await measureProxy(stand, 'lacre-like', Math.round(50 * scale));
  await measureProxy(stand, 'overlapping-python', Math.round(100 * scale));
  // Turn by turn, so that whatever else the machine does touches both.
  for (let round = 1; round <= ROUNDS; round += 1) {
    ours.push(await measureProxy(stand, 'sealpost', Math.round(2000 * scale)));
    peers.push(await measureProxy(stand, 'lacre-like', Math.round(200 * scale)));
    overlapping.push(await measureProxy(stand, 'overlapping-python', Math.round(600 * scale)));
    progress(
      `round ${round}: sealpost ${ours.at(-1)?.perSecond.toFixed(0)}/s, aiosmtpd + gpg ${peers.at(-1)?.perSecond.toFixed(0)}/s, overlapped ${overlapping.at(-1)?.perSecond.toFixed(0)}/s`,
    );
  }
  const modern = await measureProxy(stand, 'sealpost', Math.round(2000 * scale), stand.modern);
  const modernPeer = await measureProxy(stand, 'lacre-like', Math.round(200 * scale), stand.modern);
  const lmtp = await measureProxy(stand, 'sealpost-lmtp', Math.round(2000 * scale));
  const direct = await measureProxy(stand, 'direct', Math.round(2000 * scale));
  progress(
    `LMTP with reuse ${lmtp.perSecond.toFixed(0)}/s; smtp-source straight into smtp-sink ${direct.perSecond.toFixed(0)}/s`,
  );

  const pipes: PipeFigure[] = [];
  const pythonPipes: PipeFigure[] = [];
  const barePipes: PipeFigure[] = [];
  const nodes: PipeFigure[] = [];
  for (let round = 1; round <= Math.max(5, Math.round(20 * scale)); round += 1) {
    pipes.push(await measurePipe(stand, 'sealpost-pipe'));
    pythonPipes.push(await measurePipe(stand, 'mailgate-pipe'));
    barePipes.push(await measurePipe(stand, 'bare-python-pipe'));
    nodes.push(await measurePipe(stand, 'node -e 0'));
  }
  await stand.verify(progress);

  const rate = median(ours.map((figure) => figure.perSecond));
  const peerRate = median(peers.map((figure) => figure.perSecond));
  const overlapRate = median(overlapping.map((figure) => figure.perSecond));
  const pipeMs = median(pipes.map((figure) => figure.ms));
  const pythonMs = median(pythonPipes.map((figure) => figure.ms));
  const bareMs = median(barePipes.map((figure) => figure.ms));
  const nodeMs = median(nodes.map((figure) => figure.ms));
  lines.push(
    '# sealpost benchmark',
    '',
    `${new Date().toISOString()}, Node.js ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
    '',
    `A mail server with ${USERS} users who have keys. The Python peers: "built as GPG-Mailgate and Lacre are" lists the secret and the public`,
    'keyring for every message, as those do, so their time grows with the number of users; the other ones leave out everything that',
    'could be left out. All are in bench/peers/.',
    '',
    '| ratio | measured | target |',
    '|---|---|---|',
    `| 4 KB sealed, SMTP, 8 sessions, no reuse: sealpost over aiosmtpd + gpg, built as GPG-Mailgate and Lacre are | ${(rate / peerRate).toFixed(1)} | > 20 |`,
    `| the same, over a Python proxy that overlaps its gpg processes and leaves out all it can | ${(rate / overlapRate).toFixed(1)} | |`,
    `| the same with a Curve25519 key, over aiosmtpd + gpg, built as GPG-Mailgate and Lacre are | ${(modern.perSecond / modernPeer.perSecond).toFixed(1)} | |`,
    `| pipe: sealpost-pipe over a Python pipe filter built as GPG-Mailgate is (time) | ${(pipeMs / pythonMs).toFixed(2)} | < 0.5 |`,
    `| pipe: sealpost-pipe over a Python pipe filter stripped to gpg and smtplib (time) | ${(pipeMs / bareMs).toFixed(2)} | |`,
    `| pipe: sealpost-pipe over \`node -e 0\` (time) | ${(pipeMs / nodeMs).toFixed(2)} | |`,
    `| 4 KB sealed, LMTP, 8 sessions, reuse, over smtp-source straight into smtp-sink | ${(lmtp.perSecond / direct.perSecond).toFixed(3)} | |`,
    '',
    '| figure | value |',
    '|---|---|',
    `| sealpost, SMTP, no reuse | ${rate.toFixed(0)} messages per second |`,
    `| sealpost, SMTP, no reuse, Curve25519 | ${modern.perSecond.toFixed(0)} messages per second |`,
    `| aiosmtpd + gpg, the same | ${peerRate.toFixed(0)} messages per second |`,
    `| Python, overlapping gpg processes, the same | ${overlapRate.toFixed(0)} messages per second |`,
    `| sealpost, LMTP, reuse | ${lmtp.perSecond.toFixed(0)} messages per second |`,
    `| smtp-source into smtp-sink, reuse | ${direct.perSecond.toFixed(0)} messages per second |`,
    `| sealpost-pipe, one 4 KB message | ${pipeMs.toFixed(0)} ms |`,
    `| Python pipe filter built as GPG-Mailgate is, the same | ${pythonMs.toFixed(0)} ms |`,
    `| Python pipe filter stripped to the bone, the same | ${bareMs.toFixed(0)} ms |`,
    `| \`node -e 0\` | ${nodeMs.toFixed(0)} ms |`,
    `| greeting | median ${greeting.medianMs.toFixed(2)} ms, slowest of 50 ${greeting.slowestMs.toFixed(2)} ms |`,
    '',
    'Medians of rounds taken in turn. Every message was counted at the next hop, and a sample was decrypted and compared.',
    '',
  );
} finally {
  await stand.close();
}
const lookups = await benchLookups({ quick: values.quick, progress });
const report = `${lines.join('\n')}\n${lookups}\n`;
await mkdir(join(repository, 'bench', 'results'), { recursive: true });
await writeFile(join(repository, 'bench', 'results', 'latest.md'), report);
process.stdout.write(`\n${report}\n`);
process.exit(0);
