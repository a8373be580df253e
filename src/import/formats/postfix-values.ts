// Values of main.cf and of alias maps, taken apart (postconf(5), virtual(5), aliases(5)). Pure.

/** A word of a list: a lookup table, a file of names, or a plain name. */
export type ListWord =
  | { readonly kind: 'table'; readonly type: string; readonly table: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'name'; readonly name: string };

export function readListWord(word: string): ListWord {
  const plain = word.replace(/^proxy:/, '');
  if (plain.startsWith('/')) return { kind: 'file', path: plain };
  const type = /^([a-z][a-z0-9_]*):/.exec(plain)?.[1];
  return type === undefined ? { kind: 'name', name: plain } : { kind: 'table', type, table: plain };
}

/** What an alias leads to, or why it is not ours to lead. */
export type AliasValue =
  | { readonly kind: 'addresses'; readonly targets: readonly string[] }
  | { readonly kind: 'special'; readonly because: string };

/**
 * Reads the right-hand side of an alias.
 * @param origin what a name without a domain gets (append_at_myorigin)
 */
export function readAliasValue(value: string, origin: string): AliasValue {
  const targets: string[] = [];
  for (const word of value.match(/(?:"(?:[^"\\]|\\.)*"|[^,\s"])+/g) ?? []) {
    const bare = word.replace(/^"(.*)"$/s, '$1');
    if (bare.startsWith('|'))
      return { kind: 'special', because: 'it gives mail to a command: local(8) does that' };
    if (bare.startsWith('/'))
      return { kind: 'special', because: 'it writes mail to a file: local(8) does that' };
    if (bare.startsWith(':include:'))
      return { kind: 'special', because: 'it includes a file: local(8) reads that' };
    const name = word.replace(/^\\/, '');
    targets.push(name.includes('@') ? name : `${name}@${origin}`);
  }
  return { kind: 'addresses', targets };
}

/** A key of virtual_alias_maps: an address, a catch-all, a name in mydestination, or a domain of aliases. */
export function readVirtualKey(
  key: string,
  origin: string,
): { readonly kind: 'address' | 'domain'; readonly name: string } {
  if (key.includes('@')) return { kind: 'address', name: key };
  return key.includes('.') ? { kind: 'domain', name: key } : { kind: 'address', name: `${key}@${origin}` };
}
