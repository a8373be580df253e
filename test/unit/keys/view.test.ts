import { expect, it } from 'vitest';
import { expiringWithin, type KeyView } from '../../../src/keys/view.ts';

const NOW = Date.UTC(2026, 5, 10);
const DAY = 86_400_000;

function view(name: string, left: number | null, state: KeyView['state'] = 'usable'): KeyView {
  return {
    kind: 'openpgp',
    fingerprint: name,
    owner: 'a@example.org',
    ownerKind: 'user',
    status: state === 'disabled' ? 'disabled' : 'active',
    source: 'cli',
    state,
    because: null,
    version: 4,
    algorithm: null,
    created: null,
    expires: left === null ? null : new Date(NOW + left).toISOString(),
    revoked: state === 'revoked',
    userIds: [],
    encryptionKeys: [],
    unusedSubkeys: [],
    original: false,
    aead: false,
    x509: null,
    added: '',
  };
}

it('lists what can be used now and expires within the period, the soonest first', () => {
  const views = [
    view('never', null),
    view('in 30 days', 30 * DAY),
    view('a moment later', 30 * DAY + 1),
    view('tomorrow', DAY),
    view('this moment', 0, 'expired'),
    view('yesterday', -DAY, 'expired'),
    view('revoked', DAY, 'revoked'),
    view('disabled', DAY, 'disabled'),
    view('of no use', DAY, 'unusable'),
  ];
  expect(expiringWithin(views, 30 * DAY, NOW).map(({ fingerprint }) => fingerprint)).toEqual([
    'tomorrow',
    'in 30 days',
  ]);
});
