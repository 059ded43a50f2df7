import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isWidening } from '@strongroom/protocol/amendment';
import {
  COLUMN_TYPES,
  type ColumnContract,
  type ColumnType,
  type Dataset,
  parseContract,
} from '@strongroom/protocol/contract';
import { signContract } from '@strongroom/sealing/sign';
import { afterAll, describe, expect, test } from 'vitest';
import { type Agreed, agreeOn, benchOf } from '../test/publish-fixtures.ts';
import {
  datasetOf,
  failureOf,
  fileWith,
  parquetWith,
  readAll,
  rowsOf,
  temporaryFolder,
} from '../test/source-fixtures.ts';
import { parseColumnMapping } from './column-mapping.ts';

/**
 * Sources of before an amendment, and sources that nobody amended the contract for: what they hold
 * arrives exactly as it is, or nothing of it is published.
 */

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** Two values of each type that only a type with room for all of its values has. */
const VALUES: Readonly<Record<ColumnType, readonly [string, string]>> = {
  bool: ['false', 'true'],
  int8: ['(-128)::TINYINT', '127::TINYINT'],
  int16: ['(-32768)::SMALLINT', '32767::SMALLINT'],
  int32: ['(-2147483648)::INTEGER', '2147483647::INTEGER'],
  int64: ['(-9223372036854775808)::BIGINT', '9223372036854775807::BIGINT'],
  uint8: ['0::UTINYINT', '255::UTINYINT'],
  uint16: ['0::USMALLINT', '65535::USMALLINT'],
  uint32: ['0::UINTEGER', '4294967295::UINTEGER'],
  uint64: ['0::UBIGINT', '18446744073709551615::UBIGINT'],
  float32: ['0.1::FLOAT', `'-3.4028235e38'::FLOAT`],
  float64: ['0.1::DOUBLE', '1.7976931348623157e308::DOUBLE'],
  decimal128: [
    "'-99999999999999999.999'::DECIMAL(20, 3)",
    "'99999999999999999.999'::DECIMAL(20, 3)",
  ],
  utf8: [`'a'`, `'Zürich'`],
  date32: [`DATE '1969-12-31'`, `DATE '9999-12-31'`],
  'timestamp-ms': [
    `TIMESTAMP_MS '1969-12-31 23:59:59.999'`,
    `TIMESTAMP_MS '9999-12-31 01:02:03.004'`,
  ],
  'timestamp-us': [
    `TIMESTAMP '1969-12-31 23:59:59.999999'`,
    `TIMESTAMP '9999-12-31 01:02:03.000004'`,
  ],
  'timestamp-us-utc': [
    `TIMESTAMPTZ '1969-12-31 23:59:59.999999Z'`,
    `TIMESTAMPTZ '9999-12-31 01:02:03.000004Z'`,
  ],
};

/** No amendment leads there, and yet no value changes: the digits fit, the bits are the same. */
const ALSO_EXACT: Readonly<Partial<Record<ColumnType, readonly ColumnType[]>>> = {
  ...{ int8: ['decimal128'], int16: ['decimal128'], int32: ['decimal128'] },
  ...{ uint8: ['decimal128'], uint16: ['decimal128'], uint32: ['decimal128'] },
  'timestamp-us-utc': ['timestamp-us'],
};

const MICROSECONDS: Partial<Record<ColumnType, bigint>> = {
  date32: 86_400_000_000n,
  'timestamp-ms': 1_000n,
  'timestamp-us': 1n,
  'timestamp-us-utc': 1n,
};

/** What a raw value says, whatever its type. */
function meaning(type: ColumnType, raw: unknown, from: ColumnType): string {
  const step = MICROSECONDS[type];
  if (step !== undefined) return `${BigInt(String(raw)) * step}`;
  if (type === 'decimal128' && from !== type) return `${Number(raw) / 1_000}`;
  return String(raw);
}

const written = (from: ColumnType) => {
  const [low, high] = VALUES[from];
  const sql = `SELECT c FROM (VALUES (0, ${low}), (1, ${high})) AS t(place, c) ORDER BY place`;
  return parquetWith(folder.path, `${from}.parquet`, sql);
};

