// The panels by their names, and where their DSN comes from.
import { readFileSync } from 'node:fs';
import { mailcowSource } from './mailcow.ts';
import { postfixadminSource } from './postfixadmin.ts';
import { type Source, SourceRefused } from './rows.ts';

export type PanelName = 'postfixadmin' | 'mailcow';

/**
 * A panel as a source.
 * @param dsn or `@` and a file that has it: a password on the command line is seen by every process of the machine
 * @throws SourceRefused
 */
export function panelNamed(name: PanelName, dsn: string): Source {
  const text = dsn.startsWith('@') ? readDsnFile(dsn.slice(1)) : dsn;
  return name === 'mailcow' ? mailcowSource(text) : postfixadminSource(text);
}

function readDsnFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new SourceRefused(
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
