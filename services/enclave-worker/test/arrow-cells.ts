import { DataType, tableFromIPC, type Vector } from 'apache-arrow';
import { type ArrowBatch, type ArrowColumn, isValid } from '../src/vault/engine/arrow-batch.ts';

/** The cells of a batch as text, bit by bit: what two readings are compared by. */
export type Cells = readonly (readonly string[])[];

export function cellsOf({ rows, columns }: ArrowBatch): Cells {
  return columns.map((column) =>
    Array.from({ length: rows }, (_none, row) =>
      isValid(column.validity, row) ? cellOf(column, row) : 'null',
    ),
  );
}

function cellOf(column: ArrowColumn, row: number): string {
  switch (column.kind) {
    case 'text':
      return JSON.stringify(column.labels[column.indices[row] ?? -1]);
    case 'bool':
      return String(((column.bits[row >> 3] ?? 0) & (1 << (row & 7))) !== 0);
    case 'fixed':
      return hex(column.values, row, column.width);
  }
}

/** The same by apache-arrow: its own reading of a stream. */
export function cellsByArrow(bytes: Uint8Array): Cells {
  const table = tableFromIPC(bytes);
  return table.schema.fields.map((_field, index) => {
    const vector = table.getChildAt(index);
    if (!vector) throw new Error('a column is missing');
    return Array.from({ length: table.numRows }, (_none, row) => cellByArrow(vector, row));
  });
}

function cellByArrow(vector: Vector, row: number): string {
  if (!vector.isValid(row)) return 'null';
  if (DataType.isDictionary(vector.type)) return JSON.stringify(vector.get(row));
  if (DataType.isBool(vector.type)) return String(vector.get(row));
  // Numbers as they lie there: `get` makes a double of a time, or throws.
  const values: unknown = vector.data[0]?.values;
  if (!isTyped(values)) throw new Error('a column without values');
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return hex(bytes, row, values.BYTES_PER_ELEMENT * vector.stride);
}

interface Typed extends ArrayBufferView {
  readonly BYTES_PER_ELEMENT: number;
}

function isTyped(values: unknown): values is Typed {
  return ArrayBuffer.isView(values) && 'BYTES_PER_ELEMENT' in values;
}

function hex(bytes: Uint8Array, row: number, width: number): string {
  return Buffer.from(bytes.subarray(row * width, (row + 1) * width)).toString('hex');
}
