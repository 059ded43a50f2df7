import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Context,
  type Span as LibrarySpan,
  type Link,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  type IdGenerator,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { systemClock } from './clock.ts';
import { type Logger, shortText } from './logger.ts';
import { proxyFrom } from './proxy.ts';
import {
  type CallStart,
  type Operation,
  SPAN_ATTRIBUTES,
  type Span,
  type SpanAttributes,
  type SpanStart,
  type Tracing,
  type TracingOptions,
} from './tracing.ts';

/** The one file that loads OpenTelemetry; `tracing.ts` loads it when it is wanted. */

/** A flood of records cannot make more wait: what is above is left out. */
const SPANS_WAITING_MAX = 2_048;
const SEND_EVERY_MS = 1_000;
const SEND_MS_MAX = 5_000;
/** At the end of a command a person waits. */
const CLOSE_MS_MAX = 3_000;
const LINKS_MAX = 32;

/** The messaging conventions: what the operation is called, what it is, and of which kind. */
const OPERATIONS: Readonly<Record<Operation, { type: string; kind: SpanKind }>> = {
  publish: { type: 'send', kind: SpanKind.PRODUCER },
  receive: { type: 'receive', kind: SpanKind.CONSUMER },
  step: { type: 'send', kind: SpanKind.PRODUCER },
  read: { type: 'process', kind: SpanKind.CONSUMER },
};

export function startTracing(options: TracingOptions): Tracing {
  const { service, environment } = options;
  const name = environment['OTEL_SERVICE_NAME'] ?? `strongroom-${service}`;
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': name, 'service.namespace': 'strongroom' }),
    // By the number of the trace, so that all parties keep the same ones; what a stranger's hint
    // says of its own sampling decides nothing.
    sampler: new TraceIdRatioBasedSampler(ratioOf(environment)),
    idGenerator: RANDOM_IDS,
    spanLimits: { linkCountLimit: LINKS_MAX },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: createExporter(options),
        maxQueueSize: SPANS_WAITING_MAX,
        scheduledDelayMillis: SEND_EVERY_MS,
        exportTimeoutMillis: SEND_MS_MAX,
      }),
    ],
  });
  const tracer = provider.getTracer('strongroom');
  return {
    begin(start) {
      const { operation, destination, parent } = start;
      const span = tracer.startSpan(
        `${operation} ${shortText(destination)}`,
        {
          kind: OPERATIONS[operation].kind,
          attributes: { ...conventional(start), ...allowedAttributes(start.attributes ?? {}) },
          links: (start.links ?? []).slice(0, LINKS_MAX).flatMap(linkTo),
        },
        contextOf(parent),
      );
      return spanOf(span.spanContext(), (code) => {
        if (code !== undefined) fail(span, code);
        span.end();
      });
    },
    beginCall(start) {
      const span = beginCall(tracer, start);
      return {
        traceparent: spanOf(span.spanContext(), () => undefined).traceparent,
        end(outcome) {
          if ('code' in outcome) fail(span, outcome.code);
          else setStatusOf(span, outcome.status, start.side);
          span.end();
        },
      };
    },
    async close() {
      const closed = new AbortController();
      const patience = delay(CLOSE_MS_MAX, undefined, { signal: closed.signal });
      patience.catch(() => undefined);
      await Promise.race([provider.shutdown().catch(() => undefined), patience]);
      closed.abort();
    },
  };
}

/** The HTTP conventions: the method alone, since a path may name anything. */
function beginCall(tracer: Tracer, start: CallStart): LibrarySpan {
  const method = METHODS.has(start.method) ? start.method : '_OTHER';
  const common = { 'http.request.method': method };
  if (start.side === 'server') {
    const attributes = allowedAttributes({ ...common, 'http.route': start.route });
    const name = `${method} ${shortText(start.route)}`;
    return tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, contextOf(start.parent));
  }
  const { hostname, port, protocol } = start.url;
  const attributes = allowedAttributes({
    ...common,
    'server.address': hostname,
    'server.port': Number(port || DEFAULT_PORTS[protocol]),
  });
  return tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes }, ROOT_CONTEXT);
}

