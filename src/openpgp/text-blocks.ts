// The blocks between "-----BEGIN X-----" and "-----END X-----" in a text: OpenPGP's armor (RFC 9580, section 6.2) and PEM
// (RFC 7468). Where they stand in a line does not matter, and every text costs linear time.

export interface TextBlock {
  /** Such as `PGP PUBLIC KEY BLOCK`. */
  readonly label: string;
  /** What stands between both lines; null where the end is missing. */
  readonly body: string | null;
  /** Where the block begins and ends in the text. */
  readonly from: number;
  readonly to: number;
  /** The first line has nothing else behind it. */
  readonly aloneInLine: boolean;
}

/** No upload has as many keys. */
const MOST_BLOCKS = 2000;
const DASHES = '-----';
/** The dashes behind a label may be those before the next one. */
const LINE = /-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ,/]{0,63})(?=-----)/g;

/**
 * Every block, in order. An end belongs to the beginning right before it; a beginning without an end has no body.
 * @param wanted which labels are looked for
 * @param most the blocks behind these are not looked at
 */
export function textBlocks(
  text: string,
  wanted: (label: string) => boolean,
  most = MOST_BLOCKS,
): readonly TextBlock[] {
  const blocks: TextBlock[] = [];
  let open: { readonly label: string; readonly from: number; readonly start: number } | null = null;
  const block = (begun: NonNullable<typeof open>, body: string | null, to: number): TextBlock => ({
    label: begun.label,
    body,
    from: begun.from,
    to,
    aloneInLine: /^[ \t]*(?:[\r\n]|$)/.test(text.slice(begun.start, begun.start + 64)),
  });
  for (const match of text.matchAll(LINE)) {
    const [line, which, label = ''] = match;
    const to = match.index + line.length + DASHES.length;
    if (!wanted(label)) continue;
    if (blocks.length >= most) return blocks;
    if (which === 'BEGIN') {
      if (open !== null) blocks.push(block(open, null, match.index));
      open = { label, from: match.index, start: to };
    } else if (open?.label === label) {
      blocks.push(block(open, text.slice(open.start, match.index), to));
      open = null;
    }
  }
  if (open !== null) blocks.push(block(open, null, text.length));
  return blocks;
}
