import { saveFile } from '@strongroom/page/view/save-file';
import type { VerifiedResult } from '../open-aggregate.ts';
import { resultArrow } from '../result-arrow.ts';
import { checkSameColumns, columnsWithWindow } from '../result-columns.ts';
import { csvHeader, csvRows } from '../result-csv.ts';
import { resultParquet } from './parquet.ts';

/** Results as files, by the code that the command writes them with. */

export const EXPORTS = [
  { format: 'csv', label: 'CSV', type: 'text/csv' },
  { format: 'parquet', label: 'Parquet', type: 'application/vnd.apache.parquet' },
  { format: 'arrow', label: 'Arrow', type: 'application/vnd.apache.arrow.file' },
] as const;
export type ExportFormat = (typeof EXPORTS)[number]['format'];

/** @throws ERR_AGGREGATE_MALFORMED when a window does not have the columns of the first */
export function saveResults(
  name: string,
  format: ExportFormat,
  results: readonly VerifiedResult[],
): void {
  const type = EXPORTS.find((each) => each.format === format)?.type ?? '';
  saveFile(`${name}.${format}`, new Blob([bytesOf(format, results)], { type }));
}

function bytesOf(format: ExportFormat, results: readonly VerifiedResult[]): BlobPart {
  const all = results.map(columnsWithWindow);
  const [first = []] = all;
  for (const [place, columns] of all.entries()) {
    checkSameColumns(first, columns, results[place]?.seal.query ?? '');
  }
  if (format === 'arrow') return new Uint8Array(resultArrow(results, 'file'));
  if (format === 'parquet') return resultParquet(results);
  const rows = results.map((result, place) => csvRows(all[place] ?? [], result.content.rows));
  return [csvHeader(first), ...rows].join('');
}
