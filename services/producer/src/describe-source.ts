import { type DuckDBType, DuckDBTypeId } from '@duckdb/node-api';
import type { ColumnContract, ColumnType } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { SqlNameSchema } from '@strongroom/protocol/fields';
import { DuckDbSession, engineTypeName } from './duckdb-session.ts';
import { malformedSource, type SourceFormat } from './row-reader.ts';
import { identifySource } from './source-format.ts';
import { openInput } from './source-input.ts';
import { quoteFile, quoteIdentifier } from './sql-text.ts';

/** What a draft of a contract can say of a file's rows. A guess, for a person to look at. */
export interface SourceDescription {
  readonly format: SourceFormat;
  readonly rows: number;
  readonly columns: readonly ColumnContract[];
  /** The first column of times that lacks none; absent where there is none. */
  readonly eventTime?: string;
  /** What `--columns` needs, where a name of the file cannot stand in a contract. */
  readonly mapping?: string;
}

/**
 * Reads a whole file to say which columns it has, in a contract's names and types. Of its values
 * it tells nothing but whether any is missing.
 * @throws ERR_USAGE for what is no CSV, Parquet or NDJSON file, or is packed;
 *   ERR_FILE_UNREADABLE, ERR_SOURCE_MALFORMED; ERR_COLUMN_TYPE for one that no contract can have
 */
export async function describeSource(source: string): Promise<SourceDescription> {
  const { input, format } = await identifySource(await openInput(source), 'auto');
  if (input.type !== 'file' || format === 'arrow') {
    throw new StrongroomError('ERR_USAGE', { problem: 'a file of CSV, Parquet or NDJSON' });
  }
  const session = await DuckDbSession.open(format);
  try {
    const table = `${READERS[format]}(${quoteFile(input.path)}${SETTINGS[format]})`;
    const found = await session.describe(`SELECT * FROM ${table}`);
    const missing = found.map(({ name }) => `count(*) - count(${quoteIdentifier(name)})`);
    const [counts = []] = await session.texts(`SELECT count(*), ${missing} FROM ${table}`);
    const [rows = 0, ...missed] = counts.map(Number);
    if (found.length === 0) throw malformedSource(format, { problem: 'no column' });
    const names = contractNames(found.map(({ name }) => name));
    const columns = found.map(({ name, type }, at) => ({
      ...{ name: names[at] ?? name, nullable: (missed[at] ?? 0) > 0 },
      ...contractType(name, type),
    }));
    const eventTime = columns.find(({ type, nullable }) => isTime(type) && !nullable)?.name;
    return {
      ...{ format, rows, columns },
      ...(eventTime === undefined ? {} : { eventTime }),
      ...mappingOf(found, names),
    };
  } finally {
    await session.close();
  }
}

const READERS = { csv: 'read_csv', parquet: 'read_parquet', ndjson: 'read_ndjson' } as const;
/** All rows decide, as they will when they are published; an empty field is a missing value. */
const SETTINGS = {
  csv: ", sample_size = -1, header = true, nullstr = '', allow_quoted_nulls = false",
  parquet: ', hive_partitioning = false',
  ndjson: ', sample_size = -1',
} as const;

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
  [DuckDBTypeId.DATE]: 'date32',
  [DuckDBTypeId.TIMESTAMP_S]: 'timestamp-ms',
  [DuckDBTypeId.TIMESTAMP_MS]: 'timestamp-ms',
  [DuckDBTypeId.TIMESTAMP]: 'timestamp-us',
  [DuckDBTypeId.TIMESTAMP_TZ]: 'timestamp-us-utc',
};

function contractType(column: string, type: DuckDBType) {
  if (type.typeId === DuckDBTypeId.DECIMAL && 'width' in type && 'scale' in type) {
    const { width, scale } = type;
    return { type: 'decimal128', precision: Number(width), scale: Number(scale) } as const;
  }
  const known = TYPES[type.typeId];
  if (known !== undefined) return { type: known };
  throw new StrongroomError('ERR_COLUMN_TYPE', { column, found: engineTypeName(type) });
}

const isTime = (type: ColumnType) => type === 'date32' || type.startsWith('timestamp-');

/** Lower-case words joined by underscores; what comes twice gets a number. */
function contractNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name, at) => {
    const plain = name
      .normalize('NFKD')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '_')
      .replaceAll(/^[_0-9]+|_+$/g, '');
    const wanted = SqlNameSchema.safeParse(plain).success ? plain : `column_${at + 1}`;
    const free = taken.has(wanted) ? `${wanted}_${at + 1}` : wanted;
    taken.add(free);
    return free;
  });
}

/** @throws ERR_USAGE for names of which `--columns` cannot be made */
function mappingOf(found: readonly { readonly name: string }[], names: readonly string[]) {
  if (found.every(({ name }, at) => name === names[at])) return {};
  const odd = found.find(({ name }) => name.includes(',') || name.trim() !== name);
  if (odd) {
    throw new StrongroomError('ERR_USAGE', { column: odd.name, problem: 'no comma in a name' });
  }
  return { mapping: found.map(({ name }, at) => `${name}=${names[at]}`).join(',') };
}
