// What the README shows is what the programs make.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { README, readmeWithSection } from '../../../docs/sealed-mail.ts';

describe('the README', () => {
  it('shows sealed mail as it is made (else run: npx tsx docs/sealed-mail.ts)', async () => {
    const readme = readFileSync(README, 'utf8');
    expect(readme).toBe(await readmeWithSection(readme));
  });
});
