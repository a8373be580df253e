import { expect, it } from 'vitest';
import { snakeCased } from '../../../src/cli/snake-case.ts';

it('names every field in snake_case, at any depth, and leaves data as it is', () => {
  const when = new Date(0);
  expect(
    snakeCased({
      userIds: [{ expiresAt: when, isX509: null }],
      because: 'leftOut stays in a text',
      'Alice@example.org': 1,
      'List-Id': 2,
    }),
  ).toEqual({
    user_ids: [{ expires_at: when, is_x509: null }],
    because: 'leftOut stays in a text',
    'Alice@example.org': 1,
    'List-Id': 2,
  });
});
