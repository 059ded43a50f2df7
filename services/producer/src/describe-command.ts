import { checkOptions, createProgram, parseArguments } from '@strongroom/runtime/arguments';
import { printable } from '@strongroom/runtime/printable';
import { z } from 'zod';
import { describeSource, type SourceDescription } from './describe-source.ts';
import { PRODUCER } from './settings.ts';

export const DESCRIBE_COMMAND = 'describe';

const OptionsSchema = z.strictObject({ source: z.string().min(1), json: z.boolean() });

/** `strongroom producer describe --source FILE`. @throws ERR_USAGE, and what it says itself */
export async function runDescribe(args: readonly string[]): Promise<void> {
  let options: unknown;
  const program = createProgram(PRODUCER);
  program
    .command(DESCRIBE_COMMAND)
    .description('say which columns a file has, in the names and types of a contract')
    .requiredOption('--source <file>', 'CSV, Parquet or NDJSON, not packed')
    .option('--json', 'as a draft of a contract has it; errors are JSON too', false)
    .addHelpText('after', HELP)
    .action((given: unknown) => {
      options = given;
    });
  if (!parseArguments(program, args)) return;
  const { source, json } = checkOptions(OptionsSchema, options);
  const description = await describeSource(source);
  process.stdout.write(`${json ? JSON.stringify(description) : textOf(description)}\n`);
}

const HELP = `
It is a guess from the rows that are there: a column that lacks no value now is said to lack none.
Nothing is published, and no value is shown.

Example:
  strongroom producer describe --source visits.csv`;

function textOf({ format, rows, columns, eventTime, mapping }: SourceDescription): string {
  const width = Math.max(...columns.map(({ name }) => name.length));
  const lines = columns.map(({ name, type, nullable }) => {
    const notes = [nullable ? ', may be missing' : '', name === eventTime ? ', event time' : ''];
    return `  ${name.padEnd(width)}  ${type}${notes.join('')}`;
  });
  return [
    `${rows} rows of ${format}`,
    ...lines,
    ...(eventTime === undefined
      ? ['no column of times: only a query over all rows is possible']
      : []),
    ...(mapping === undefined
      ? []
      : [`publish with --columns ${JSON.stringify(printable(mapping))}`]),
  ].join('\n');
}
