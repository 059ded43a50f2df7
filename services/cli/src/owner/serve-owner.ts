import {
  openRevocation,
  type RevocationSettings,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import { loadPageAssets, type PageAssets } from '@strongroom/page/server/page-assets';
import {
  hostNamesOf,
  isThisMachine,
  type ListeningOptions,
  openIfAsked,
  readPageTls,
} from '@strongroom/page/server/page-listening';
import { type Contract, partyOf, SignedContractSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { readJsonFile, readTextFile } from '@strongroom/runtime/files';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { runService, type ServiceContext } from '@strongroom/runtime/shutdown';
import { verifyChain } from '@strongroom/sealing/amendment';
import { parseIdentity } from '@strongroom/sealing/identity';
import type { VerifiedContract } from '@strongroom/sealing/verify';
import { predecessorIn } from '../amendment-state.ts';
import { rootsFor } from '../evidence-platform.ts';
import { serviceUrlOf } from '../lease-service.ts';
import type { ReadingOwner, WorkerTrust } from '../owner-log.ts';
import { openOwnerData } from './owner-data.ts';
import { createOwnerDesk, type OwnerDesk, type OwnerDeskOptions } from './owner-desk.ts';
import { createOwnerServer } from './owner-server.ts';
import { createOwnerSession } from './session.ts';
import { type TellingOptions, tellAddress } from './tell-address.ts';

export interface OwnerServeOptions extends ListeningOptions, RevocationSettings, TellingOptions {
  readonly contract: readonly string[];
  readonly party: string;
  readonly tokenFile: string;
  readonly adminTokenFile?: string;
  readonly caFile?: string;
  readonly identity?: string;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace: string;
  readonly worker?: string;
  readonly amendment?: readonly string[];
  readonly simulatedRoots?: string;
  readonly logLevel: string;
}

/** `strongroom owner serve`: lives until it is stopped, and says where the page is. */
export async function serveOwner(options: OwnerServeOptions): Promise<void> {
  let failure: unknown;
  await runService('owner', async (context) => {
    try {
      await start(options, context);
    } catch (error) {
      // Told by the command, which knows of --json, once everything that is open was closed.
      failure = error;
      context.finish();
    }
  });
  if (failure !== undefined) throw failure;
}

async function start(options: OwnerServeOptions, context: ServiceContext): Promise<void> {
  readRevocationSettings(options);
  const tls = await readPageTls(options);
  if (tls === undefined && !isThisMachine(options.host)) {
    // What is asked for there carries the owner's authority.
    const problem = 'beyond this machine the page needs --tls-cert and --tls-key';
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  const desk = await openDesk(options, context);
  const session = createOwnerSession(systemClock);
  const app = createOwnerServer({
    desk,
    session,
    assets: await loadOwnerPage(),
    hostNames: hostNamesOf(options),
    logger: createLogger('owner', { level: options.logLevel }),
    metrics: createMetrics('owner'),
    signal: context.signal,
    ...(tls === undefined ? {} : { tls }),
  });
  context.onShutdown(() => app.close());
  const { url } = await listen(app, options.host, options.port);
  const address = await tellAddress({ url, secret: session.secret }, options, context);
  await openIfAsked(options, address, context);
}

/** The files of the owner's page. @throws ERR_FILE_UNREADABLE when they were never built */
export function loadOwnerPage(): Promise<PageAssets> {
  return loadPageAssets(new URL('../../', import.meta.url), 'src/owner/build-page-main.ts');
}

/** Everything that is wrong with how it was called is told before the page is there. */
async function openDesk(options: OwnerServeOptions, context: ServiceContext): Promise<OwnerDesk> {
  const files = await Promise.all(options.contract.map(readJsonFile));
  const chain = await verifyChain(files);
  const newest = predecessorIn(chain);
  const { party, tokenFile, adminTokenFile, caFile, amendment = [] } = options;
  for (const file of [tokenFile, adminTokenFile, caFile]) if (file) await readTextFile(file);
  const network = caFile === undefined ? {} : { caFile };
  const service = { vault: serviceUrlOf(newest, party), tokenFile, ...network };
  const log = await openLog(options, newest, context);
  return createOwnerDesk(
    {
      ...{ chain, party, service, amendments: amendment, ...log },
      signed: files.map((file) => SignedContractSchema.parse(file)),
      ...(adminTokenFile === undefined ? {} : { adminTokenFile }),
    },
    newest,
  );
}

/** The log is connected to when it is looked at: ending a contract needs none. */
async function openLog(
  options: OwnerServeOptions,
  { contract, contractId }: VerifiedContract,
  { onShutdown }: ServiceContext,
): Promise<Pick<OwnerDeskOptions, 'data' | 'way' | 'trust' | 'canReadUses'>> {
  const { party, brokers, kafkaConfig, namespace, worker, simulatedRoots } = options;
  const hasLog = brokers !== undefined || kafkaConfig !== undefined;
  const reader = await readerOf(options, contract);
  if (!hasLog && worker === undefined) return { canReadUses: false };
  const roots = rootsFor(contract, simulatedRoots);
  const clock = systemClock;
  const lists = await openRevocation(readRevocationSettings(options), { roots, clock });
  const trust: WorkerTrust = { contract, contractId, roots, clock, ...lists };
  if (!hasLog) return { canReadUses: false, trust, way: { worker: worker ?? '' } };
  const connection = await readKafkaConnection(options, 'strongroom-owner-page');
  const connect = () => connectKafkaLog(connection);
  const owner = partyOf(contract, party).id;
  const data = openOwnerData({
    ...{ ...trust, owner, namespace, connect },
    ...(reader ? { reader } : {}),
  });
  onShutdown(() => data.close());
  const way = worker === undefined ? { connect, namespace } : { worker };
  return { canReadUses: reader !== undefined, data, trust, way };
}

/** @throws ERR_USES_ABSENT for a party to which nothing is sealed, ERR_USAGE for another one */
async function readerOf(
  { identity, party }: OwnerServeOptions,
  contract: Contract,
): Promise<ReadingOwner | undefined> {
  if (identity === undefined) return undefined;
  const { party: id, reader: secretReader } = parseIdentity(await readTextFile(identity));
  const owner = ownersWithUses(contract).find((each) => each.id === id);
  if (id !== party) throw new StrongroomError('ERR_USAGE', { problem: `--identity is of ${id}` });
  if (!owner || !secretReader) throw new StrongroomError('ERR_USES_ABSENT', { party: id });
  return { id: owner.id, secretReader };
}