describe('a source of one type under a contract of another', () => {
  test.each(COLUMN_TYPES)('%s', async (from) => {
    const parquet = await written(from);
    const [own] = await readAll(datasetOf([`c ${from}`]), parquet);
    const said = rowsOf(own ? [own] : []).map(([raw]) => meaning(from, raw, from));
    expect(said).toHaveLength(2);
    const arrow = fileWith(folder.path, `${from}.arrow`, own?.bytes ?? '');
    for (const to of COLUMN_TYPES) {
      const fits = from === to || isWidening(from, to) || ALSO_EXACT[from]?.includes(to) === true;
      for (const path of [parquet, arrow]) {
        const reading = readAll(datasetOf([`c ${to}`]), path);
        const failure = await failureOf(reading);
        expect([path, to, failure.code]).toEqual([path, to, fits ? 'no error' : 'ERR_COLUMN_TYPE']);
        if (!fits) {
          expect(failure.text).toContain(`"expectedType":"${to}"`);
          // Parquet has no milliseconds of its own here, and a zone is not looked at.
          const hint = isWidening(to, from) ? from : undefined;
          const said = /"amendTo":"([^"]+)"/.exec(failure.text)?.[1];
          if (path === arrow && from !== 'timestamp-us-utc') expect(said).toBe(hint);
          continue;
        }
        const read = rowsOf(await reading).map(([raw]) => meaning(to, raw, from));
        expect([path, to, read]).toEqual([path, to, said]);
      }
    }
  });
});

/** A dataset of two columns to which an amendment has added one. */
function amended(type: ColumnType = 'int32'): Dataset {
  const dataset = datasetOf(['word utf8', `added ${type}?`, 'n int32']);
  const columns = dataset.columns.map(
    (column): ColumnContract => (column.name === 'added' ? { ...column, since: 2 } : column),
  );
  return { ...dataset, columns };
}

const OLD = 'word,n\na,1\nb,2\n';
const oldSources = async () => ({
  csv: fileWith(folder.path, 'old.csv', OLD),
  ndjson: fileWith(folder.path, 'old.ndjson', '{"word":"a","n":1}\n{"word":"b","n":2}\n'),
  parquet: await parquetWith(folder.path, 'old.parquet', `FROM '${folder.path}/old.csv'`),
});

describe('a source without the column that an amendment added', () => {
  test.each(COLUMN_TYPES)('has nulls there: %s', async (type) => {
    const { csv, ndjson, parquet } = await oldSources();
    const [own] = await readAll(datasetOf(['word utf8', 'n int32']), csv);
    const arrow = fileWith(folder.path, 'old.arrow', own?.bytes ?? '');
    for (const path of [csv, ndjson, parquet, arrow]) {
      const rows = rowsOf(await readAll(amended(type), path));
      expect([path, rows]).toEqual([
        path,
        [
          ['a', null, 1],
          ['b', null, 2],
        ],
      ]);
    }
  });

  test('and one with it has its values', async () => {
    const path = fileWith(folder.path, 'new.csv', 'n,added,word\n1,7,a\n2,,b\n');
    expect(rowsOf(await readAll(amended(), path))).toEqual([
      ['a', 7, 1],
      ['b', null, 2],
    ]);
  });

  test.each<[string, string, string, string]>([
    ['a misspelt name', 'word,n,aded\na,1,7\n', 'ERR_COLUMN_UNKNOWN', '"place":3'],
    ['another case', 'word,n,Added\na,1,7\n', 'ERR_COLUMN_UNKNOWN', '"place":3'],
    ['a column of before missing', 'word,added\na,7\n', 'ERR_COLUMN_MISSING', '"column":"n"'],
    ['a column of before renamed', 'word,m\na,7\n', 'ERR_COLUMN_MISSING', '"column":"n"'],
    ['one renamed, beside the new', 'word,added,m\na,7,1\n', 'ERR_COLUMN_MISSING', 'edAtPlace":3'],
    ['no header', 'a,1\nb,2\n', 'ERR_COLUMN_MISSING', '"column":"word"'],
    ['nulls where none may be', 'word,n\na,\n', 'ERR_COLUMN_NULL', '"row":1'],
  ])('passes for none: %s', async (_name, text, code, said) => {
    const failure = await failureOf(readAll(amended(), fileWith(folder.path, 'bad.csv', text)));
    expect(failure.code).toBe(code);
    expect(failure.text).toContain(said);
  });

  test('may not be missing from --columns, which leaves other columns out', async () => {
    const dataset = amended();
    const path = fileWith(folder.path, 'more.csv', 'word,m,aded\na,1,7\n');
    const columns = parseColumnMapping('m=n', dataset);
    const failure = await failureOf(readAll(dataset, path, { columns }));
    expect(failure.code).toBe('ERR_COLUMN_MISSING');
    expect(failure.text).toContain('"column":"added"');
  });

  test('is named by --columns where that leaves other columns out', async () => {
    const dataset = amended();
    const csv = fileWith(folder.path, 'said.csv', 'word,m,aded,\na,1,7,x\n');
    const lines = '{"word":"a","m":1,"aded":7,"":"x"}\n';
    for (const path of [csv, fileWith(folder.path, 'said.ndjson', lines)]) {
      const columns = parseColumnMapping('m=n,=added', dataset);
      expect(rowsOf(await readAll(dataset, path, { columns }))).toEqual([['a', null, 1]]);
    }
    for (const text of ['=n', '=added,aded=added', '=none']) {
      expect(() => parseColumnMapping(text, dataset)).toThrow();
    }
  });

  test('may not lack a nullable column that was always there', async () => {
    const dataset = datasetOf(['word utf8', 'added int32?', 'n int32']);
    const failure = await failureOf(readAll(dataset, fileWith(folder.path, 'o.csv', OLD)));
    expect(failure.code).toBe('ERR_COLUMN_MISSING');
  });
});

