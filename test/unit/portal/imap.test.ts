// A mailbox password against an IMAP server that speaks what Dovecot speaks, and writes down what it is told.
// @module-tag slow
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer as createPlain, type Server, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { askImap, type Credentials, type ImapServer } from '../../../portal/sign-in/imap.ts';
import { openAuthority } from '../../support/authority.ts';

const CREDENTIALS: Credentials = {
  login: 'alice@example.org',
  password: 'correct "horse"',
  client: '192.0.2.7',
};

let secure: Server;
let plain: Server;
let told: string[] = [];
let answer = 'OK [CAPABILITY IMAP4rev1 ID] Logged in';

/** One dialogue, a line at a time; literals are taken as they come. */
function speak(socket: Socket, capabilities: string): void {
  socket.on('error', () => undefined);
  socket.write(`* OK [CAPABILITY ${capabilities}] ready\r\n`);
  let waiting = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    waiting += chunk;
    for (;;) {
      const end = waiting.indexOf('\r\n');
      if (end === -1) return;
      const line = waiting.slice(0, end);
      waiting = waiting.slice(end + 2);
      told.push(line);
      const [tag = '', command = ''] = line.split(' ');
      if (command === 'CAPABILITY') socket.write(`* CAPABILITY ${capabilities}\r\n${tag} OK done\r\n`);
      else if (command === 'ID') socket.write(`* ID ("name" "Dovecot")\r\n${tag} OK done\r\n`);
      else if (command === 'LOGIN') socket.write(`${tag} ${answer}\r\n`);
      else if (command === 'LOGOUT') socket.end(`* BYE bye\r\n${tag} OK done\r\n`);
      else socket.write(`${tag} OK done\r\n`);
    }
  });
}

const listening = (server: Server) =>
  new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
const portOf = (server: Server) => (server.address() as AddressInfo).port;

beforeAll(async () => {
  const authority = openAuthority();
  const { pem, keyFile } = authority.issue('imap', { extensions: ['subjectAltName=DNS:mail.example.org'] });
  secure = createServer({ cert: pem, key: readFileSync(keyFile) }, (socket) => speak(socket, 'IMAP4rev1 ID'));
  plain = createPlain((socket) => speak(socket, 'IMAP4rev1 ID'));
  authority.close();
  await listening(secure);
  await listening(plain);
});
afterAll(() => {
  secure?.close();
  plain?.close();
});
beforeEach(() => {
  told = [];
  answer = 'OK [CAPABILITY IMAP4rev1 ID] Logged in';
});

const server = (): ImapServer => ({ host: '127.0.0.1', port: portOf(secure), implicitTls: true });
const commands = () => told.map((line) => line.split(' ')[1]);

it('a right password is right; the client is named before it, and nothing is opened after it', async () => {
  expect(await askImap(server(), CREDENTIALS)).toBe('right');
  const names = commands();
  expect(names.indexOf('ID')).toBeGreaterThan(-1);
  expect(names.indexOf('ID')).toBeLessThan(names.indexOf('LOGIN'));
  expect(told.find((line) => line.includes(' ID '))).toContain('"x-originating-ip" "192.0.2.7"');
  expect(names.filter((name) => ['SELECT', 'EXAMINE', 'FETCH'].includes(name ?? ''))).toEqual([]);
});

it('a client that is not known is not named', async () => {
  await askImap(server(), { ...CREDENTIALS, client: null });
  expect(told.find((line) => line.includes(' ID '))).not.toContain('x-originating-ip');
});

it.for([
  ['NO [AUTHENTICATIONFAILED] Authentication failed.', 'wrong'],
  ['NO Authentication failed.', 'wrong'],
  ['NO [UNAVAILABLE] Temporary authentication failure.', 'unavailable'],
  ['NO [LIMIT] Too many connections.', 'unavailable'],
] as const)('%s says %s', async ([said, verdict]) => {
  answer = said;
  expect(await askImap(server(), CREDENTIALS)).toBe(verdict);
});

it('no password goes to a server that offers no TLS', async () => {
  const without: ImapServer = { host: '127.0.0.1', port: portOf(plain), implicitTls: false };
  expect(await askImap(without, CREDENTIALS)).toBe('unavailable');
  expect(told.join('\n')).not.toMatch(/LOGIN|AUTHENTICATE|horse/);
});

it('a server that is not there says nothing of the password', async () => {
  const gone: ImapServer = { host: '127.0.0.1', port: 1, implicitTls: true };
  expect(await askImap(gone, CREDENTIALS)).toBe('unavailable');
});

it.for([
  ['quotes and backslashes', 'a\\" LOGOUT "b'],
  ['what looks like a literal', 'x {4+}'],
  ['spaces at both ends', '  x  '],
  ['letters of which Unicode has two spellings', 'e\u0301\u00e9\ufb01'],
] as const)(
  'a password with %s goes as it was typed, and is no more than a password',
  async ([, password]) => {
    expect(await askImap(server(), { ...CREDENTIALS, password })).toBe('right');
    const names = commands().filter((name) => name !== 'CAPABILITY' && name !== 'ID');
    const at = told.findIndex((line) => line.includes(' LOGIN '));
    const written = Buffer.from(told.slice(at).join('\r\n'), 'latin1').toString('utf8');
    expect(names.filter((name) => name === 'LOGIN')).toHaveLength(1);
    expect(written.replace(/\\(.)/g, '$1')).toContain(password);
  },
);

it('a name or a password that would be a line of IMAP is not even put to it', async () => {
  expect(await askImap(server(), { ...CREDENTIALS, password: 'x\r\nA9 LOGOUT' })).toBe('wrong');
  expect(told).toEqual([]);
});
