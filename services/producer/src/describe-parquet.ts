import { type DuckDBType, DuckDBTypeId } from '@duckdb/node-api';
import type { ColumnType } from '@strongroom/protocol/contract';
import type { ColumnOfSource, DescribedRows, Shape } from './described-rows.ts';
import { type DuckDbSession, engineTypeName } from './duckdb-session.ts';
import { type ParquetColumn, parquetColumns, parquetTable } from './parquet-source.ts';
import { quoteIdentifier } from './sql-text.ts';

/** The columns of a Parquet file, which says their types itself. */
export async function describeParquet(
  session: DuckDbSession,
  path: string,
): Promise<DescribedRows> {
  const found = await parquetColumns(session, path);
  const missing = found.map(({ name }) => `count(*) - count(${quoteIdentifier(name)})`);
  const finer = found.map((column) => (isFine(column) ? finerThanMicros(column) : '0'));
  const [counts = []] = await session.texts(
    `SELECT ${['count(*)', ...missing, ...finer].join(', ')} FROM ${parquetTable(path)}`,
  );
  const [rows = 0, ...rest] = counts.map(Number);
  return {
    rows,
    found: found.map((column, at): ColumnOfSource => {
      const nullable = (rest[at] ?? 0) > 0;
      const lost = column.problem ?? ((rest[found.length + at] ?? 0) > 0 ? NANOSECONDS : undefined);
      const type = lost === undefined ? shapeOf(column.type) : undefined;
      if (type) return { name: column.name, nullable, type };
      const problem = lost ?? `no contract has a type for ${engineTypeName(column.type)}`;
      return { name: column.name, nullable, type: undefined, problem };
    }),
  };
}

const NANOSECONDS = 'its times are finer than microseconds';

const isFine = ({ type }: ParquetColumn) => type.typeId === DuckDBTypeId.TIMESTAMP_NS;
const finerThanMicros = ({ name }: ParquetColumn) =>
  `count(*) FILTER (WHERE epoch_ns(${quoteIdentifier(name)}) % 1000 <> 0)`;

const TYPES: Partial<Record<DuckDBTypeId, ColumnType>> = {
  [DuckDBTypeId.BOOLEAN]: 'bool',
  [DuckDBTypeId.TINYINT]: 'int8',
  [DuckDBTypeId.SMALLINT]: 'int16',
  [DuckDBTypeId.INTEGER]: 'int32',
  [DuckDBTypeId.BIGINT]: 'int64',
  [DuckDBTypeId.UTINYINT]: 'uint8',
  [DuckDBTypeId.USMALLINT]: 'uint16',
  [DuckDBTypeId.UINTEGER]: 'uint32',
  [DuckDBTypeId.UBIGINT]: 'uint64',
  [DuckDBTypeId.FLOAT]: 'float32',
  [DuckDBTypeId.DOUBLE]: 'float64',
  [DuckDBTypeId.VARCHAR]: 'utf8',
  [DuckDBTypeId.ENUM]: 'utf8',
  [DuckDBTypeId.UUID]: 'utf8',
  [DuckDBTypeId.DATE]: 'date32',
  [DuckDBTypeId.TIMESTAMP_S]: 'timestamp-ms',
  [DuckDBTypeId.TIMESTAMP_MS]: 'timestamp-ms',
  [DuckDBTypeId.TIMESTAMP]: 'timestamp-us',
  [DuckDBTypeId.TIMESTAMP_NS]: 'timestamp-us',
  [DuckDBTypeId.TIMESTAMP_TZ]: 'timestamp-us-utc',
};

function shapeOf(type: DuckDBType): Shape | undefined {
  if (type.typeId === DuckDBTypeId.DECIMAL && 'width' in type && 'scale' in type) {
    return { type: 'decimal128', precision: Number(type.width), scale: Number(type.scale) };
  }
  const known = TYPES[type.typeId];
  return known === undefined ? undefined : { type: known };
}
