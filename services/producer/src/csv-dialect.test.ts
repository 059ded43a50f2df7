import { afterAll, describe, expect, test } from 'vitest';
import {
  datasetOf,
  failureOf,
  fileWith,
  readAll,
  rowsOf,
  temporaryFolder,
} from '../test/source-fixtures.ts';
import { dialectFor } from './agree-on-dialect.ts';
import { dialectText, parseDialect } from './csv-dialect.ts';
import { openFolder } from './folder-source.ts';
import { openInput } from './source-input.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const dataset = datasetOf(['day date32', 'n int32?', 'word utf8?']);

let files = 0;
function fileOf(content: string): string {
  files += 1;
  return fileWith(folder.path, `${files}.csv`, content);
}

async function detected(content: string, columns?: string): Promise<string> {
  const request = { input: await openInput(fileOf(content)), format: 'auto' as const, columns };
  return dialectText(await dialectFor('detect', dataset, request));
}

const REGION = '2001-01-31;1;"NA"\n2001-02-01;NA;b\n2001-02-02;-;c\n';
const DIALECTS: [string, string, string][] = [
  ['RFC 4180', 'day,n,word\n2001-01-31,1,a\n', 'delimiter=comma quote=double header=yes'],
  [
    'semicolons, and words for nothing',
    `day;n;word\n${REGION}`,
    'delimiter=semicolon quote=double header=yes nulls=NA|-',
  ],
  ['no header', REGION, 'delimiter=semicolon quote=double header=no nulls=NA|-'],
  [
    'single quotes',
    "day|n|word\n2001-01-31|1|'a|b'\n2001-02-01|2|'it''s'\n",
    'delimiter=bar quote=single header=yes',
  ],
  [
    'backslashes',
    'day,n,word\n2001-01-31,1,"a \\"b\\", c"\n2001-02-01,2,"d \\"e\\", f"\n',
    'delimiter=comma quote=double escape=backslash header=yes',
  ],
];

describe('a dialect', () => {
  test.each(DIALECTS)('of %s is found', async (_name, content, found) => {
    expect(await detected(content)).toBe(found);
  });

  test('that was found reads the file', async () => {
    const words = DIALECTS.map(async ([_name, content, text]) => {
      const batches = await readAll(dataset, fileOf(content), { csv: parseDialect(text) });
      return rowsOf(batches).map(([_day, n, word]) => [n, word]);
    });
    // NA is a missing number, and a word where words stand.
    const region = [
      [1, 'NA'],
      [null, 'b'],
      [null, 'c'],
    ];
    expect(await Promise.all(words)).toEqual([
      [[1, 'a']],
      region,
      region,
      [
        [1, 'a|b'],
        [2, "it's"],
      ],
      [
        [1, 'a "b", c'],
        [2, 'd "e", f'],
      ],
    ]);
  });

  test('without a header takes columns by their places', async () => {
    const csv = parseDialect('header=no');
    const columns = new Map([
      ['day', '2'],
      ['n', '1'],
      ['word', '4'],
    ]);
    const path = fileOf('1,2001-01-31,left out,a\n');
    expect(rowsOf(await readAll(dataset, path, { csv, columns }))[0]?.slice(1)).toEqual([1, 'a']);
    const { code } = await failureOf(readAll(dataset, path, { csv }));
    expect(code).toBe('ERR_COLUMN_MISSING');
  });

  test('that nobody has agreed to is an error, which names it and no value', async () => {
    const input = await openInput(fileOf(`day;n;word\n${REGION}`));
    const asked = { input, format: 'auto' as const };
    const { code, text } = await failureOf(dialectFor('detect', dataset, asked, async () => false));
    expect(code).toBe('ERR_CSV_DIALECT');
    expect(text).toContain('delimiter=semicolon quote=double header=yes nulls=NA|-');
    let shown = '';
    await dialectFor('detect', dataset, asked, async (found) => {
      shown = found;
      return true;
    });
    expect(shown).toContain('semicolon');
    const parquet = { input: openFolder(folder.path), format: 'parquet' as const };
    expect((await failureOf(dialectFor('detect', dataset, parquet))).code).toBe('ERR_USAGE');
  });

  test('is refused with lines before the rows', async () => {
    const content = 'made by a tool\n\nday,n,word\n2001-01-31,1,a\n2001-02-01,2,b\n';
    expect((await failureOf(detected(content))).code).toBe('ERR_SOURCE_MALFORMED');
  });

  test.each(['delimiter=#', 'quote', 'header=maybe', 'color=red', 'header=no header=yes', ''])(
    'is not %j',
    (text) => {
      expect(() => parseDialect(text)).toThrow('--csv');
    },
  );
});
