// What the command line says of server and token: judged before anything is asked.
import { readFileSync } from 'node:fs';
import { Refused, WrongUsage } from '../src/host/exit-codes.ts';

/**
 * Reads --server: an http or https URL, and nothing in it that belongs elsewhere.
 * @throws WrongUsage
 */
export function readServer(text: string, allowHttp: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new WrongUsage(
      `--server: found ${JSON.stringify(text)}, expected a URL such as https://mx1.example.org`,
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new WrongUsage(
      '--server: expected a URL without user, query and fragment; the token goes into --token-file',
    );
  }
  if (url.protocol === 'http:' && !allowHttp && !isThisMachine(url.hostname)) {
    throw new WrongUsage(
      `--server: ${url.protocol}//${url.host} would send the token in the clear; expected https://, or --allow-http in a network that you trust`,
    );
  }
  return url;
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/**
 * Takes the token from a file's first line, or from $SEALPOST_TOKEN.
 * @throws WrongUsage where there is none; Refused when the file cannot be read
 */
export function readToken(file: string | undefined, environment: NodeJS.ProcessEnv): string {
  let token = environment.SEALPOST_TOKEN ?? '';
  if (file !== undefined) {
    try {
      token = readFileSync(file, 'utf8').split(/\r?\n/, 1)[0] ?? '';
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      throw new Refused(`--token-file: ${file} cannot be read: ${reason}`);
    }
  }
  token = token.trim();
  const where = file === undefined ? '$SEALPOST_TOKEN' : `--token-file ${file}`;
  if (token === '') {
    throw new WrongUsage(
      `${where} is empty; expected the token that "sealpost token add ADDRESS" printed, in --token-file FILE or $SEALPOST_TOKEN`,
    );
  }
  if (!/^[!-~]+$/.test(token)) throw new WrongUsage(`${where}: expected a token, found other characters`);
  return token;
}
