// What stands on this machine: files and their modes, room on the disks, who owns what.
import { readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { packageRoot, packageVersion } from '../../config/package.ts';
import { embeddedFolder } from '../../database/embedded/place.ts';
import { ownerOf } from '../../database/embedded/user.ts';
import type { DiskFacts, FileFacts, Reader } from '../facts.ts';

export const readMachine: Reader<'machine'> = async (ask) => {
  const { config } = await ask('config');
  const described = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8')) as {
    readonly engines: { readonly node: string };
  };
  return {
    node: process.versions.node,
    wanted: described.engines.node.replace(/^>=/, ''),
    version: packageVersion(),
    now: Date.now(),
    lastBackup: await stat(join(config.state_dir, 'last-backup')).then(
      ({ mtimeMs }) => mtimeMs,
      () => null,
    ),
    embeddedOwner: await accountOf(embeddedFolder(config.state_dir)),
  };
};

async function accountOf(path: string): Promise<string | null> {
  const owner = ownerOf(path);
  if (owner === null) return null;
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const row = passwd.split('\n').find((line) => line.split(':')[2] === String(owner.uid));
  return row?.split(':')[0] ?? `uid ${owner.uid}`;
}

export const readFiles: Reader<'files'> = async (ask) => {
  const { config, path, extraFiles } = await ask('config');
  const sockets = [
    ...config.filter.listen.map(({ address }) => address),
    ...config.receiver.listen,
    config.policy.socketmap.listen,
    config.policy.delegation.listen,
  ].flatMap((at) => (at?.kind === 'unix' ? [at.path] : []));
  const wanted: readonly (readonly [string, string])[] = [
    ['state_dir', config.state_dir],
    ...(path === null ? [] : [['config', path] as const]),
    ...extraFiles.map((extra) => ['config', extra] as const),
    ['log.key', join(config.state_dir, 'log.key')],
    ...sockets.map((socket) => ['socket', socket] as const),
    ...config.receiver.spool.map((spool) => ['spool', spool] as const),
  ];
  return Promise.all(wanted.map(([what, file]) => fileFacts(what, file)));
};

/** @throws what stat(2) says, except that there is no such file */
export async function fileFacts(what: string, path: string): Promise<FileFacts> {
  try {
    const { mode, uid, gid } = await stat(path);
    return { what, path, mode, uid, gid };
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
    return { what, path, mode: null, uid: 0, gid: 0 };
  }
}

export const readDisks: Reader<'disks'> = async (ask) => {
  const { config } = await ask('config');
  const queue = await ask('postfix').then(
    ({ main }) => main.get('queue_directory'),
    () => undefined,
  );
  const places: readonly (readonly [string, string])[] = [
    ['state_dir', config.state_dir],
    ...config.receiver.spool.map((spool) => ['spool', spool] as const),
    ...(queue === undefined ? [] : [['queue of Postfix', queue] as const]),
  ];
  const found = await Promise.all(places.map(([what, path]) => diskFacts(what, path)));
  return found.filter((disk) => disk !== null);
};

async function diskFacts(what: string, path: string): Promise<DiskFacts | null> {
  const disk = await statfs(path).catch(() => null);
  // What is not there yet will be made in the folder above it.
  if (disk === null) return dirname(path) === path ? null : diskFacts(what, dirname(path));
  return {
    what,
    path,
    free: disk.bavail * disk.bsize,
    total: disk.blocks * disk.bsize,
    freeInodes: disk.ffree,
    totalInodes: disk.files,
  };
}
