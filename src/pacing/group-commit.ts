// Group commit: while a batch is under way, what comes in waits and goes out together with the next. One statement and
// one fsync then serve many transactions.

/** Adds one item to the next batch; resolves with its result, rejects when its batch failed. */
export type Batched<Item, Result> = (item: Item) => Promise<Result>;

/**
 * Makes a batching front for `run`.
 * @param run gets at least one item, and must give one result for each, in order
 * @param limit the most items in one batch
 * @param atOnce how many batches may be under way: what comes waits only where there are as many
 */
export function createBatcher<Item, Result>(
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
  limit = 500,
  atOnce = 1,
): Batched<Item, Result> {
  interface Waiting {
    readonly item: Item;
    readonly resolve: (result: Result) => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];
  let running = 0;

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, limit);
      waiting = waiting.slice(limit);
      try {
        const results = await run(batch.map((entry) => entry.item));
        batch.forEach((entry, index) => {
          const result = results[index];
          if (index < results.length) entry.resolve(result as Result);
          else entry.reject(new Error('the batch gave no result for this item'));
        });
      } catch (error) {
        for (const entry of batch) entry.reject(error);
      }
    }
    running -= 1;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      // A turn of the event loop lets everything that arrived together go out together.
      if (running < atOnce) {
        running += 1;
        setImmediate(() => void drain());
      }
    });
}
