// A word as a person may paste it into a shell (POSIX, Shell Command Language, section 2.2.2). Pure.

/** The word itself where it is harmless, else within single quotes: an address may hold `$(...)`, backticks and `;`. */
export function shellWord(word: string): string {
  return /^[\w./:=@+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
