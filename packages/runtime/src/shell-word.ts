/** A word that a POSIX shell reads as this text and nothing else (XCU §2.2.2). */
export function shellWord(text: string): string {
  if (/^[\w./:@%+=,-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
