import { createHttpServer, type HttpServerOptions } from '@strongroom/runtime/http';
import type { PageAssets } from './page-assets.ts';

export type PageServer = ReturnType<typeof createHttpServer>;

/** How a page is served, whatever it asks for beside its files. */
export interface PageServing extends Pick<HttpServerOptions, 'logger' | 'metrics' | 'tls'> {
  readonly assets: PageAssets;
  /** Host names under which the page may be asked for, beside those of this machine. */
  readonly hostNames: readonly string[];
  /** Once it is aborted the page is not ready any more. */
  readonly signal: AbortSignal;
}

/**
 * Hands a page out: its files, its policy for the browser, and no answer to what was asked under a
 * name that is not ours or by another site.
 * @param service as logs and metrics call it
 */
export function servePage(service: string, options: PageServing): PageServer {
  const { assets, hostNames, logger, metrics, signal, tls } = options;
  const app = createHttpServer({
    ...{ service, logger, metrics },
    ready: () => !signal.aborted,
    ...(tls === undefined ? {} : { tls }),
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(PAGE_HEADERS);
    const refusal = refusalOf(request.headers, hostNames);
    if (refusal === undefined) return undefined;
    const error = { code: 'ERR_REQUEST_INVALID', message: refusal };
    return reply.code(MISDIRECTED).send({ error });
  });
  for (const [path, { type, bytes }] of assets) {
    app.get(path, async (_request, reply) => reply.type(type).send(bytes));
  }
  return app;
}

/** RFC 9110 §15.5.20. */
const MISDIRECTED = 421;

/** No source but this server, no inline script or style, no text that becomes markup. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const PAGE_HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/**
 * A name that another site has pointed at this machine (DNS rebinding) arrives in `host`; a request
 * that another site makes, in `sec-fetch-site` (W3C Fetch Metadata).
 */
function refusalOf(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  hostNames: readonly string[],
): string | undefined {
  const host = /^(\[[^\]]+\]|[^:]+)(:[0-9]+)?$/.exec(String(headers['host'] ?? ''))?.[1];
  const known = [...THIS_MACHINE, ...hostNames];
  if (host === undefined || !known.includes(host.toLowerCase())) return 'another host is asked for';
  const site = headers['sec-fetch-site'] ?? 'none';
  const isNavigation = headers['sec-fetch-mode'] === 'navigate';
  const isOwn = site === 'same-origin' || site === 'none' || isNavigation;
  return isOwn ? undefined : 'another site asks';
}

const THIS_MACHINE = ['localhost', '127.0.0.1', '[::1]'];
