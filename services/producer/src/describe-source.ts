import type { ColumnContract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { SqlNameSchema } from '@strongroom/protocol/fields';
import { columnList } from './column-mapping.ts';
import type { CsvDialect } from './csv-dialect.ts';
import { inUtf8, startInUtf8 } from './csv-encoding.ts';
import { describeCsv } from './describe-csv.ts';
import { describeNdjson } from './describe-ndjson.ts';
import { describeParquet } from './describe-parquet.ts';
import { type DescribedRows, demandRoom } from './described-rows.ts';
import { DuckDbSession } from './duckdb-session.ts';
import { memoryFile } from './memory-file.ts';
import { malformedSource, type SourceFormat } from './row-reader.ts';
import { identifySource } from './source-format.ts';
import { bytesOf, type FileInput, openInput } from './source-input.ts';

/** What a draft of a contract can say of a file's rows. A guess, for a person to look at. */
export interface SourceDescription {
  readonly format: SourceFormat;
  readonly rows: number;
  readonly columns: readonly ColumnContract[];
  /** The first column of times that lacks none; absent where there is none. */
  readonly eventTime?: string;
  /** What `--columns` needs, where names differ, or columns are left out. */
  readonly mapping?: string;
  /** Columns of the file that no contract can have, and why. */
  readonly leftOut?: readonly LeftOut[];
}

interface LeftOut {
  readonly place: number;
  readonly name: string;
  readonly problem: string;
}

/**
 * Reads a whole file to say which columns it has, in a contract's names and types: those that its
 * rows are published by. Of its values it tells nothing but whether any is missing.
 * @param csv how a CSV file is written; as RFC 4180 has it, with any of its delimiters, when absent
 * @throws ERR_USAGE for what is no CSV, Parquet or NDJSON file, or is packed;
 *   ERR_FILE_UNREADABLE, ERR_SOURCE_MALFORMED, ERR_LIMIT_EXCEEDED
 */
export async function describeSource(source: string, csv?: CsvDialect): Promise<SourceDescription> {
  const { input, format, start } = await identifySource(await openInput(source), 'auto');
  if (input.type !== 'file' || format === 'arrow') {
    const problem = 'a file of CSV, Parquet or NDJSON, not packed';
    throw new StrongroomError('ERR_USAGE', { argument: '--source', problem });
  }
  if (csv !== undefined && format !== 'csv') {
    throw new StrongroomError('ERR_USAGE', { argument: '--csv', problem: 'the source is no CSV' });
  }
  const session = await DuckDbSession.open(format);
  try {
    return {
      format,
      ...description(await describeFile(session, input, format, start, csv), format),
    };
  } finally {
    await session.close();
  }
}

async function describeFile(
  session: DuckDbSession,
  input: FileInput,
  format: Exclude<SourceFormat, 'arrow'>,
  start: Uint8Array,
  csv: CsvDialect | undefined,
): Promise<DescribedRows> {
  const { path } = input;
  if (format === 'ndjson') return describeNdjson(session, path);
  if (format === 'parquet') return describeParquet(session, path);
  const { encoding = 'utf-8' } = csv ?? {};
  if (encoding === 'utf-8') return describeCsv(session, path, start, csv);
  // It is read more than once.
  const text = await memoryFile(inUtf8(bytesOf(input), encoding));
  try {
    return await describeCsv(session, text.path, startInUtf8(start, encoding), csv);
  } finally {
    await text.close();
  }
}

function description({ rows, found }: DescribedRows, format: SourceFormat) {
  const fit = found.filter((column) => column.type !== undefined);
  if (fit.length === 0) throw malformedSource(format, { problem: 'no column of a known type' });
  demandRoom(fit.length);
  const names = contractNames(fit.map(({ name }) => name));
  const columns = fit.map(({ nullable, type }, at): ColumnContract => {
    return { name: names[at] ?? '', nullable, ...(type ?? { type: 'utf8' }) };
  });
  const leftOut = found.flatMap(({ name, type, problem = '' }, place) =>
    type === undefined ? [{ place: place + 1, name, problem }] : [],
  );
  const eventTime = columns.find(({ type, nullable }) => isTime(type) && !nullable)?.name;
  const isRenamed = fit.some(({ name }, at) => name !== names[at]);
  const pairs = fit.map(({ name }, at): [string, string] => [name, names[at] ?? '']);
  return {
    ...{ rows, columns },
    ...(eventTime === undefined ? {} : { eventTime }),
    ...(isRenamed || leftOut.length > 0 ? { mapping: columnList(pairs) } : {}),
    ...(leftOut.length === 0 ? {} : { leftOut }),
  };
}

const isTime = (type: ColumnContract['type']) => type === 'date32' || type.startsWith('timestamp-');

/** Lower-case words joined by underscores; what comes twice gets a number. */
function contractNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name, at) => {
    const plain = name
      .normalize('NFKD')
      .toLowerCase()
      .replaceAll('ß', 'ss')
      .replaceAll(/\p{M}/gu, '')
      .replaceAll(/[^a-z0-9]+/g, '_')
      .replaceAll(/^[_0-9]+|_+$/g, '');
    const wanted = SqlNameSchema.safeParse(plain).success ? plain : `column_${at + 1}`;
    const free = taken.has(wanted) ? `${wanted}_${at + 1}` : wanted;
    taken.add(free);
    return free;
  });
}
