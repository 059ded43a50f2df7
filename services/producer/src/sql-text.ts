/** Pieces of SQL from text that is not ours: file and column names. */

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A path that means one file also when its name has letters of a glob pattern. */
export function quoteFile(path: string): string {
  return quoteText(path.replaceAll(/[*?[]/g, '[$&]'));
}
