// A domain's submission key: made once, for its owner alone, and never written over.
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { submissionAddress } from '../../../src/publishing/submission-address.ts';
import {
  domainOfKeyFile,
  ensureSubmissionKey,
  readSubmissionKey,
  submissionKeyPath,
} from '../../../src/publishing/submission-key.ts';

describe('a submission key', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sealpost-wks-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const ADDRESS = submissionAddress('keys', 'example.org');

  it('is made once, with the bare address as its only user ID, and readable by its owner alone', async () => {
    expect(await readSubmissionKey(folder, 'example.org')).toBeNull();
    const { key, made } = await ensureSubmissionKey(folder, 'example.org', ADDRESS);
    expect(made).toBe(true);
    expect(key.addresses).toEqual(['keys@example.org']);
    expect(key.certificate.getUserIDs()).toEqual(['keys@example.org']);
    expect(key.certificate.isPrivate()).toBe(false);
    expect(statSync(key.path).mode & 0o7777).toBe(0o600);
    expect(statSync(join(folder, 'wks')).mode & 0o7777).toBe(0o700);
    const text = readFileSync(key.path, 'utf8');
    const again = await ensureSubmissionKey(folder, 'example.org', 'other@example.org');
    expect([again.made, readFileSync(key.path, 'utf8')]).toEqual([false, text]);
  });

  it('is never written through a link, nor over what lies there', async () => {
    writeFileSync(submissionKeyPath(folder, 'broken.example'), 'no key');
    await expect(ensureSubmissionKey(folder, 'broken.example', ADDRESS)).rejects.toThrow(
      'broken.example.key',
    );
    expect(readFileSync(submissionKeyPath(folder, 'broken.example'), 'utf8')).toBe('no key');
    symlinkSync(join(folder, 'elsewhere'), submissionKeyPath(folder, 'linked.example'));
    await expect(ensureSubmissionKey(folder, 'linked.example', ADDRESS)).rejects.toThrow();
    expect(() => statSync(join(folder, 'elsewhere'))).toThrow();
  });

  it.each(['../example.org', 'a/b', '', '.hidden', '[192.0.2.1]', 'Example.org'])(
    'has no file for %j',
    (name) => {
      expect(() => submissionKeyPath(folder, name)).toThrow('is no name of a domain');
      expect(domainOfKeyFile(`${name}.key`)).toBeNull();
    },
  );
});
