import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { identifyItem } from './check-collection.ts';
import type { SourceRequest } from './check-source.ts';
import { sourceNames, wantedColumns } from './column-mapping.ts';
import { type CsvDialect, dialectText, parseDialect } from './csv-dialect.ts';
import { detectDialect } from './detect-dialect.ts';
import { identifySource } from './source-format.ts';

const DETECT = 'detect';

/**
 * What `--csv` says. A dialect that was detected is shown, and used only when whoever sits at the
 * terminal says yes; without a terminal it is an error that names it, so that it can be written
 * down. Of several files the first one is looked at, and the dialect is that of all.
 * @param agreed asks a person; undefined when nothing is published, and so nothing asked
 * @throws ERR_USAGE, ERR_CSV_DIALECT, ERR_SOURCE_MALFORMED
 */
export async function dialectFor(
  text: string,
  dataset: Dataset,
  { input, format, columns }: Pick<SourceRequest, 'input' | 'format' | 'columns'>,
  agreed?: (found: string) => Promise<boolean>,
): Promise<CsvDialect> {
  if (text !== DETECT) return parseDialect(text);
  const start = await startOf(input, format);
  const { mapping } = wantedColumns(dataset, columns);
  const dialect = await detectDialect(start, dataset, sourceNames(dataset, mapping));
  const found = dialectText(dialect);
  if (agreed === undefined || (await agreed(found))) return dialect;
  throw new StrongroomError('ERR_CSV_DIALECT', { found });
}

async function startOf(
  input: SourceRequest['input'],
  format: SourceRequest['format'],
): Promise<Uint8Array> {
  if (input.type === 'stream' || input.type === 'growing') {
    const problem = 'a dialect is detected in files only';
    throw new StrongroomError('ERR_USAGE', { argument: '--csv', problem });
  }
  const [first] = input.type === 'collection' ? await input.items() : [];
  const source = await (input.type === 'collection'
    ? first && identifyItem(first, { format })
    : identifySource(input, format));
  if (source?.format === 'csv') return source.start;
  throw new StrongroomError('ERR_USAGE', { argument: '--csv', problem: 'the source is no CSV' });
}

/** False without a terminal: then nobody can have agreed. */
export async function askAtTerminal(found: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`CSV: ${found}\nPublish it as this? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
