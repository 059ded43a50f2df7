import { extname, join } from 'node:path';
import process from 'node:process';
import type { Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import { makePrivateFolder } from '@strongroom/runtime/files';
import { type ByteSink, fileSink, stdoutSink } from './byte-sink.ts';
import type { VerifiedResult } from './open-aggregate.ts';
import { arrowWriter } from './result-arrow.ts';
import { checkSameColumns, columnsWithWindow, type ResultColumn } from './result-columns.ts';
import { csvHeader, csvRows } from './result-csv.ts';
import { noticeJson, resultJson } from './result-json.ts';
import { parquetWriter } from './result-parquet.ts';
import { noticeText, resultText } from './result-text.ts';

export const FORMATS = ['table', 'json', 'csv', 'parquet', 'arrow'] as const;
export type Format = (typeof FORMATS)[number];

/** Takes verified results; `close` finishes the output, `discard` leaves nothing half-finished. */
export interface FormatWriter {
  write(result: VerifiedResult): Promise<void>;
  /** The contract was ended: told where there is room for words, in tables and JSON. */
  end?(notice: StopNotice): Promise<void>;
  close(): Promise<void>;
  discard(): Promise<void>;
}
export interface ResultWriter extends Required<FormatWriter> {
  /** Whether the format has room for more than rows. */
  readonly hasWords: boolean;
}

export interface OutputOptions {
  readonly format: Format;
  /** A file (it has an extension), a folder (it has none), or stdout. */
  readonly out?: string;
  /** What will be read. */
  readonly queries: readonly Query[];
  readonly withProof: boolean;
  /** Results have no end: text files are not renamed when complete. */
  readonly live: boolean;
  /** Told when whoever reads stdout goes away. */
  readonly onGone: () => void;
}

/**
 * Files are made when their first result is there.
 * @throws ERR_USAGE when several queries would go into one CSV, Parquet or Arrow output, or bytes
 *   onto a terminal; ERR_FILE_UNWRITABLE
 */
export async function createResultWriter(options: OutputOptions): Promise<ResultWriter> {
  const perQuery = options.out !== undefined && extname(options.out) === '';
  checkOutput(options, perQuery);
  if (perQuery && options.out !== undefined) await makePrivateFolder(options.out);
  const writers = new Map<string, FormatWriter>();
  const writerOf = async (query: string): Promise<FormatWriter> => {
    const name = perQuery ? query : '';
    const writer = writers.get(name) ?? (await openWriter(options, pathOf(query)));
    writers.set(name, writer);
    return writer;
  };
  const pathOf = (query: string) =>
    options.out === undefined || !perQuery
      ? options.out
      : join(options.out, `${query}.${EXTENSIONS[options.format]}`);
  return {
    hasWords: isText(options),
    async write(result) {
      await (await writerOf(result.seal.query)).write(result);
    },
    async end(notice) {
      if (!isText(options)) return;
      for (const { id } of options.queries) await writerOf(id);
      for (const writer of writers.values()) await writer.end?.(notice);
    },
    async close() {
      for (const writer of writers.values()) await writer.close();
    },
    async discard() {
      for (const writer of writers.values()) await writer.discard();
    },
  };
}

const EXTENSIONS: Readonly<Record<Format, string>> = {
  table: 'txt',
  json: 'jsonl',
  csv: 'csv',
  parquet: 'parquet',
  arrow: 'arrow',
};

/** Formats in which something other than rows can stand. */
function isText({ format }: OutputOptions): boolean {
  return format === 'table' || format === 'json';
}

function checkOutput(options: OutputOptions, perQuery: boolean): void {
  const { format, out, queries } = options;
  if (!isText(options) && !perQuery && queries.length > 1) {
    const problem = `${format} holds one query: choose it with --query, or give a folder as --out`;
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  const bytes = format === 'parquet' || format === 'arrow';
  if (bytes && out === undefined && process.stdout.isTTY) {
    throw new StrongroomError('ERR_USAGE', { problem: `${format} is not for a terminal: --out` });
  }
}

async function openWriter(options: OutputOptions, path: string | undefined): Promise<FormatWriter> {
  const { format, live } = options;
  if (format === 'parquet') return parquetWriter(path, options.onGone);
  const text = format !== 'arrow';
  const sink = path === undefined ? stdoutSink(options.onGone) : await fileSink(path, live && text);
  if (format === 'arrow') return arrowWriter(sink, path === undefined ? 'stream' : 'file');
  if (format === 'csv') return textWriter(sink, csvText());
  const noticeLines = format === 'json' ? noticeJson : noticeText;
  return {
    ...textWriter(sink, plainText(options)),
    end: (notice) => sink.write(noticeLines(notice)),
  };
}

function textWriter(sink: ByteSink, text: (result: VerifiedResult) => string): FormatWriter {
  return {
    write: (result) => sink.write(text(result)),
    close: () => sink.close(),
    discard: () => sink.discard(),
  };
}

function plainText({ format, queries, withProof }: OutputOptions) {
  return (result: VerifiedResult): string => {
    const query = queries.find((each) => each.id === result.seal.query);
    return format === 'json' || query === undefined
      ? resultJson(result, withProof)
      : resultText(result, query, withProof);
  };
}

/** The header stands once; a window with other columns would shift values under wrong names. */
function csvText() {
  let first: readonly ResultColumn[] | undefined;
  return (result: VerifiedResult): string => {
    const columns = columnsWithWindow(result);
    const header = first === undefined ? csvHeader(columns) : '';
    first ??= columns;
    checkSameColumns(first, columns, result.seal.query);
    return header + csvRows(columns, result.content.rows);
  };
}
