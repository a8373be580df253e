// Asks an IMAP server as the portal does, in a process of its own: which authorities Node.js knows is settled when it starts. Takes
// the question as JSON on standard input, and prints the verdict.
import { askImap } from '../../portal/sign-in/imap.ts';

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const { server, credentials } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
process.stdout.write(await askImap(server, credentials));
