import process from 'node:process';
import {
  openRevocation,
  type RevocationSettings,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import {
  hostNamesOf,
  type ListeningOptions,
  openIfAsked,
  readPageTls,
} from '@strongroom/page/server/page-listening';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { readJsonFile } from '@strongroom/runtime/files';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { runService, type ServiceContext } from '@strongroom/runtime/shutdown';
import { verifyContract } from '@strongroom/sealing/verify';
import { loadAnalystPage } from './page-assets.ts';
import { createPageServer } from './page-server.ts';

export interface ServeOptions extends ListeningOptions, RevocationSettings {
  readonly contract: string;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace?: string;
  readonly json?: boolean;
  readonly logLevel: string;
}

/** `strongroom analyst serve`: lives until it is stopped, and says where the page is. */
export async function serve(options: ServeOptions, simulated: RootSet | undefined): Promise<void> {
  let failure: unknown;
  await runService('analyst', async (context) => {
    try {
      await start(options, simulated, context);
    } catch (error) {
      // Told by the command, which knows of --json, once everything that is open was closed.
      failure = error;
      context.finish();
    }
  });
  if (failure !== undefined) throw failure;
}

async function start(
  options: ServeOptions,
  simulated: RootSet | undefined,
  context: ServiceContext,
): Promise<void> {
  const { signal, onShutdown } = context;
  const lists = readRevocationSettings(options);
  const roots = simulated ?? AMD_ROOTS;
  const connection = await readKafkaConnection(options, 'analyst-page');
  const logger = createLogger('analyst', { level: options.logLevel });
  const tls = await readPageTls(options);
  const signed = await readJsonFile(options.contract);
  const { contractId } = await verifyContract(signed);
  const assets = await loadAnalystPage();
  const log = await connectKafkaLog({ ...connection, logger });
  onShutdown(() => log.close());
  const app = createPageServer({
    signedContract: JSON.stringify(signed),
    contractId,
    log,
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    ...(simulated === undefined ? {} : { simulatedPins: simulated.pins }),
    ...(await openRevocation(lists, { roots, clock: systemClock })),
    assets,
    hostNames: hostNamesOf(options),
    logger,
    metrics: createMetrics('analyst'),
    signal,
    ...(tls === undefined ? {} : { tls }),
  });
  onShutdown(() => app.close());
  const { url } = await listen(app, options.host, options.port);
  const line = options.json ? JSON.stringify({ url }) : `The page is at ${url}`;
  process.stdout.write(`${line}\n`);
  await openIfAsked(options, url, context);
}
