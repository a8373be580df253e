// Debian 13's Postfix (3.10), in a root of its own: every road of the delivery wirings, and the resolver against its resolver.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DebianRoot, makeDebianRoot } from '../../support/debian-root.ts';
import { allocatePlaces } from '../../support/places.ts';
import { startPostfix } from '../../support/private-postfix.ts';
import { describeResolver } from '../../support/resolver-suite.ts';
import { describeRoads } from '../../support/roads-suite.ts';

describe('with the Postfix of Debian 13', () => {
  let debian: DebianRoot;
  beforeAll(async () => {
    debian = await makeDebianRoot('trixie');
  }, 900_000);
  afterAll(() => debian?.remove());

  it('is 3.10, and is the one that the stands start', async () => {
    expect(debian.postfixVersion).toMatch(/^3\.10\./);
    const places = await allocatePlaces();
    try {
      const postfix = await startPostfix({ places, example: null, substitutions: {}, mailboxes: 'discard:' });
      await postfix.stop();
      expect(await postfix.log()).toContain(`daemon started -- version ${debian.postfixVersion}`);
    } finally {
      await places.remove();
    }
  });

  describeResolver();
  describeRoads({ name: 'delivery-lmtp', examples: ['delivery-lmtp'] });
  describeRoads({ name: 'delivery-virtual', examples: ['delivery-virtual'] }, ['virtual']);
  describeRoads({ name: 'delivery-local', examples: ['delivery-virtual', 'delivery-local'] });
});
