import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { COLUMN_TYPES } from '@strongroom/protocol/contract';
import { isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import { z } from 'zod';
import { programOf } from '../start-service.ts';

/** What `strongroom producer describe --json` says of a file, as far as a draft needs it. */
const RowsSchema = z.looseObject({
  columns: z.array(z.looseObject({ name: z.string(), type: z.enum(COLUMN_TYPES) })),
  eventTime: z.exactOptional(z.string()),
  mapping: z.exactOptional(z.string()),
  leftOut: z.exactOptional(
    z.array(z.strictObject({ place: z.number(), name: z.string(), problem: z.string() })),
  ),
});
export type Rows = Pick<
  z.infer<typeof RowsSchema>,
  'columns' | 'eventTime' | 'mapping' | 'leftOut'
>;

/**
 * The producer reads the file, in a process of its own: no row passes through this command.
 * @throws what the producer says
 */
export async function describeRows(source: string, csv: string | undefined): Promise<Rows> {
  const dialect = csv === undefined ? [] : ['--csv', csv];
  const described = ['describe', '--source', source, ...dialect, '--json'];
  const args = [...programOf('producer', 'main'), ...described];
  try {
    return RowsSchema.parse(JSON.parse((await promisify(execFile)(process.execPath, args)).stdout));
  } catch (error) {
    throw errorIn(error) ?? error;
  }
}

const FailureSchema = z.looseObject({ stderr: z.string() });
const FactSchema = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);
const ErrorSchema = z.strictObject({
  error: z.looseObject({ code: z.string(), facts: z.record(z.string(), FactSchema) }),
});

function errorIn(failure: unknown): StrongroomError | undefined {
  const line = FailureSchema.safeParse(failure).data?.stderr.split('\n').find(isError);
  const found = line === undefined ? undefined : ErrorSchema.safeParse(JSON.parse(line)).data;
  return found && isErrorCode(found.error.code)
    ? new StrongroomError(found.error.code, found.error.facts)
    : undefined;
}

const isError = (line: string) => line.startsWith('{"error":');
