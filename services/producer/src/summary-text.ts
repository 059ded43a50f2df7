import type { CheckedSource } from './check-only.ts';
import type { PublishReport } from './publish-report.ts';

/** What a run says on stdout at its end: a JSON line, or a sentence for people. */

export function showReport(report: PublishReport, json: boolean): string {
  if (json) return `${JSON.stringify(report)}\n`;
  const { dataset, rows, batches, bytes, seconds, resentRecords, totalRows, final } = report;
  const speed = Math.round(rows / Math.max(seconds, 0.001));
  const again = resentRecords > 0 ? `; ${count(resentRecords, 'record')} of an earlier run` : '';
  const end = final ? 'the dataset is complete' : 'more rows may follow';
  return [
    `${dataset}: ${count(rows, 'row')} in ${count(batches, 'batch', 'batches')} published`,
    ` (${megabytes(bytes)}, ${seconds.toFixed(1)} s, ${grouped(speed)} rows/s)${again};`,
    ` ${count(totalRows, 'row')} in all, ${end}`,
    `${unformed(report)}${lacking(report)}${compressed(report)}\n`,
  ].join('');
}

export function showSummary(summary: CheckedSource, json: boolean): string {
  if (json) return `${JSON.stringify(summary)}\n`;
  const { dataset, format, items, rows, batches, bytes, eventTime } = summary;
  const what =
    items === undefined ? `the ${format} source agrees` : `${count(items, 'file')} agree`;
  const times =
    eventTime === null ? '' : `, event times ${iso(eventTime.min)} to ${iso(eventTime.max)}`;
  return [
    `${dataset}: ${what} with the contract; ${count(rows, 'row')} in`,
    ` ${count(batches, 'batch', 'batches')} (${megabytes(bytes)}${times}) would be published`,
    `${unformed(summary)}${lacking(summary)}\n`,
    summary.csv === undefined ? '' : `read as --csv "${summary.csv}"\n`,
  ].join('');
}

function lacking({ absentColumns }: Pick<PublishReport, 'absentColumns'>): string {
  if (absentColumns.length === 0) return '';
  const names = absentColumns.join(', ');
  return `; the source lacks what an amendment added, null in each row: ${names}`;
}

function unformed({ unformed: values }: Pick<PublishReport, 'unformed'>): string {
  return values === 0 ? '' : `; ${count(values, 'value')} without a canonical form left out`;
}

function compressed({ compression }: Pick<PublishReport, 'compression'>): string {
  if (compression === null || compression.how === 'none') return '';
  const { chosen, why } = compression;
  return `; compression ${chosen}: ${why}`;
}

const grouped = (value: number) => value.toLocaleString('en-US');
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function count(value: number, one: string, many = `${one}s`): string {
  return `${grouped(value)} ${value === 1 ? one : many}`;
}

/** Years beyond what a Date can hold are shown as they are. */
function iso(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? `${milliseconds} ms` : date.toISOString();
}
