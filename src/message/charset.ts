// What a character set's name says of the bytes of a text.

/** In these, ASCII is ASCII. UTF-16, UTF-7 and EBCDIC are no such character sets. */
const ASCII_SUPERSET =
  /^(?:us-ascii|utf-?8|iso-?8859-\d+|iso-2022-(?:jp|kr)|latin-?\d|windows-\d+|cp\d+|koi8-[ru]|euc-(?:jp|kr|cn|tw)|gb2312|gbk|gb18030|big5|shift_jis|tis-620|macintosh)$/i;

/** Whether bytes below 128 are ASCII in this character set, so that armor may bear its name. */
export function holdsAscii(label: string): boolean {
  return ASCII_SUPERSET.test(label);
}
