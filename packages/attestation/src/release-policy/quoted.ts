const SHOWN_CHARACTERS_MAX = 60;

/**
 * Text of somebody else for a person's eyes: in quotes, in visible ASCII, cut short. A control
 * sequence does nothing, a letter of another alphabet does not pass for the one that it looks like,
 * and a text cannot pretend to be a number.
 */
export function quoted(text: string, charactersMax = SHOWN_CHARACTERS_MAX): string {
  const escaped = JSON.stringify(text.slice(0, charactersMax)).replace(
    /[^ -~]/gu,
    (letter) => `\\u{${(letter.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return text.length > charactersMax ? `${escaped}... (${text.length} characters)` : escaped;
}
