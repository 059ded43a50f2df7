import process from 'node:process';
import type { WorkerStatus } from '@strongroom/protocol/worker-status';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { readJsonFile } from '@strongroom/runtime/files';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { askWorkerStatus, statusUrl } from './ask-status.ts';
import { leafCommand, printNotice, printResult } from './leaf-command.ts';
import { brokersOption, kafkaConfigOption } from './option-values.ts';
import { readLogStatus } from './status-of-log.ts';
import { needsSomebody, type Status, stateOf, statusText } from './status-text.ts';

/** `strongroom status`: what a computation is doing, and what it waits for. */
export function addStatusCommand(program: Command): void {
  leafCommand(
    program,
    'status',
    'what a computation is doing and what it waits for; exit code 1 when somebody should look',
    'strongroom status --contract contract.json --brokers localhost:9092 \\\n' +
      '    --worker http://127.0.0.1:8490',
    { exits: { 1: 'stalled or failing: somebody should look' } },
  )
    .requiredOption('--contract <file>', 'signed contract')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics', '')
    .option('--worker <url>', 'where the worker answers; without it the log alone is asked')
    .addHelpText(
      'after',
      '\nStates: done, ended (by an owner), running, waiting (for owners), unknown (no worker\n' +
        'answered), stalled (batches are missing), failing (lives end). Nothing here is\n' +
        'verified: `strongroom evidence` and `strongroom analyst read` do that.',
    )
    .action(showStatus);
}

interface StatusOptions {
  readonly contract: string;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace: string;
  readonly worker?: string;
  readonly json?: boolean;
}

async function showStatus(options: StatusOptions): Promise<void> {
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  const worker = options.worker === undefined ? null : await askWorker(options.worker);
  const log = await connectKafkaLog(await readKafkaConnection(options, 'strongroom-status'));
  try {
    const onLog = await readLogStatus(log, contract, contractId, options.namespace);
    const now = systemClock.now();
    const own = worker?.contract === null || worker?.contract === contractId ? worker : null;
    if (worker && !own) printNotice('the worker that answered runs another contract');
    const state = stateOf(onLog, own, now);
    const { title } = contract;
    const status: Status = { contract: contractId, title, state, log: onLog, worker: own };
    printResult(options.json, status, statusText(status, now));
    if (needsSomebody(state)) process.exitCode = 1;
  } finally {
    await log.close();
  }
}

/** A worker that does not answer is told on stderr; the log is asked all the same. */
async function askWorker(worker: string): Promise<WorkerStatus | null> {
  const status = await askWorkerStatus(worker);
  if (!status) printNotice(`no worker answers at ${statusUrl(worker)}`);
  return status ?? null;
}
