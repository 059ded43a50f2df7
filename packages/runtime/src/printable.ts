/**
 * Text of somebody else on a person's terminal: control characters (C0, C1, DEL) and characters
 * that reorder a line are shown as `\u{…}`, so that a name in a contract or a cell of a result can
 * neither move the cursor nor pretend to be another line.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (letter) => `\\u{${(letter.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
