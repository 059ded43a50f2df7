import type { ColumnContract, Dataset } from '@strongroom/protocol/contract';
import { textColumn } from './csv-source.ts';
import type { RowReader } from './row-reader.ts';
import type { SourceColumn, SourceRows, SourceVector } from './source-vector.ts';

/**
 * Columns that an amendment added and that a source of before lacks: every row has a null there.
 * The reader knows nothing of them; they are put in between its columns, where the contract has
 * them.
 */

export function absentColumnsOf(dataset: Dataset, { present }: RowReader): string[] {
  return dataset.columns.filter((column) => !isPresent(column, present)).map(({ name }) => name);
}

export function withAbsentColumns(dataset: Dataset, reader: RowReader): RowReader {
  if (reader.present.columns.length === dataset.columns.length) return reader;
  return {
    present: dataset,
    columns: inOrder<SourceColumn>(dataset, reader.present, reader.columns, (column) =>
      textColumn(column, 'absent'),
    ),
    rows: () => rowsWithNulls(dataset, reader),
    close: () => reader.close(),
  };
}

async function* rowsWithNulls(dataset: Dataset, reader: RowReader): AsyncGenerator<SourceRows> {
  for await (const { from, to, vectors } of reader.rows()) {
    const values = new Int32Array(WORDS_PER_ROW_MAX * to);
    const validity = new Uint8Array(Math.ceil(to / 8));
    const nulls = (column: ColumnContract): SourceVector => {
      const { kind } = textColumn(column, 'absent');
      return kind === 'text' ? { kind, validity, intern: () => -1 } : { kind, values, validity };
    };
    yield { from, to, vectors: inOrder(dataset, reader.present, vectors, nulls) };
  }
}

/** A decimal has most of all kinds. */
const WORDS_PER_ROW_MAX = 4;

/** What the present columns have, in the order of all, and something else for the absent ones. */
function inOrder<Item>(
  dataset: Dataset,
  present: Dataset,
  items: readonly Item[],
  forAbsent: (column: ColumnContract) => Item,
): Item[] {
  const rest = items.values();
  return dataset.columns.map((column) => {
    const item = isPresent(column, present) ? rest.next().value : undefined;
    return item ?? forAbsent(column);
  });
}

function isPresent({ name }: ColumnContract, { columns }: Dataset): boolean {
  return columns.some((each) => each.name === name);
}
