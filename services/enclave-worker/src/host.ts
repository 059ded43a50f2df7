import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseContractBytes, SignedContractSchema } from '@strongroom/protocol/contract';
import { EXIT_CODE_ENDED, StrongroomError } from '@strongroom/protocol/errors';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import { hostGroupOf, TOPIC_CONFIGS } from '@strongroom/protocol/log-topics';
import { slicesTopic } from '@strongroom/protocol/record';
import { GROUP_SETTLES_MS, joinKafkaGroup } from '@strongroom/record-log/kafka-group';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { failCommand } from '@strongroom/runtime/command';
import { readJsonFile } from '@strongroom/runtime/files';
import { createHttpServer, listen } from '@strongroom/runtime/http';
import { createLogger, type Logger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { type ServiceContext, whenAborted } from '@strongroom/runtime/shutdown';
import { failureFields } from './failure-fields.ts';
import { type PartEnd, PartHost, type RunningPart } from './part-host.ts';
import type { Settings } from './settings.ts';

/**
 * One of several hosts of a contract with slices: they share out its slices, and what merges them,
 * through a consumer group of the log. Each part is a worker in a process of its own; of a part
 * that two hosts run for a while, one is fenced and ends.
 */
export async function startHost(settings: Settings, context: ServiceContext): Promise<void> {
  const logger = createLogger('enclave-host', { level: settings.logLevel });
  try {
    const { contractId, slices } = await readSlices(settings);
    await serveHealth(settings, logger, context);
    const start = (part: number) => startPart(part, slices);
    const host = new PartHost({ start, logger, parts: slices + 1, settleMs: GROUP_SETTLES_MS });
    const place = await createGroupTopic(settings, contractId, slices, logger);
    const stop = new AbortController();
    const signal = AbortSignal.any([context.signal, stop.signal]);
    const sharing = shareOut(host, place, settings, logger, signal);
    sharing.catch(() => stop.abort());
    if (settings.untilComplete) await host.untilDone(signal);
    else await host.untilRevoked(signal);
    stop.abort();
    await host.close();
    await sharing;
    if (host.isRevoked) endAsRevoked(logger);
  } catch (error) {
    failCommand(error, settings.json);
  }
  context.finish();
}

/** Whether the parties have signed it, each part's vault finds out. */
async function readSlices({ contract: file }: Settings) {
  const signed = SignedContractSchema.safeParse(await readJsonFile(file));
  const payload = signed.success ? decodeBase64url(signed.data.payload) : undefined;
  if (!payload) throw new StrongroomError('ERR_JSON_MALFORMED', { path: file });
  const { slices } = parseContractBytes(payload);
  if (slices === undefined) throw new StrongroomError('ERR_SLICE_UNKNOWN', { slices: 0 });
  const contractId = createHash('sha256').update(payload).digest('hex');
  return { contractId: ContractIdSchema.parse(contractId), slices };
}

async function serveHealth(settings: Settings, logger: Logger, context: ServiceContext) {
  const metrics = createMetrics('worker');
  const app = createHttpServer({ service: 'enclave-host', logger, metrics, ready: () => true });
  context.onShutdown(() => app.close());
  logger.info('listening', await listen(app, settings.host, settings.port));
}

/** Each part has told its error. Whoever starts hosts sees by the code that no start will help. */
function endAsRevoked(logger: Logger): void {
  logger.warn('parts-revoked');
  process.exitCode = EXIT_CODE_ENDED;
}

/** What is shared out: a partition for each slice, and one for what merges them. */
async function createGroupTopic(
  { kafka, namespace }: Settings,
  contractId: ContractId,
  slices: number,
  logger: Logger,
): Promise<{ topic: string; group: string }> {
  const topic = slicesTopic(contractId, namespace);
  const log = await connectKafkaLog({ ...(await readKafkaConnection(kafka, CLIENT_ID)), logger });
  try {
    await log.createTopics([{ topic, partitions: slices + 1, config: TOPIC_CONFIGS.slices }]);
  } finally {
    await log.close();
  }
  return { topic, group: hostGroupOf(contractId, namespace) };
}

const CLIENT_ID = 'strongroom-host';
const AGAIN_MS = 1_000;

/** Joins the group, and joins it anew whenever the client gives up. */
async function shareOut(
  host: PartHost,
  place: { readonly topic: string; readonly group: string },
  { kafka }: Settings,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const lost = new AbortController();
    const ending = AbortSignal.any([signal, lost.signal]);
    try {
      const connection = await readKafkaConnection(kafka, CLIENT_ID);
      const membership = await joinKafkaGroup(
        { ...connection, logger },
        {
          ...place,
          onAssigned: (parts) => {
            if (ending.aborted) return;
            logger.info('parts-assigned', { count: parts.length });
            host.assign(parts);
          },
          onLost: (error) => {
            logger.warn('group-lost', failureFields(error));
            lost.abort();
          },
        },
      );
      await whenAborted(ending);
      // Whoever gets these parts next fences what runs here: what is told to stop ends sooner.
      host.assign([]);
      await membership.close();
    } catch (error) {
      logger.warn('group-not-joined', failureFields(error));
    }
    await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** This very program, told which part; it ends with this process, whose end of the pipe closes. */
function startPart(part: number, slices: number): RunningPart {
  const args = process.argv.slice(2).filter((argument) => argument !== '--group');
  const which = part < slices ? ['--slice', `${part}`] : [];
  const child = spawn(
    process.execPath,
    [...process.execArgv, process.argv[1] ?? '', ...args, ...which, '--port', '0', '--with-parent'],
    { stdio: ['pipe', 'inherit', 'inherit'] },
  );
  const ended = new Promise<PartEnd>((resolve) => {
    child.on('error', () => resolve('failed'));
    child.on('exit', (code) => resolve(endOf(code)));
  });
  return { ended, stop: () => child.kill('SIGTERM') };
}

/** A lease that was lost, and a part that another host has taken, look like any other failure. */
function endOf(exitCode: number | null): PartEnd {
  if (exitCode === 0) return 'done';
  return exitCode === EXIT_CODE_ENDED ? 'revoked' : 'failed';
}
