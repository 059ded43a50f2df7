import type { Dataset } from '@strongroom/protocol/contract';
import { streamIndex, streamOfInteger, streamOfText } from '@strongroom/protocol/partitioning';
import type { ArrowBatch, ArrowColumn } from './arrow-batch.ts';

/**
 * Whether every row of a batch belongs to its stream, where the contract shares rows out by a
 * column: joins within slices, and numbers of contributors that are added up over them, rest on it.
 */
export function belongsTo(arrowBatch: ArrowBatch, dataset: Dataset, stream: string): boolean {
  const { partitionBy, streams = [] } = dataset;
  if (partitionBy === undefined) return true;
  const place = dataset.columns.findIndex(({ name }) => name === partitionBy);
  const column = arrowBatch.columns[place];
  const type = dataset.columns[place]?.type ?? 'utf8';
  if (!column) return false;
  const streamOf = streamsOfRows(column, type, streams.length);
  const own = streamIndex(dataset, stream);
  for (let row = 0; row < arrowBatch.rows; row += 1) if (streamOf(row) !== own) return false;
  return true;
}

function streamsOfRows(
  column: ArrowColumn,
  type: string,
  streams: number,
): (row: number) => number | undefined {
  if (column.kind === 'bool') return () => undefined;
  if (column.kind === 'text') {
    const encoder = new TextEncoder();
    const ofLabels = column.labels.map((label) => streamOfText(encoder.encode(label), streams));
    return (row) => ofLabels[column.indices[row] ?? -1];
  }
  const { values, width } = column;
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  if (width === 8) {
    return (row) =>
      streamOfInteger(view.getInt32(8 * row, true), view.getInt32(8 * row + 4, true), streams);
  }
  const isSigned = !type.startsWith('u');
  return (row) => {
    const low = integerAt(view, row, width, isSigned);
    return streamOfInteger(low, isSigned ? low >> 31 : 0, streams);
  };
}

function integerAt(view: DataView, row: number, width: number, isSigned: boolean): number {
  if (width === 1) return isSigned ? view.getInt8(row) : view.getUint8(row);
  if (width === 2) {
    return isSigned ? view.getInt16(2 * row, true) : view.getUint16(2 * row, true);
  }
  return view.getInt32(4 * row, true);
}
