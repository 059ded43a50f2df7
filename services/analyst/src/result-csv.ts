import type { Cell, ResultColumn } from './result-columns.ts';

/** RFC 4180 with a header line; a missing value is empty, an empty text is `""`. */
export function csvHeader(columns: readonly ResultColumn[]): string {
  return csvLine(columns.map((column) => column.name));
}

export function csvRows(columns: readonly ResultColumn[], rows: number): string {
  let text = '';
  for (let row = 0; row < rows; row += 1) {
    text += csvLine(columns.map((column) => column.cells[row] ?? null));
  }
  return text;
}

function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  const text = String(cell);
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
