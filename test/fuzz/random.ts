// Random numbers that come again with the same seed: what a fuzz run finds can be found once more.

export interface Random {
  /** From 0 to below `limit`. */
  below(limit: number): number;
  /** True once in so many times. */
  oneIn(times: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  bytes(length: number): Buffer;
}

/** mulberry32, by Tommy Ettinger (public domain): 32 bits of state, good enough to scatter bytes. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number): number => (limit <= 1 ? 0 : next() % limit);
  return {
    below,
    oneIn: (times) => below(times) === 0,
    pick: (items) => {
      if (items.length === 0) throw new Error('nothing to pick from');
      return items[below(items.length)] as (typeof items)[number];
    },
    bytes: (length) => {
      const bytes = Buffer.allocUnsafe(length);
      for (let at = 0; at < length; at += 1) bytes[at] = next() & 0xff;
      return bytes;
    },
  };
}

/** The seed of one iteration of one target, so that it can be run alone. */
export function seedOf(seed: number, target: string, iteration: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (const text of [target, String(iteration)]) {
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * The same bytes with something wrong: flipped bits, pieces cut out, doubled, moved or replaced, words of the trade put in, line
 * endings changed, a piece of another input in the middle.
 */
export function mutate(
  random: Random,
  bytes: Buffer,
  words: readonly string[],
  others: readonly Buffer[],
): Buffer {
  let out = bytes;
  for (let left = 1 + random.below(6); left > 0; left -= 1) out = mutateOnce(random, out, words, others);
  return out;
}

function mutateOnce(
  random: Random,
  bytes: Buffer,
  words: readonly string[],
  others: readonly Buffer[],
): Buffer {
  const at = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + 1 + random.below(random.oneIn(4) ? 2000 : 20));
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at);
  switch (random.below(11)) {
    case 0: {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    }
    case 1:
      return Buffer.concat([before, bytes.subarray(end)]);
    case 2:
      return Buffer.concat([before, bytes.subarray(at, end), after]);
    case 3:
      return Buffer.concat([before, random.bytes(1 + random.below(8)), after]);
    case 4:
    case 5:
      return Buffer.concat([before, Buffer.from(random.pick(words), 'latin1'), after]);
    case 6:
      return before;
    case 7:
      return Buffer.from(
        bytes.toString('latin1').replace(/\r\n/g, random.pick(['\n', '\r', '\r\r\n', '\r\n'])),
        'latin1',
      );
    case 8: {
      const other = random.pick(others);
      const from = random.below(other.length + 1);
      return Buffer.concat([before, other.subarray(from, from + random.below(4000)), after]);
    }
    case 9:
      return Buffer.concat([before, Buffer.alloc(random.below(300), random.pick(words), 'latin1'), after]);
    default: {
      const copy = Buffer.from(bytes);
      copy.fill(random.pick([0, 0x0a, 0x0d, 0x20, 0x2d, 0x3d, 0xff]), at, end);
      return copy;
    }
  }
}

/** Bytes cut into chunks, as a network cuts them. */
export function cut(random: Random, bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.below(random.oneIn(3) ? 4 : 400);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}
