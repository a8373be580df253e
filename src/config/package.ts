// Where this program's own files are: the folder of its package.json, from the sources and from dist/ alike.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let found: { readonly root: string; readonly version: string } | undefined;

function findPackage(): { readonly root: string; readonly version: string } {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
      if (isManifest(content)) return { root: folder, version: content.version };
    }
    const parent = dirname(folder);
    if (parent === folder)
      throw new Error(
        `no package.json of sealpost above ${fileURLToPath(import.meta.url)}; reinstall sealpost`,
      );
    folder = parent;
  }
}

function isManifest(content: unknown): content is { readonly name: string; readonly version: string } {
  return (
    typeof content === 'object' &&
    content !== null &&
    'name' in content &&
    content.name === 'sealpost' &&
    'version' in content &&
    typeof content.version === 'string'
  );
}

/** The folder that holds package.json, migrations/ and postfix-examples/. */
export function packageRoot(): string {
  found ??= findPackage();
  return found.root;
}

/** The version that package.json states. */
export function packageVersion(): string {
  found ??= findPackage();
  return found.version;
}
