import type { AppraisalPolicy } from '@strongroom/attestation/appraise';
import { openRevocation } from '@strongroom/attestation/platforms/revocation';
import type { RootSet } from '@strongroom/attestation/roots';
import { systemClock } from '@strongroom/runtime/clock';
import { readTextFile } from '@strongroom/runtime/files';
import { listen } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import type { ServiceContext } from '@strongroom/runtime/shutdown';
import { openServiceTracing } from '@strongroom/runtime/tracing';
import { type Admin, createAdmin, parseAdminTokens } from './admin.ts';
import { parseAppraisalPolicy } from './appraisal.ts';
import { createAttestationServer } from './http.ts';
import { type PolicyCertificate, readPolicyCertificates } from './policy-document.ts';
import { openPolicyStore } from './policy-store.ts';
import type { Settings } from './settings.ts';
import { openTokenSigner } from './signing-key.ts';

/** Starts the service; it answers when this resolves. */
export async function serve(
  settings: Settings,
  trust: { readonly roots: RootSet; readonly warning?: string },
  context: Pick<ServiceContext, 'onShutdown'>,
): Promise<{ url: string; port: number }> {
  const logger = createLogger('attestation', { level: settings.logLevel });
  const signer = await openTokenSigner(settings.data, systemClock);
  let issuer = settings.issuer ?? '';
  const telling = { otlp: settings.otlp, logger };
  const tracing = await openServiceTracing('attestation', telling, context);
  const app = createAttestationServer({
    ...trust,
    ...(await readTls(settings)),
    ...(await readPolicy(settings)),
    ...(await openRevocation(settings, { ...trust, clock: systemClock })),
    policies: await openPolicyStore(settings.data, await readCertificates(settings)),
    admin: await readAdmin(settings),
    signer,
    clock: systemClock,
    logger,
    metrics: createMetrics('attestation'),
    tracing,
    issuer: () => issuer,
  });
  context.onShutdown(() => app.close());
  const address = await listen(app, settings.host, settings.port);
  issuer ||= address.url;
  logger.info('listening', { ...address, platform: trust.roots.kind });
  return address;
}

async function readPolicy({ policy }: Settings): Promise<{ policy?: AppraisalPolicy }> {
  return policy === undefined ? {} : { policy: parseAppraisalPolicy(await readTextFile(policy)) };
}

async function readTls({ tls }: Settings): Promise<{ tls?: { cert: string; key: string } }> {
  if (tls === undefined) return {};
  return { tls: { cert: await readTextFile(tls.certFile), key: await readTextFile(tls.keyFile) } };
}

async function readCertificates({ policyCertificates }: Settings): Promise<PolicyCertificate[]> {
  if (policyCertificates === undefined) return [];
  return readPolicyCertificates(await readTextFile(policyCertificates));
}

async function readAdmin({ adminTokenFile }: Settings): Promise<Admin> {
  if (adminTokenFile === undefined) return createAdmin([]);
  return createAdmin(parseAdminTokens(await readTextFile(adminTokenFile)));
}
