import type { Canonical } from '@strongroom/protocol/canonical-form';
import type { Dataset } from '@strongroom/protocol/contract';
import { createJoinKey, parseJoinKey } from '@strongroom/sealing/join-key';
import { afterAll, describe, expect, test } from 'vitest';
import {
  datasetOf,
  failureOf,
  fileWith,
  parquetWith,
  readAll,
  rowsOf,
  temporaryFolder,
} from '../test/source-fixtures.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** Stands in every bad row; no error may say it. */
const SECRET = 'marker7f3a';

const joinKey = parseJoinKey(createJoinKey().fileJson);
const otherKey = parseJoinKey(createJoinKey().fileJson);
const hashedWith = joinKey.keyId;

function phones(canonical: Canonical, type = 'utf8?'): Dataset {
  const dataset = datasetOf(['n int32', `phone ${type}`]);
  const columns = dataset.columns.map((column) =>
    column.name === 'phone' ? { ...column, canonical } : column,
  );
  return { ...dataset, columns };
}

const csvOf = (name: string, numbers: readonly string[]) =>
  fileWith(folder.path, name, `n,phone\n${numbers.map((each, n) => `${n},${each}\n`).join('')}`);

describe('a column with a canonical form', () => {
  const written = ['044 668 18 00', '+41 44 668 18 00', '', '044 668 18 00', '0446681801'];
  const e164 = ['+41446681800', '+41446681800', null, '+41446681800', '+41446681801'];

  test.each(['csv', 'parquet'])('is published in it: %s', async (format) => {
    const values = written.map((each, n) => `(${n}, ${each === '' ? 'NULL' : `'${each}'`})`);
    const sql = `SELECT * FROM (VALUES ${values.join(', ')}) AS rows(n, phone)`;
    const path =
      format === 'csv' ? csvOf('a.csv', written) : await parquetWith(folder.path, 'a.parquet', sql);
    const dataset = phones({ form: 'phone/1', region: 'CH' });
    for (const batchRows of [2, 8_192]) {
      const rows = rowsOf(await readAll(dataset, path, { batchRows }));
      expect(rows.map(([, phone]) => phone)).toEqual(e164);
    }
  });

  test('is hashed by the key that the contract names, wherever it was written', async () => {
    const options = { joinKeys: [otherKey, joinKey] };
    const form = 'phone/1';
    const home = await readAll(
      phones({ form, region: 'CH', hashedWith }),
      csvOf('home.csv', ['044 668 18 00', '079 123 45 67']),
      options,
    );
    const abroad = await readAll(
      phones({ form, region: 'DE', hashedWith }),
      csvOf('abroad.csv', ['0041 79 123 45 67', '030 123456']),
      options,
    );
    const [[, first], [, second]] = rowsOf(home) as [string[], string[]];
    const [[, third], [, fourth]] = rowsOf(abroad) as [string[], string[]];
    expect(second).toBe(joinKey.hash(form, '+41791234567'));
    expect(third).toBe(second);
    expect(new Set([first, second, fourth]).size).toBe(3);
  });
});

describe('a value without its canonical form', () => {
  const bad = ['044 668 18 00', SECRET, '044 668 18 01', `${SECRET} 2`];
  const form = 'phone/1';

  test.each<[string, Dataset, 'refuse' | 'null']>([
    ['where nothing else is said', phones({ form, region: 'CH' }), 'refuse'],
    ['of a column that is never missing', phones({ form, region: 'CH' }, 'utf8'), 'null'],
    ['that would be hashed', phones({ form, region: 'CH', hashedWith }), 'refuse'],
  ])('is refused by row, and not shown: %s', async (_name, dataset, withoutForm) => {
    const path = csvOf('bad.csv', bad);
    const failure = await failureOf(readAll(dataset, path, { withoutForm, joinKeys: [joinKey] }));
    expect(failure.code).toBe('ERR_COLUMN_FORM');
    expect(failure.text).toContain('"column":"phone","form":"phone/1","row":2');
    expect(failure.text).not.toContain(SECRET);
  });

  test('is left out where the owner says so', async () => {
    const dataset = phones({ form, region: 'CH' });
    const path = csvOf('bad.csv', bad);
    const rows = rowsOf(await readAll(dataset, path, { withoutForm: 'null', batchRows: 3 }));
    expect(rows.map(([, phone]) => phone)).toEqual(['+41446681800', null, '+41446681801', null]);
  });
});

describe('before a row is read', () => {
  const path = () => csvOf('good.csv', ['044 668 18 00']);

  test.each<[string, object]>([
    ['no key', {}],
    ['another key', { joinKeys: [otherKey] }],
  ])('%s is refused', async (_name, options) => {
    const dataset = phones({ form: 'phone/1', region: 'CH', hashedWith });
    const failure = await failureOf(readAll(dataset, path(), options));
    expect(failure.code).toBe('ERR_JOIN_KEY_MISSING');
    expect(failure.text).toContain(hashedWith);
  });

  test('a region that has no numbering plan is refused', async () => {
    const failure = await failureOf(readAll(phones({ form: 'phone/1', region: 'XX' }), path()));
    expect(failure.code).toBe('ERR_COLUMN_FORM');
  });
});
