import { StrongroomError } from '@strongroom/protocol/errors';
import type { LeaseStatement } from '@strongroom/protocol/lease';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { stopLines } from '@strongroom/sealing/notice';
import type { Command } from 'commander';
import { awaitNotice } from './await-notice.ts';
import { confirmByTyping } from './confirm.ts';
import { endContract } from './end-contract.ts';
import { rootsFor } from './evidence-platform.ts';
import { leafCommand, printResult } from './leaf-command.ts';
import { type LeaseService, ownServiceOf } from './lease-service.ts';
import { brokersOption, kafkaConfigOption, seconds } from './option-values.ts';

const TIMEOUT_SECONDS = '30';

/** `strongroom revoke`: one owner ends a computation, alone and for good. */
export function addRevokeCommand(program: Command): void {
  leafCommand(
    program,
    'revoke',
    'end a contract for good, by the word of one owner; --watch waits until the worker has stopped',
    'strongroom revoke --contract contract.json --party north --admin-token-file admin.token \\\n' +
      '    --watch --brokers localhost:9092',
  )
    .requiredOption('--contract <file>', 'signed contract')
    .requiredOption('--party <id>', 'the owner that ends it')
    .requiredOption('--admin-token-file <file>', "administrator's token of that owner's service")
    .option('--ca-file <file>', 'PEM certificates to trust instead of the public ones')
    .option('--yes', 'do not ask: it cannot be undone')
    .option('--watch', "wait for the worker's signed notice that it stopped")
    .addOption(brokersOption('Kafka, HOST:PORT,…'))
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics', '')
    .option('--timeout <seconds>', 'how long to watch', seconds, seconds(TIMEOUT_SECONDS))
    .option('--simulated-roots <file>', 'public roots of a SIMULATED platform, or its folder')
    .action(revoke);
}

interface RevokeOptions {
  readonly contract: string;
  readonly party: string;
  readonly adminTokenFile: string;
  readonly caFile?: string;
  readonly yes?: boolean;
  readonly watch?: boolean;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace: string;
  readonly timeout: number;
  readonly simulatedRoots?: string;
  readonly json?: boolean;
}

async function revoke(options: RevokeOptions): Promise<void> {
  const at = await ownServiceOf({ ...options, tokenFile: options.adminTokenFile });
  // What is wrong with how it was called is told before anything is ended.
  const watch = options.watch ? await watcher(at, options) : undefined;
  const question = `End "${at.contract.title}" for good, for everybody?`;
  await confirmByTyping(question, at.owner, options.yes);
  const since = systemClock.monotonic();
  const statement = await endContract(at);
  let watched: Watched | undefined;
  try {
    const notice = await watch?.();
    if (notice) watched = { notice, milliseconds: Math.round(systemClock.monotonic() - since) };
  } finally {
    print(at, statement, watched, options.json);
  }
  if (watch && !watched) {
    throw new StrongroomError('ERR_NOTICE_MISSING', { seconds: options.timeout });
  }
}

interface Watched {
  readonly notice: StopNotice;
  /** From just before the owner's word to the moment at which the notice was verified. */
  readonly milliseconds: number;
}

async function watcher(
  { contract, contractId, owner, keepsLease }: LeaseService,
  options: RevokeOptions,
) {
  if (!keepsLease) {
    const problem = `${owner} keeps no lease of this contract: no worker will say that it stopped`;
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  const { namespace, timeout, simulatedRoots } = options;
  const connection = await readKafkaConnection(options, 'strongroom-revoke');
  const roots = rootsFor(contract, simulatedRoots);
  return async () => {
    const signal = AbortSignal.timeout(timeout * 1_000);
    const log = await connectKafkaLog(connection);
    try {
      const proving = { contract, contractId, roots, clock: systemClock };
      return await awaitNotice(log, namespace, proving, signal);
    } finally {
      await log.close();
    }
  };
}

function print(
  { keepsLease }: LeaseService,
  { contract, owner, at, epoch, holder }: LeaseStatement,
  watched: Watched | undefined,
  json: boolean | undefined,
): void {
  const when = new Date(at).toISOString();
  const lines = [
    `${owner} has ended contract ${contract} at ${when}, for good`,
    ...(keepsLease
      ? []
      : [`${owner} keeps no lease: a worker that has its keys goes on with them`]),
  ];
  const stopped = watched && [
    ...stopLines(watched.notice),
    `the worker's signed notice was there after ${watched.milliseconds / 1_000} s`,
  ];
  const facts = { contract, owner, at: when, epoch, holder, ...(watched ?? {}) };
  printResult(json, facts, [...lines, ...(stopped ?? [])].join('\n'));
}
