import { checkOptions, createProgram, parseArguments } from '@strongroom/runtime/arguments';
import { printable } from '@strongroom/runtime/printable';
import { shellWord } from '@strongroom/runtime/shell-word';
import { z } from 'zod';
import { parseDialect } from './csv-dialect.ts';
import { describeSource, type SourceDescription } from './describe-source.ts';
import { PRODUCER } from './settings.ts';

export const DESCRIBE_COMMAND = 'describe';

const OptionsSchema = z.strictObject({
  source: z.string().min(1),
  csv: z.exactOptional(z.string()),
  json: z.boolean(),
});

/** `strongroom producer describe --source FILE`. @throws ERR_USAGE, and what it says itself */
export async function runDescribe(args: readonly string[]): Promise<void> {
  let options: unknown;
  const program = createProgram(PRODUCER);
  program
    .command(DESCRIBE_COMMAND)
    .description('say which columns a file has, in the names and types of a contract')
    .requiredOption('--source <file>', 'CSV, Parquet or NDJSON, not packed')
    .option('--csv <dialect>', 'how it is written: "delimiter=semicolon dates=31.12.2001 …"')
    .option('--json', 'as a draft of a contract has it; errors are JSON too', false)
    .addHelpText('after', HELP)
    .action((given: unknown) => {
      options = given;
    });
  if (!parseArguments(program, args)) return;
  const { source, csv, json } = checkOptions(OptionsSchema, options);
  const dialect = csv === undefined ? undefined : parseDialect(csv);
  const description = await describeSource(source, dialect);
  process.stdout.write(`${json ? JSON.stringify(description) : textOf(description)}\n`);
}

const HELP = `
It is a guess from the rows that are there: a column that lacks no value now is said to lack none.
Nothing is published, and no value is shown.

Example:
  strongroom producer describe --source visits.csv`;

function textOf(description: SourceDescription): string {
  const { format, rows, columns, eventTime, mapping, leftOut = [] } = description;
  const width = Math.max(...columns.map(({ name }) => name.length));
  const lines = columns.map(({ name, type, nullable }) => {
    const notes = [nullable ? ', may be missing' : '', name === eventTime ? ', event time' : ''];
    return `  ${name.padEnd(width)}  ${type}${notes.join('')}`;
  });
  return [
    `${rows} rows of ${format}`,
    ...lines,
    ...leftOut.map(
      ({ place, name, problem }) => `  left out: column ${place}, ${printable(name)}: ${problem}`,
    ),
    ...(eventTime === undefined
      ? ['no column of times: only a query over all rows is possible']
      : []),
    ...(mapping === undefined ? [] : [`publish with --columns ${shellWord(printable(mapping))}`]),
  ].join('\n');
}
