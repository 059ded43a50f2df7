import { isIP } from 'node:net';
import { createJwksSource } from '@strongroom/attestation/platforms/jwks-source';
import { openRevocation } from '@strongroom/attestation/platforms/revocation';
import type { RootSet } from '@strongroom/attestation/roots';
import { type Clock, systemClock } from '@strongroom/runtime/clock';
import { makePrivateFolder, readTextFile } from '@strongroom/runtime/files';
import { createHttpServer, listen } from '@strongroom/runtime/http';
import { createLogger, type Logger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { proxyFrom } from '@strongroom/runtime/proxy';
import type { ServiceContext } from '@strongroom/runtime/shutdown';
import { openServiceTracing } from '@strongroom/runtime/tracing';
import { createAttempts } from './access/attempts.ts';
import { readAccess } from './access/read-access.ts';
import { createAuditHeads } from './audit/audit-heads.ts';
import { createAuditLog } from './audit/audit-log.ts';
import { addRoutes } from './http.ts';
import type { KeyService } from './keys/admin-route.ts';
import { createDeletedKeys } from './keys/deleted-keys.ts';
import { startHousekeeping } from './keys/housekeeping.ts';
import { createKeyBackups } from './keys/key-backup.ts';
import { createKeyStore } from './keys/key-store.ts';
import { createRotationPolicies } from './keys/rotation.ts';
import { createNonces } from './leases/lease-nonces.ts';
import { createLeaseStore } from './leases/lease-store.ts';
import type { LeaseService } from './leases/leases.ts';
import { openLedger } from './ledger/ledger.ts';
import type { LedgerService } from './ledger/ledger-routes.ts';
import { createAtRest } from './master-key/at-rest.ts';
import { openMasterKey } from './master-key/master-key.ts';
import { openStoreKey } from './master-key/store-key.ts';
import { openReleaseIdentity } from './release-identity.ts';
import type { ReleaseService } from './release-key.ts';
import { jwksUrlsOf, parseAuthorities } from './requester/authorities.ts';
import { createContractStore } from './requester/contract-store.ts';
import { createKillList, type OwnKillList } from './requester/kill-list.ts';
import { readVersions } from './requester/versions.ts';
import type { Settings } from './settings.ts';
import { openDatabase } from './storage/database.ts';
import { createGroupCommit } from './storage/group-commit.ts';

type Context = Pick<ServiceContext, 'onShutdown'>;

/** Starts the service; it answers when this resolves. The clock and the logger are for tests. */
export async function serve(
  settings: Settings,
  roots: RootSet,
  context: Context,
  clock: Clock = systemClock,
  logger: Logger = createLogger('key-release', { level: settings.logLevel }),
): Promise<{ url: string; port: number }> {
  const { guards, clientCertificates } = await readAccess(settings, clock);
  let baseUrl = settings.publicUrl ?? '';
  const service = await openService(settings, roots, context, clock, () => baseUrl);
  warn(service, logger);
  const metrics = createMetrics('key-release');
  const tls = await readTls(settings, clientCertificates);
  const attempts = createAttempts({ auditLog: service.auditLog, guards, clock });
  context.onShutdown(() => attempts.flush());
  const ready = () => service.auditLog.size() > 0;
  const telling = { otlp: settings.otlp, logger };
  const tracing = await openServiceTracing('key-release', telling, context);
  const app = createHttpServer({ service: 'key-release', logger, metrics, tracing, ready, ...tls });
  const { owner, withoutKeys = false } = settings;
  addRoutes(app, { owner, withoutKeys, service, guards, attempts, logger, metrics });
  context.onShutdown(await startHousekeeping({ ...service, logger }));
  context.onShutdown(() => app.close());
  const address = await listen(app, settings.host, settings.port);
  baseUrl ||= named(address.url, settings.host);
  logger.info('listening', { url: baseUrl, port: address.port, party: settings.owner });
  return { url: baseUrl, port: address.port };
}

/** The server tells the address that it bound; clients know the name. */
function named(url: string, host: string): string {
  const shown = new URL(url);
  if (isIP(host) === 0) shown.hostname = host;
  return shown.origin;
}

/** Everything behind the routes. A log that does not verify stops the start. */
async function openService(
  settings: Settings,
  roots: RootSet,
  context: Context,
  clock: Clock,
  baseUrl: () => string,
): Promise<ReleaseService & KeyService & LeaseService & LedgerService> {
  const { owner } = settings;
  const authorities = parseAuthorities(await readTextFile(settings.authorities));
  const masterKey = await openMasterKey(settings);
  await makePrivateFolder(settings.data);
  const database = openDatabase(settings.data);
  context.onShutdown(() => database.close());
  const atRest = createAtRest(await openStoreKey(database, masterKey));
  const auditLog = createAuditLog(database, clock);
  const tree = auditLog.verify();
  const hostname = new URL(settings.publicUrl ?? `http://${settings.host}`).hostname;
  const shared = { database, owner, atRest, auditLog, clock };
  const identity = await openReleaseIdentity({ ...shared, hostname });
  const auditHeads = createAuditHeads({ ...shared, identity });
  await auditHeads.verify(tree);
  const jwks = createJwksSource({
    urls: jwksUrlsOf(authorities),
    clock,
    proxy: proxyFrom().HTTPS_PROXY,
  });
  const keys = {
    keyStore: createKeyStore(shared),
    deletedKeys: createDeletedKeys(shared),
    keyBackups: createKeyBackups(shared),
    rotationPolicies: createRotationPolicies(shared),
  };
  const versions = readVersions(auditLog.all());
  const contracts = createContractStore(database, auditLog, clock, versions);
  const leases = createLeaseStore(database, auditLog, clock, versions);
  const ledger = openLedger(auditLog, auditLog.all(), versions);
  const nonces = createNonces(clock);
  const raw = { ...(await openRevocation(settings, { roots, clock })), ...openKillList(settings) };
  const verifying = { authorities, jwks, contracts, roots, ...raw, clock };
  const logged = { auditLog, auditHeads, identity, groups: createGroupCommit(database) };
  return { ...verifying, ...logged, ...keys, leases, ledger, nonces, owner, baseUrl };
}

/** A list that cannot be read stops the start, as it stops every release. */
function openKillList({ killList }: Settings): { killList?: OwnKillList } {
  if (killList === undefined) return {};
  const own = createKillList(killList);
  own.now();
  return { killList: own };
}

function warn({ authorities }: ReleaseService, logger: Logger): void {
  for (const { issuer, platform } of authorities) {
    if (platform === 'simulated') logger.warn('simulated-authority', { url: issuer, platform });
  }
}

async function readTls(
  { tlsCert, tlsKey }: Settings,
  clientCertificates: { ca: string | undefined } | undefined,
) {
  if (tlsCert === undefined || tlsKey === undefined) return {};
  const own = { cert: await readTextFile(tlsCert), key: await readTextFile(tlsKey) };
  return { tls: { ...own, ...(clientCertificates ? { clientCertificates } : {}) } };
}
