// The portal as a part of serve.
import type { WorkingPart } from './part.ts';

export const portalPart: WorkingPart = {
  name: 'portal',
  runs: 'in the first worker',
  closes: 'with the mail',
  fixedKeys: [
    'portal.listen',
    'portal.url',
    'portal.trusted_header',
    'portal.trusted_proxies',
    'portal.trusted_listen',
    'portal.trusted_mode',
    'portal.trusted_group',
    'portal.trusted_secret_file',
  ],
  wanted: ({ portal }) => portal.listen !== null,
  async start({ current, engine, logger, passed }) {
    // Its server and its libraries take a while to load, and few have it.
    const { startPortal } = await import('../../../portal/portal.ts');
    const listeners = await startPortal({ current, database: engine.database, logger, passed });
    return {
      listeners: () => listeners,
      complaints: async () => [],
      describe: async () => ({}),
      // What is not fixed is read for every request.
      reconfigure: () => undefined,
      close: async (graceMs) => {
        await Promise.all(listeners.map((listener) => listener.close(graceMs)));
      },
    };
  },
};
