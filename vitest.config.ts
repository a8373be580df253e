import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Three runs of `npm test` read the same sources.
    experimental: { fsModuleCache: true },
    tags: [
      {
        name: 'slow',
        description: 'starts a process or a thread, or takes its time: not in npm run test:fast',
      },
    ],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/property/**/*.test.ts'],
          setupFiles: ['test/support/skip-without-needs.ts', 'test/support/fast-lane.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          // By default one fewer than there are processors, which of two leaves one idle.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          setupFiles: ['test/support/skip-without-needs.ts'],
          globalSetup: ['test/support/template-folder.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          // Real servers on a machine of unknown speed. packaging/test.mjs names each test that needed its second attempt.
          retry: 1,
          // Each file has folders, ports and servers of its own, and waits for them a third of the time.
          maxWorkers: 3,
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/long/**/*.test.ts'],
          setupFiles: ['test/support/skip-without-needs.ts'],
          globalSetup: ['test/support/template-folder.ts'],
          // Hours: a test that hangs says so by its progress.
          testTimeout: 24 * 3_600_000,
          hookTimeout: 240_000,
          maxWorkers: 2,
          // What a test prints is its progress.
          disableConsoleIntercept: true,
        },
      },
    ],
  },
});
