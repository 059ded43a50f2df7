import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { checkOptions, createProgram, parseArguments } from '@strongroom/runtime/arguments';
import { systemClock } from '@strongroom/runtime/clock';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { createLogger, LOG_LEVELS } from '@strongroom/runtime/logger';
import { OTLP_OPTION, OtlpSchema } from '@strongroom/runtime/otlp-option';
import type { ServiceContext } from '@strongroom/runtime/shutdown';
import { openTracing } from '@strongroom/runtime/tracing';
import { parseIdentity } from '@strongroom/sealing/identity';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { StreamRequest } from './agreement.ts';
import { PRODUCER } from './settings.ts';
import { retractBatch, sendHeartbeat } from './stream-words.ts';

/** `retract` and `heartbeat`: what an owner says on its stream without a row. */
export const WORD_COMMANDS: readonly string[] = ['retract', 'heartbeat'];

const text = z.string().min(1);
const whole = (max: number) => z.coerce.number().int().min(0).max(max);
const CommonShape = {
  contract: text,
  amendment: z.exactOptional(z.array(text)),
  dataset: text,
  stream: z.exactOptional(text),
  identity: text,
  state: text,
  brokers: z.exactOptional(text),
  kafkaConfig: z.exactOptional(text),
  namespace: z.exactOptional(text),
  otlp: OtlpSchema,
  json: z.boolean(),
  logLevel: z.enum(LOG_LEVELS),
};
const RetractSchema = z.strictObject({ ...CommonShape, batch: whole(Number.MAX_SAFE_INTEGER) });
const HeartbeatSchema = z.strictObject({
  ...CommonShape,
  watermark: z.exactOptional(z.iso.datetime({ offset: true })),
  wallClockLag: z.exactOptional(whole(Number.MAX_SAFE_INTEGER)),
  every: z.exactOptional(z.coerce.number().int().min(1)),
});
type Common = Omit<z.infer<typeof RetractSchema>, 'batch'>;

type Context = Pick<ServiceContext, 'signal'>;

/** @throws ERR_USAGE, and what the commands throw */
export async function runWord(args: readonly string[], context: Context): Promise<void> {
  let run: () => Promise<void> = async () => undefined;
  const program = wordProgram(
    (options) => {
      run = () => retract(checkOptions(RetractSchema, options));
    },
    (options) => {
      run = () => heartbeat(checkOptions(HeartbeatSchema, options), context);
    },
  );
  if (!parseArguments(program, args)) return;
  await run();
}

function wordProgram(retracted: (options: unknown) => void, beat: (options: unknown) => void) {
  const program = createProgram(PRODUCER);
  common(program.command('retract'))
    .description('take a published batch back, before a window that holds its rows has closed')
    .requiredOption('--batch <number>', 'sequence number of the batch')
    .addHelpText('after', RETRACT_HELP)
    .action(retracted);
  common(program.command('heartbeat'))
    .description('say that a stream has nothing new, so that windows of other inputs can close')
    .option('--watermark <time>', 'every row before this event time was sent (RFC 3339)')
    .option('--wall-clock-lag <ms>', 'the same, of now less so much: event times follow the clock')
    .option('--every <seconds>', 'again and again, until it is told to stop')
    .addHelpText('after', HEARTBEAT_HELP)
    .action(beat);
  return program;
}

const RETRACT_HELP = `
The batch's rows count no more, and results and ledgers of uses say how many were taken back.
Too late, when a window that holds any of the rows has closed, it has no effect: the worker says
so with ERR_RETRACTION_LATE. A stream that has ended (without --no-final) takes nothing back.

Example:
  strongroom producer retract --contract contract.json --dataset flights-west --batch 17 \\
    --identity west.identity.json --state ./flights-west --brokers localhost:9092`;
const HEARTBEAT_HELP = `
Without --watermark or --wall-clock-lag it repeats what was said last. Rows that come with an
earlier event time than was said are late: publish refuses them without --allow-late.

Example:
  strongroom producer heartbeat --contract contract.json --dataset flights-west --every 60 \\
    --wall-clock-lag 300000 --identity west.identity.json --state ./flights-west \\
    --brokers localhost:9092`;

function common(command: Command): Command {
  return command
    .requiredOption('--contract <file>', 'signed contract')
    .option('--amendment <files...>', 'versions after it: refuse to speak under an older one')
    .requiredOption('--dataset <id>', 'the dataset of the contract')
    .option('--stream <name>', 'which stream of the dataset, where the contract names several')
    .requiredOption('--identity <file>', "identity file of the dataset's owner")
    .requiredOption('--state <folder>', 'the state folder that publish keeps')
    .addOption(
      new Option('--brokers <list>', 'Kafka bootstrap servers, HOST:PORT,…').env('KAFKA_BROKERS'),
    )
    .addOption(
      new Option('--kafka-config <file>', "settings under Kafka's own names").env('KAFKA_CONFIG'),
    )
    .option('--namespace <name>', 'prefix of the topics')
    .option(...OTLP_OPTION)
    .option('--json', 'one JSON line at the end; errors are JSON too', false)
    .addOption(new Option('--log-level <level>').choices([...LOG_LEVELS]).default('warn'));
}

async function retract(options: z.infer<typeof RetractSchema>): Promise<void> {
  await withRequest(options, async (request) => {
    const report = await retractBatch(request, options.batch);
    const { dataset, sequence, rows } = report;
    show(options, report, `${dataset}: batch ${sequence} with ${rows} rows is taken back`);
  });
}

async function heartbeat(
  options: z.infer<typeof HeartbeatSchema>,
  { signal }: Context,
): Promise<void> {
  const { watermark, wallClockLag, every } = options;
  const fixed = watermark === undefined ? null : Date.parse(watermark);
  await withRequest(options, async (request) => {
    do {
      const at = wallClockLag === undefined ? fixed : systemClock.now() - wallClockLag;
      const report = await sendHeartbeat(request, at);
      const said = report.watermark === null ? 'nothing' : new Date(report.watermark).toISOString();
      show(options, report, `${report.dataset}: nothing new; complete up to ${said}`);
      if (every === undefined) return;
      await delay(every * 1_000, undefined, { signal }).catch(() => undefined);
    } while (!signal.aborted);
  });
}

function show({ json }: Common, report: object, sentence: string): void {
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : `${sentence}\n`);
}

async function withRequest(
  options: Common,
  work: (request: StreamRequest) => Promise<void>,
): Promise<void> {
  const identity = parseIdentity(await readTextFile(options.identity));
  const logger = createLogger('producer', { level: options.logLevel });
  const signedContract = await readJsonFile(options.contract);
  const amendments = await Promise.all((options.amendment ?? []).map(readJsonFile));
  const connection = await readKafkaConnection(options, `producer-${identity.party}`);
  const { otlp } = options;
  const [log, tracing] = await Promise.all([
    connectKafkaLog({ ...connection, logger }),
    openTracing({ service: 'producer', otlp, environment: process.env, logger }),
  ]);
  try {
    await work({
      ...{ signedContract, amendments },
      datasetId: options.dataset,
      ...{ stream: options.stream, identity, stateFolder: options.state },
      ...{ log, namespace: options.namespace, clock: systemClock, logger, tracing },
    });
  } finally {
    await Promise.all([log.close(), tracing?.close()]);
  }
}