/** The next version, which all have signed: one more column. */
async function amend({ contract, contractId, owner, analyst }: Agreed): Promise<unknown> {
  const { version } = contract;
  const datasets = contract.datasets.map((dataset) => ({
    ...dataset,
    columns: [
      ...dataset.columns,
      { name: `c${version + 1}`, type: 'utf8', nullable: true, since: version + 1 },
    ],
  }));
  const next = { ...contract, version: version + 1, previous: contractId, datasets };
  return signContract(await signContract(parseContract(next), owner), analyst);
}

describe('a producer under an amended contract', () => {
  const begun = async (name: string) => {
    const agreed = await agreeOn(datasetOf(['word utf8', 'n int32']));
    return { agreed, bench: benchOf(agreed, folder.path, name), next: await amend(agreed) };
  };

  test('publishes an old source, and says what it lacks', async () => {
    const { bench, next } = await begun('first');
    const { csv } = await oldSources();
    expect((await bench.publish(csv)).absentColumns).toEqual([]);
    const stateFolder = join(folder.path, 'second');
    const report = await bench.publish(csv, { signedContract: next, stateFolder });
    expect(report).toMatchObject({ rows: 2, absentColumns: ['c2'] });
  });

  test('publishes nothing under a version whose successor it was shown once', async () => {
    const { bench, next } = await begun('shown');
    const { csv } = await oldSources();
    await bench.publish(csv, { final: false });
    const sent = bench.entries().length;
    const shown = await failureOf(bench.publish(csv, { amendments: [next] }));
    expect(shown.code).toBe('ERR_CONTRACT_SUPERSEDED');
    expect(readdirSync(bench.stateFolder).sort()).toEqual(['state.json', 'successor.json']);
    const later = await failureOf(bench.publish(csv));
    expect(later.code).toBe('ERR_CONTRACT_SUPERSEDED');
    expect(later.text).toContain('"version":2');
    expect(bench.entries()).toHaveLength(sent);
  });

  test('nor when it was shown early, or began the successor in the same folder', async () => {
    const { bench, next } = await begun('early');
    const { csv } = await oldSources();
    expect((await failureOf(bench.publish(csv, { amendments: [next] }))).code).toMatch(
      'SUPERSEDED',
    );
    expect((await failureOf(bench.publish(csv))).code).toBe('ERR_CONTRACT_SUPERSEDED');
    const stateFolder = join(folder.path, 'mixed');
    await bench.publish(csv, { stateFolder, final: false });
    const mixed = await failureOf(bench.publish(csv, { signedContract: next, stateFolder }));
    expect([mixed.code, mixed.text]).toEqual(['ERR_STATE_CORRUPT', expect.stringMatching('own')]);
    const back = await failureOf(bench.publish(csv, { stateFolder }));
    expect(back.code).toBe('ERR_CONTRACT_SUPERSEDED');
    expect(bench.entries().length).toBeGreaterThan(0);
  });

  test('and not by an amendment that not all have signed', async () => {
    const { agreed, bench } = await begun('unsigned');
    const { csv } = await oldSources();
    const { contract, contractId, owner } = agreed;
    const draft = parseContract({ ...contract, version: 2, previous: contractId, title: 'Mine' });
    const failure = await failureOf(
      bench.publish(csv, { amendments: [await signContract(draft, owner)] }),
    );
    expect(failure.code).toBe('ERR_CONTRACT_UNSIGNED');
    expect((await bench.publish(csv)).rows).toBe(2);
  });
});
