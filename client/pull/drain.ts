// Everything that waits on the server, page by page.
import { acknowledge } from './acknowledge.ts';
import { groupsOf } from './plan.ts';
import type { PullRun } from './run.ts';
import { take } from './take.ts';

/**
 * Takes everything that waits, until a page of the list is empty, or until the run is to stop. What the Maildir has already is
 * acknowledged; what lately could not be decrypted is left alone.
 */
export async function drain(run: PullRun): Promise<void> {
  const { server, maildir, failures, progress, stop } = run;
  for (let after: string | null = null; !stop.aborted; ) {
    const page = await server.list(after, stop);
    if (page.messages.length === 0) return;
    await acknowledge(
      run,
      page.messages.flatMap(({ id }) => (maildir.has(id) ? [id] : [])),
    );
    const wanted = page.messages.filter(({ id }) => !maildir.has(id) && !failures.lately(id));
    progress.found(wanted.length);
    for (const group of groupsOf(wanted)) {
      if (stop.aborted) return;
      await take(run, group);
    }
    after = page.next;
  }
}
