// Vitest's setup of every test file: skips all of its tests where a tool is missing that one of its stands needs (needs.ts).
import { aroundAll, type RunnerTestSuite, TestRunner } from 'vitest';
import { lack, needed } from './needs.ts';

needed.clear();

// biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures there, and takes no other form.
aroundAll(async (runTests, {}, suite) => {
  const lacking = [...needed].map(lack).filter((reason) => reason !== null);
  if (lacking.length > 0) skipAll(suite as RunnerTestSuite, lacking);
  await runTests();
});

/** Marks every test as skipped, and takes away the hooks that would start the stand. */
function skipAll(suite: RunnerTestSuite, lacking: readonly string[]): void {
  const { beforeAll, afterAll } = TestRunner.getSuiteHooks(suite);
  beforeAll.length = 0;
  afterAll.length = 0;
  for (const task of suite.tasks) {
    if (task.type === 'suite') skipAll(task, lacking);
    else {
      task.mode = 'skip';
      task.meta.needs = lacking;
      task.result = { state: 'skip' };
    }
  }
}
