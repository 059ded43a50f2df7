import http from 'node:http';
import https from 'node:https';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { isCodedError, RuntimeError, systemCodeOf } from './coded-error.ts';
import { addJsonBodies } from './json-body.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { Call, Tracing } from './tracing.ts';

export interface HttpServerOptions {
  readonly service: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Whether the service can do its work now; a throw counts as no. */
  readonly ready: () => boolean | Promise<boolean>;
  /** What /healthz says besides that the process lives, such as a warning of a simulation. */
  readonly health?: Readonly<Record<string, string>>;
  /** PEM certificate chain and private key; without it the server speaks plain HTTP. */
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    /**
     * Asks clients for a certificate and takes whatever comes, none included: who may do what is
     * the routes' question. `ca` is what `socket.authorized` then means; without it, nothing.
     */
    readonly clientCertificates?: { readonly ca: string | undefined };
  };
  /** Absent: nobody wants to know. */
  readonly tracing?: Tracing | undefined;
  /** Bytes of a request body; default 256 KiB. */
  readonly bodyLimit?: number;
}

const BODY_BYTES_MAX = 256 * 1024;
/** The longest name in a path is that of a key in Azure Key Vault, 127 characters. */
const PATH_PART_CHARACTERS_MAX = 256;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
/** How often slow clients are looked for: the time above may be exceeded by this much. */
const SLOW_CLIENTS_MS = 2_000;

/**
 * An HTTP server as every service runs it: `/healthz` (the process lives), `/readyz` (it can
 * work), `/metrics`; JSON errors `{"error":{"code","message"}}` without stack traces or text of
 * unknown errors; headers that keep browsers from guessing, framing and caching. A route may set
 * its own value for any of these headers.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: options.bodyLimit ?? BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { maxParamLength: PATH_PART_CHARACTERS_MAX },
    // A URL that cannot be decoded meets no hook, and would be repeated in the answer.
    frameworkErrors: (_error, _request, reply) => {
      reply.headers(SECURITY_HEADERS);
      return answerError(reply, 400, 'ERR_REQUEST_INVALID', 'the URL cannot be decoded');
    },
    serverFactory: (handler) => createServer(handler, options.tls),
  });
  addJsonBodies(app);
  addSecurityHeaders(app, options.tls !== undefined);
  addObservation(app, options);
  if (options.tracing !== undefined) addTraces(app, options.tracing);
  addErrorAnswers(app, options.logger);
  addHealthRoutes(app, options);
  return app;
}

/** Begins to listen; `port` 0 picks a free one. Throws ERR_PORT_UNAVAILABLE. */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
): Promise<{ url: string; port: number }> {
  try {
    const bound = await app.listen({ host, port });
    // fastify does not see into a server that it was given.
    const url = app.server instanceof https.Server ? bound.replace(/^http:/, 'https:') : bound;
    return { url, port: Number(new URL(url).port) };
  } catch (error) {
    const reason = systemCodeOf(error);
    if (LISTEN_REFUSALS.includes(reason)) {
      throw new RuntimeError('ERR_PORT_UNAVAILABLE', { host, port, reason });
    }
    throw error;
  }
}

const LISTEN_REFUSALS = ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND'];

function createServer(handler: http.RequestListener, tls: HttpServerOptions['tls']): http.Server {
  const slow = { connectionsCheckingInterval: SLOW_CLIENTS_MS };
  const server =
    tls === undefined
      ? http.createServer(slow, handler)
      : https.createServer({ ...slow, ...tlsOptions(tls), minVersion: 'TLSv1.3' }, handler);
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return server;
}

function tlsOptions({ cert, key, clientCertificates }: NonNullable<HttpServerOptions['tls']>) {
  if (!clientCertificates) return { cert, key };
  // An empty list, unlike none, is no authority at all instead of all that the system knows.
  const ca = clientCertificates.ca ?? [];
  return { cert, key, ca, requestCert: true, rejectUnauthorized: false };
}

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
const ONE_YEAR_OF_TLS = 'max-age=31536000';

function addSecurityHeaders(app: FastifyInstance, tls: boolean): void {
  app.addHook('onSend', async (_request, reply) => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      if (!reply.hasHeader(name)) reply.header(name, value);
    }
    if (tls) reply.header('strict-transport-security', ONE_YEAR_OF_TLS);
  });
}

/** Only the route's pattern is recorded: a path may carry an id, a query a token. */
function addObservation(app: FastifyInstance, { logger, metrics }: HttpServerOptions): void {
  const seconds = metrics.histogram('strongroom_http_request_seconds');
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    const { method } = request;
    const status = reply.statusCode;
    seconds.observe({ method, route, status: String(status) }, reply.elapsedTime / 1000);
    logger.debug('http-answered', { method, route, status, milliseconds: reply.elapsedTime });
  });
}

/** Whoever asks says in which trace; it chooses nothing else. Probes and metrics are left out. */
function addTraces(app: FastifyInstance, tracing: Tracing): void {
  const calls = new WeakMap<FastifyRequest, Call>();
  app.addHook('onRequest', async (request) => {
    const route = request.routeOptions.url;
    if (route === undefined || WITHOUT_TRACES.has(route)) return;
    const { traceparent } = request.headers;
    const parent = typeof traceparent === 'string' ? traceparent : undefined;
    calls.set(
      request,
      tracing.beginCall({ side: 'server', method: request.method, route, parent }),
    );
  });
  app.addHook('onResponse', async (request, reply) => {
    calls.get(request)?.end({ status: reply.statusCode });
  });
}

const WITHOUT_TRACES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

function addErrorAnswers(app: FastifyInstance, logger: Logger): void {
  app.setNotFoundHandler((_request, reply) =>
    answerError(reply, 404, 'ERR_NOT_FOUND', 'no such route'),
  );
  app.setErrorHandler((error, _request, reply) => {
    if (isCodedError(error)) {
      logger.warn('request-refused', { code: error.code });
      return answerError(
        reply,
        STATUS_BY_EXIT_CODE[error.exitCode] ?? 500,
        error.code,
        error.message,
      );
    }
    const status = statusOf(error);
    // Below 500 it is fastify's own refusal of the request: its text holds nothing of ours.
    if (status < 500 && error instanceof Error) {
      return answerError(reply, status, 'ERR_REQUEST_INVALID', error.message);
    }
    logger.error('request-failed', { name: error instanceof Error ? error.name : 'unknown' });
    return answerError(reply, 500, 'ERR_INTERNAL', 'the request could not be answered');
  });
}

/** What can be tried again later is 503, bad input 400, a refusal 403, also for good. */
export const STATUS_BY_EXIT_CODE: Readonly<Record<number, number>> = {
  69: 503,
  65: 400,
  77: 403,
  79: 403,
};

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 ? status : 500;
}

function answerError(reply: FastifyReply, status: number, code: string, message: string) {
  return reply.code(status).send({ error: { code, message } });
}

function addHealthRoutes(app: FastifyInstance, options: HttpServerOptions): void {
  const { service, metrics } = options;
  app.get('/healthz', async () => ({ ...options.health, service, status: 'alive' }));
  app.get('/readyz', async (_request, reply) => {
    const ready = await isReady(options);
    return reply.code(ready ? 200 : 503).send({ service, status: ready ? 'ready' : 'not ready' });
  });
  app.get('/metrics', async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await metrics.render());
  });
}

async function isReady({ ready, logger }: HttpServerOptions): Promise<boolean> {
  try {
    return await ready();
  } catch {
    logger.warn('readiness-failed');
    return false;
  }
}
