import type { Platform } from '@strongroom/attestation/platforms/platform';
import type { ContractId } from '@strongroom/protocol/fields';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { failCommand } from '@strongroom/runtime/command';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import type { ServiceContext } from '@strongroom/runtime/shutdown';
import { openServiceTracing } from '@strongroom/runtime/tracing';
import { readCredentials } from './credentials.ts';
import { EvidenceDesk } from './evidence-desk.ts';
import { runWorker, type WorkerSummary } from './lives.ts';
import type { Settings } from './settings.ts';
import { Tally } from './tally.ts';
import type { VaultAhead } from './vault-launch.ts';
import { startVault, vaultMbMax } from './vault-process.ts';
import { createWorkerServer } from './worker-server.ts';

export interface PlatformChoice {
  readonly platformFor: (contractId: ContractId) => Promise<Platform>;
  /** What /healthz says about a simulation. */
  readonly warning?: string;
}

/** What the worker reaches beyond its own process; a test's entry puts faults around them. */
export interface WorkerPorts {
  readonly startVault: typeof startVault;
  readonly connectLog: typeof connectKafkaLog;
}

/** @param ahead a vault's process that was started before; the first life takes it */
export function portsOf(ahead?: VaultAhead): WorkerPorts {
  return {
    startVault: (options) => startVault({ ...options, ...ahead?.take() }),
    connectLog: connectKafkaLog,
  };
}

/** Wires the worker to this machine: files, Kafka, HTTP, the terminal. */
export async function startWorker(
  settings: Settings,
  choice: PlatformChoice,
  context: ServiceContext,
  ports: WorkerPorts = portsOf(),
): Promise<void> {
  const logger = createLogger('enclave-worker', { level: settings.logLevel });
  logger.info('worker-starting');
  if (settings.withParent) endWithParent(context);
  const metrics = createMetrics('worker');
  const tally = new Tally(metrics);
  const evidence = new EvidenceDesk(systemClock, metrics);
  let isReady = false;
  const { warning } = choice;
  const app = createWorkerServer({
    ...{ logger, metrics, evidence, warning },
    ready: () => isReady,
    status: () => tally.monitor.status(tally.refusals()),
  });
  context.onShutdown(() => app.close());
  try {
    const address = await listen(app, settings.host, settings.port);
    logger.info('listening', address);
    const telling = { otlp: settings.otlp, logger };
    const tracing = await openServiceTracing('worker', telling, context);
    const summary = await runWorker({
      ...(await readInputs(settings)),
      ...choice,
      namespace: settings.namespace,
      ...(settings.slice === undefined ? {} : { slice: settings.slice }),
      memoryMb: settings.memoryMb,
      untilComplete: settings.untilComplete,
      stallMs: settings.stallMs,
      startVault: () =>
        ports.startVault({
          logger,
          deadlineMs: settings.vaultDeadlineMs,
          residentMbMax: vaultMbMax(settings.memoryMb),
        }),
      // Read at every connection: a password or a certificate may have been renewed.
      connectLog: async () => {
        const connection = await readKafkaConnection(settings.kafka, 'strongroom-worker');
        return await ports.connectLog({ ...connection, logger });
      },
      tally,
      evidence,
      tracing,
      clock: systemClock,
      logger,
      signal: context.signal,
      onReady: (value) => {
        isReady = value;
      },
    });
    printSummary(summary, tally.vaultPeakBytes, settings.json);
  } catch (error) {
    failCommand(error, settings.json);
  }
  context.finish();
}

/** A host that is killed tells nobody, but its end of the pipe closes. */
function endWithParent(context: ServiceContext): void {
  process.stdin.on('close', () => context.finish()).resume();
  // It is no reason to live on.
  process.stdin.unref();
}

async function readInputs(settings: Settings) {
  const { contract, amendment, attestation, caFile, deadlineMs } = settings;
  const amendments = await Promise.all(amendment.map(readJsonFile));
  return {
    signedContract: await readJsonFile(contract),
    ...(amendments.length === 0 ? {} : { amendments }),
    credentialFor: await readCredentials(settings),
    authorities: attestation,
    ...(caFile === undefined ? {} : { ca: await readTextFile(caFile) }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  };
}

function printSummary(summary: WorkerSummary, vaultPeakBytes: number, json: boolean): void {
  const megabytes = (bytes: number) => Math.round(bytes / 1_048_576);
  const workerMb = megabytes(process.resourceUsage().maxRSS * 1_024);
  const peakRssMb = { worker: workerMb, vault: megabytes(vaultPeakBytes) };
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...summary, peakRssMb })}\n`);
    return;
  }
  const { rowsCounted, windows, aggregates, seconds, epoch, refusals } = summary;
  const refused = Object.entries(refusals).map(([code, count]) => `${code} ${count}`);
  process.stdout.write(
    `${rowsCounted} rows counted, ${windows} windows, ${aggregates} results in ${seconds} s ` +
      `(epoch ${epoch}; peak memory ${workerMb} MB, vault ${peakRssMb.vault} MB)\n` +
      (refused.length === 0 ? '' : `refused: ${refused.join(', ')}\n`),
  );
}
