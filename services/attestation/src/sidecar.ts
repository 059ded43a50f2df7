import { reportDataOf } from '@strongroom/attestation/binding';
import type { Platform } from '@strongroom/attestation/platforms/platform';
import { parseReport } from '@strongroom/attestation/report';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { RUNTIME_CLAIMS_BYTES_MAX, TOKEN_BYTES_MAX } from '@strongroom/protocol/limits';
import { createHttpServer } from '@strongroom/runtime/http';
import type { Logger } from '@strongroom/runtime/logger';
import type { Metrics } from '@strongroom/runtime/metrics';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ReleaseDemand } from './sidecar-release.ts';

/**
 * The routes of Azure's key release sidecar in front of a platform of ours, so that what is written
 * for Azure's confidential containers can be tried where there is none. A released key is handed to
 * the caller and kept nowhere.
 */
export interface SidecarOptions {
  readonly platform: Platform;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** While it says no, `/status` says so the way the original does: with status 200. */
  readonly ready: () => boolean;
  /** Asks the attestation service that a caller names for a token. */
  readonly requestToken: (authority: string, evidence: SidecarEvidence) => Promise<string>;
  /** Gets a key of a vault with a token, which `attest` makes from runtime data. */
  readonly releaseKey: (
    demand: ReleaseDemand,
    attest: (runtimeData: Uint8Array) => Promise<string>,
  ) => Promise<string>;
  readonly warning: string;
}

export interface SidecarEvidence {
  readonly report: Uint8Array;
  readonly certificateChain: string;
  readonly runtimeData: Uint8Array;
}

/** Standard base64 with padding, one spelling. */
const runtimeData = z.string().transform((text, context) => {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') === text && bytes.length <= RUNTIME_CLAIMS_BYTES_MAX) {
    return new Uint8Array(bytes);
  }
  context.addIssue({ code: 'custom', message: 'base64 was expected' });
  return z.NEVER;
});
const DataSchema = z.looseObject({ runtime_data: runtimeData });
/** A host, perhaps with a port, without a scheme. */
const endpoint = z.string().regex(/^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$/);
const MaaSchema = z.looseObject({ runtime_data: runtimeData, maa_endpoint: endpoint });
const ReleaseSchema = z.looseObject({
  maa_endpoint: endpoint,
  akv_endpoint: endpoint,
  kid: z.string().regex(/^[A-Za-z0-9-]{1,127}$/),
  /** The original may do without, by the managed identity of its container group. */
  access_token: z.string().min(1).max(TOKEN_BYTES_MAX),
});

export function createSidecarServer(options: SidecarOptions): FastifyInstance {
  const app = createHttpServer({
    service: 'sidecar',
    logger: options.logger,
    metrics: options.metrics,
    ready: options.ready,
    health: { warning: options.warning },
  });
  app.register((routes, _options, done) => {
    addRoutes(routes, options);
    done();
  });
  return app;
}

function addRoutes(app: FastifyInstance, options: SidecarOptions): void {
  app.setErrorHandler((error, _request, reply) => {
    const code = codeOf(error);
    if (code === undefined) throw error;
    options.logger.warn('request-refused', { code });
    const message = error instanceof Error ? error.message : code;
    return reply.code(code === 'ERR_REQUEST_INVALID' ? 400 : 403).send({ error: message });
  });
  app.get('/status', async () => ({ message: options.ready() ? 'Status OK' : 'Status NOT OK' }));
  app.post('/attest/raw', async (request) => {
    const { report } = await evidenceFor(request.body, options);
    return { report: Buffer.from(report).toString('hex') };
  });
  app.post('/attest/combined', async (request) => {
    const { report, certificateChain } = await evidenceFor(request.body, options);
    const endorsedTcb = Buffer.from(parseReport(report).reportedTcb).reverse();
    return {
      endorsed_tcb: endorsedTcb.toString('hex'),
      endorsements: Buffer.from(certificateChain).toString('base64'),
      evidence: Buffer.from(report).toString('base64'),
      // Nobody endorses a simulated utility VM.
      uvm_endorsements: '',
    };
  });
  app.post('/attest/maa', async (request) => {
    const { maa_endpoint: authority } = parsed(MaaSchema, request.body);
    return {
      token: await options.requestToken(authority, await evidenceFor(request.body, options)),
    };
  });
  app.post('/key/release', async (request) => {
    const { maa_endpoint, akv_endpoint, kid, access_token } = parsed(ReleaseSchema, request.body);
    const demand = { vault: akv_endpoint, keyId: kid, accessToken: access_token };
    const attest = async (bytes: Uint8Array) =>
      options.requestToken(maa_endpoint, await evidenceOver(bytes, options));
    return { key: await options.releaseKey(demand, attest) };
  });
}

async function evidenceFor(body: unknown, options: SidecarOptions) {
  if (!options.ready()) throw notReady();
  return evidenceOver(parsed(DataSchema, body).runtime_data, options);
}

async function evidenceOver(bytes: Uint8Array, { platform, ready }: SidecarOptions) {
  if (!ready()) throw notReady();
  const { report, certificateChain } = await platform.quote(reportDataOf(bytes), bytes);
  return { report, certificateChain, runtimeData: bytes };
}

function notReady(): StrongroomError {
  return new StrongroomError('ERR_PLATFORM_UNAVAILABLE', { check: 'not-ready' });
}

function parsed<S extends z.ZodType>(shape: S, body: unknown): z.infer<S> {
  const result = shape.safeParse(body);
  if (result.success) return result.data;
  const place = result.error.issues[0]?.path.join('.') || 'body';
  throw new StrongroomError('ERR_REQUEST_INVALID', { place });
}
