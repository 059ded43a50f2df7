import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeSource } from './describe-source.ts';

let run: string;
beforeAll(async () => {
  run = await mkdtemp(join(tmpdir(), 'strongroom-describe-'));
});
afterAll(() => rm(run, { recursive: true }));

async function described(text: string) {
  const path = join(run, 'rows');
  await writeFile(path, text);
  return describeSource(path);
}
const refused = (text: string) => described(text).then(() => undefined, codeOf);

describe('a file described for a contract', () => {
  test('CSV: names, types, the first column of times, what is missing', async () => {
    const text = 'at,ward,minutes\n2026-03-02T08:00:00Z,a,5\n2026-03-02 08:10:00Z,,7\n';
    expect(await described(text)).toEqual({
      ...{ format: 'csv', rows: 2, eventTime: 'at' },
      columns: [
        { name: 'at', type: 'timestamp-us-utc', nullable: false },
        { name: 'ward', type: 'utf8', nullable: true },
        { name: 'minutes', type: 'int64', nullable: false },
      ],
    });
  });

  test.each([
    ['2026-03-02 08:00:00', 'timestamp-us'],
    ['2026-03-02', 'date32'],
    ['0.5', 'float64'],
    ['true', 'bool'],
    ['"12"', 'utf8'],
  ])('a value %s is of type %s', async (value, type) => {
    const { columns } = await described(`x;y\n${value};word\n`);
    expect(columns.map((each) => each.type)).toEqual([type === 'utf8' ? 'int64' : type, 'utf8']);
  });

  test('all rows decide, not the first ones', async () => {
    const rows = Array.from({ length: 30_000 }, (_, index) => `${index}`);
    const { columns } = await described(`n,m\n${rows.map((row) => `${row},1`).join('\n')}\nx,\n`);
    expect(columns).toEqual([
      { name: 'n', type: 'utf8', nullable: false },
      { name: 'm', type: 'int64', nullable: true },
    ]);
  });

  test('NDJSON; no column of times', async () => {
    const { format, columns, eventTime } = await described('{"a":1}\n{"a":2,"b":"x"}\n');
    expect([format, eventTime]).toEqual(['ndjson', undefined]);
    expect(columns.map(({ name, nullable }) => [name, nullable])).toEqual([
      ['a', false],
      ['b', true],
    ]);
  });

  test('names that no contract can have are brought into form, for --columns', async () => {
    const text = 'Visit Time,Größe,Grö e,42\n2026-03-02,1,2,3\n';
    const { columns, mapping } = await described(text);
    expect(columns.map(({ name }) => name)).toEqual(['visit_time', 'gro_e', 'gro_e_3', 'column_4']);
    expect(mapping).toBe('Visit Time=visit_time,Größe=gro_e,Grö e=gro_e_3,42=column_4');
  });

  test.each([
    ['ARROW1 and so on', 'ERR_USAGE'],
    ['"a,b",c\n1,2\n', 'ERR_USAGE'],
    ['{"a":{"b":1}}\n', 'ERR_COLUMN_TYPE'],
    ['{"a":\n', 'ERR_SOURCE_MALFORMED'],
  ])('%j is refused with %s', async (text, code) => {
    expect(await refused(text)).toBe(code);
  });
});
