import type { Cell, ResultColumn } from './result-columns.ts';

/**
 * RFC 4180 with a header line; a missing value is empty, an empty text is `""`. A text that a
 * spreadsheet would take for a formula, and that could then send the result away, has an apostrophe
 * before it: other owners write such texts. The other formats have all of them as they are.
 */
export function csvHeader(columns: readonly ResultColumn[]): string {
  return csvLine(columns.map((column) => plainText(column.name)));
}

export function csvRows(columns: readonly ResultColumn[], rows: number): string {
  let text = '';
  for (let row = 0; row < rows; row += 1) {
    text += csvLine(columns.map((column) => csvValue(column, row)));
  }
  return text;
}

function csvValue({ kind, cells }: ResultColumn, row: number): Cell {
  const cell = cells[row] ?? null;
  return kind === 'text' && typeof cell === 'string' ? plainText(cell) : cell;
}

function plainText(text: string): string {
  return /^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
}

function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  const text = String(cell);
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