const METHODS: ReadonlySet<string> = new Set('GET HEAD POST PUT DELETE OPTIONS PATCH'.split(' '));
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Whoever asks failed with 4xx; whoever answers did what it should, up to 5xx. */
function setStatusOf(span: LibrarySpan, status: number, side: CallStart['side']): void {
  span.setAttributes(allowedAttributes({ 'http.response.status_code': status }));
  if (status >= (side === 'client' ? 400 : 500)) fail(span, String(status));
}

function fail(span: LibrarySpan, type: string): void {
  span.setAttributes(allowedAttributes({ 'error.type': type }));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

function spanOf(context: SpanContext, end: Span['end']): Span {
  const { traceId, spanId, traceFlags } = context;
  const flags = (traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0');
  return {
    traceparent: `00-${traceId}-${spanId}-${flags}`,
    ids: { trace_id: traceId, span_id: spanId },
    end,
  };
}

function conventional({ operation, destination }: SpanStart) {
  return {
    'messaging.system': 'kafka',
    'messaging.operation.name': operation,
    'messaging.operation.type': OPERATIONS[operation].type,
    'messaging.destination.name': shortText(destination),
  };
}

/** Types end at run time: attributes are filtered again here, as the fields of log lines are. */
function allowedAttributes(attributes: SpanAttributes): Record<string, string | number> {
  const allowed: Record<string, string | number> = {};
  for (const [name, kind] of Object.entries(SPAN_ATTRIBUTES)) {
    const value: unknown = Object.entries(attributes).find(([given]) => given === name)?.[1];
    if (kind === 'number' && typeof value === 'number') allowed[name] = value;
    if (kind === 'text' && typeof value === 'string') allowed[name] = shortText(value);
  }
  return allowed;
}

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

function contextOf(parent: string | undefined): Context {
  const context = remoteContext(parent);
  return context === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, context);
}

function linkTo(traceparent: string): Link[] {
  const context = remoteContext(traceparent);
  return context === undefined ? [] : [{ context }];
}

function remoteContext(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags = '0'] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return { traceId, spanId, traceFlags, isRemote: true };
}

/** OTEL_TRACES_SAMPLER=traceidratio and OTEL_TRACES_SAMPLER_ARG; else all. */
function ratioOf(environment: TracingOptions['environment']): number {
  if (!environment['OTEL_TRACES_SAMPLER']?.endsWith('traceidratio')) return 1;
  const ratio = Number(environment['OTEL_TRACES_SAMPLER_ARG'] ?? 1);
  return ratio >= 0 && ratio <= 1 ? ratio : 1;
}

/** The library's own numbers are drawn from what predicts others of this process. */
const RANDOM_IDS: IdGenerator = {
  generateTraceId: () => randomBytes(16).toString('hex'),
  generateSpanId: () => randomBytes(8).toString('hex'),
};

const COMPLAIN_EVERY_MS = 60_000;

/** A collector that does not answer costs nobody anything but its own spans. */
function createExporter({ otlp, logger }: TracingOptions): SpanExporter {
  const url = otlp === undefined ? {} : { url: tracesAddress(otlp) };
  // Its own agent would know of no proxy.
  const httpAgentOptions = { keepAlive: true, proxyEnv: proxyFrom() };
  const exporter = new OTLPTraceExporter({ ...url, httpAgentOptions });
  const complain = complainer(logger);
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error !== undefined) complain(spans.length);
        done(result);
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}

function complainer(logger: Logger): (count: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (count) => {
    const now = systemClock.monotonic();
    if (now - last < COMPLAIN_EVERY_MS) return;
    last = now;
    logger.warn('spans-not-sent', { count });
  };
}

/** As the exporter does it with OTEL_EXPORTER_OTLP_ENDPOINT. */
function tracesAddress(otlp: string): string {
  return `${otlp.replace(/\/$/, '')}/v1/traces`;
}
