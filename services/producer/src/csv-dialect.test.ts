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
function fileOf(content: string | Uint8Array): string {
  files += 1;
  return fileWith(folder.path, `${files}.csv`, content);
}

async function detected(content: string | Uint8Array, its = dataset): Promise<string> {
  const request = { input: await openInput(fileOf(content)), format: 'auto' as const };
  return dialectText(await dialectFor('detect', its, request));
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

  test.each([
    ...['delimiter=#', 'quote', 'header=maybe', 'color=red', 'header=no header=yes', ''],
    ...['encoding=klingon', 'numbers=1 234,56', 'dates=01.02.2001'],
  ])('is not %j', (text) => {
    expect(() => parseDialect(text)).toThrow('--csv');
  });
});

describe('a bank that writes in its own way', () => {
  const bank = datasetOf([
    'day date32',
    'at timestamp-us',
    'x float64?',
    'amount decimal128',
    'w utf8',
  ]);
  const HEADER = 'day;at;x;amount;w\n';
  const ROWS = `${HEADER}31.12.2025;31.12.2025 23:30:00,5;-1.234,5;1.234.567,891;Straße €\n`;
  const said = (more: string) => parseDialect(`delimiter=semicolon ${more}`);
  const read = async (content: string | Uint8Array, more: string, its = bank) =>
    rowsOf(await readAll(its, fileOf(content), { csv: said(more) }));
  const WAY = 'numbers=1.234,56 dates=31.12.2001';
  const good = ROWS.replace('00,5', '00');
  const values = [20_453, 1_767_223_800_000_000n, -1234.5, 1_234_567_891n, 'Straße €'];

  /** The letters that the encodings have beyond ISO 8859-1, in each of them. */
  const bytesIn = (encoding: string): Buffer => {
    if (encoding === 'utf-16le') return Buffer.from(`\ufeff${good}`, 'utf16le');
    const euro = encoding === 'windows-1252' ? 0x80 : 0xa4;
    const bytes = Buffer.from(good.replace('€', '$'), 'latin1');
    bytes[bytes.lastIndexOf('$')] = euro;
    return bytes;
  };

  test('is read as it says', async () => {
    expect(await read(good, WAY)).toEqual([values]);
    for (const encoding of ['windows-1252', 'iso-8859-15', 'utf-16le']) {
      expect(await read(bytesIn(encoding), `${WAY} encoding=${encoding}`)).toEqual([values]);
    }
  });

  test.each<[string, string]>([
    ['numbers=1.234,56', '1.5'],
    ['numbers=1.234,56', '12.34,5'],
    ['numbers=1.234,56', '1,234.5'],
    ['numbers=1.234,56', '1.234.5'],
    ['numbers=1,234.56', '"1.234,5"'],
    ['numbers=1,234.56', '"1,5"'],
    ['', '"1,5"'],
  ])('%s: a number %s is none', async (way, number) => {
    const numbers = datasetOf(['x float64?']);
    const failure = await failureOf(read(`x\n${number}\n`, way, numbers));
    expect(failure.code).toBe('ERR_COLUMN_TYPE');
  });

  test.each<[string, string, number | undefined]>([
    ['31.12.2001', '1.2.2001', 11_354],
    ['31/12/2001', '01/02/2001', 11_354],
    ['12/31/2001', '02/01/2001', 11_354],
    ['12/31/2001', '31/01/2001', undefined],
    ['31.12.2001', '2001-02-01', undefined],
    ['31.12.2001', '01.02.01', undefined],
    ['31.12.2001', '30.02.2001', undefined],
    ['2001-12-31', '01.02.2001', undefined],
  ])('dates=%s: %s is %s', async (form, date, day) => {
    const days = datasetOf(['day date32']);
    const rows = read(`day\n${date}\n`, `dates=${form}`, days);
    if (day === undefined) expect((await failureOf(rows)).code).toBe('ERR_COLUMN_TYPE');
    else expect(await rows).toEqual([[day]]);
  });

  test('is found out where it can be nothing else', async () => {
    const found = 'delimiter=semicolon quote=double header=yes';
    expect(await detected(good, bank)).toBe(`${found} ${WAY}`);
    expect(await detected(bytesIn('windows-1252'), bank)).toBe(
      `${found} encoding=windows-1252 ${WAY}`,
    );
    expect(await detected(bytesIn('utf-16le'), bank)).toBe(`${found} encoding=utf-16le ${WAY}`);
    const either = `${HEADER}01/02/2025;01/02/2025 10:00;1,234;1;a\n`;
    expect(await detected(either, bank)).toBe(found);
  });

  test('is told what is wrong with bytes of another encoding, and no row', async () => {
    const marked = bytesIn('windows-1252');
    const unsaid = await failureOf(read(marked, WAY));
    expect([unsaid.code, unsaid.text]).toEqual([
      'ERR_SOURCE_MALFORMED',
      expect.stringContaining('name its encoding with --csv'),
    ]);
    expect(unsaid.text).not.toContain('Stra');
    const unassigned = Buffer.concat([marked, Buffer.from([0x81])]);
    const half = Buffer.concat([bytesIn('utf-16le'), Buffer.from([0x61])]);
    for (const [bytes, encoding] of [
      [unassigned, 'windows-1252'],
      [half, 'utf-16le'],
    ] as const) {
      const failure = await failureOf(read(bytes, `${WAY} encoding=${encoding}`));
      expect([failure.code, failure.text]).toEqual([
        'ERR_SOURCE_MALFORMED',
        expect.stringContaining(`${encoding} does not have`),
      ]);
    }
  });

  test('is what it was under a state of before', () => {
    const text = 'delimiter=semicolon quote=double header=yes nulls=NA|-';
    expect(dialectText(parseDialect(text))).toBe(text);
    const own = `${text} encoding=windows-1252 ${WAY}`;
    expect(dialectText(parseDialect(own))).toBe(own);
  });
});
