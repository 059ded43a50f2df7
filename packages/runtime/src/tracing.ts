import process from 'node:process';
import type { Logger } from './logger.ts';
import type { ServiceContext } from './shutdown.ts';

/**
 * Traces: who published what when, when it was read, when the step left that it completed, and who
 * opened the result. Nothing of the library that sends them is loaded unless somebody says where
 * to. A span has an operation, a topic, and attributes of a closed list; no text of an error.
 */

/** What is traced; each stands before the name of a topic. */
export type Operation = 'publish' | 'receive' | 'step' | 'read';

/**
 * Every attribute that a span may have besides those that follow from its operation, by the
 * messaging and HTTP conventions of OpenTelemetry where they have one. No path and no query: they
 * hold names of keys and contracts. docs/observability.md says what each
 * means; a test compares.
 */
export const SPAN_ATTRIBUTES = {
  'error.type': 'text',
  'http.request.method': 'text',
  'http.response.status_code': 'number',
  'http.route': 'text',
  'messaging.batch.message_count': 'number',
  'messaging.destination.partition.id': 'text',
  'messaging.kafka.offset': 'number',
  'messaging.message.id': 'text',
  'server.address': 'text',
  'server.port': 'number',
  'strongroom.dataset': 'text',
  'strongroom.epoch': 'number',
} as const satisfies Readonly<Record<string, 'text' | 'number'>>;

export type SpanAttributes = {
  readonly [Name in keyof typeof SPAN_ATTRIBUTES]?:
    | ((typeof SPAN_ATTRIBUTES)[Name] extends 'number' ? number : string)
    | undefined;
};

export interface SpanStart {
  readonly operation: Operation;
  /** A topic. */
  readonly destination: string;
  /** `traceparent` of what this follows; without one, or with an odd one, a trace begins. */
  readonly parent?: string | undefined;
  /** `traceparent` of what it has to do with besides. */
  readonly links?: readonly string[];
  readonly attributes?: SpanAttributes;
}

export interface Span {
  /** Of this span, always 55 characters: goes onto the log beside a record. */
  readonly traceparent: string;
  /** For log lines. */
  readonly ids: { readonly trace_id: string; readonly span_id: string };
  /** @param code what it failed with */
  end(code?: string): void;
}

/** A request over HTTP, of whoever sends it or of whoever answers. */
export type CallStart =
  | { readonly side: 'client'; readonly method: string; readonly url: URL }
  | {
      readonly side: 'server';
      readonly method: string;
      /** The pattern of a route. */
      readonly route: string;
      /** The header `traceparent` as it came. */
      readonly parent: string | undefined;
    };

export interface Call extends Pick<Span, 'traceparent'> {
  /** @param outcome the answer's status; without an answer a code */
  end(outcome: { readonly status: number } | { readonly code: string }): void;
}

export interface Tracing {
  begin(start: SpanStart): Span;
  beginCall(start: CallStart): Call;
  /** Sends what waits, for no longer than a moment. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** As in the label of metrics; OTEL_SERVICE_NAME stands above it. */
  readonly service: string;
  /** Address of a collector that takes OTLP over HTTP. */
  readonly otlp: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
}

/** @returns undefined where nobody says where spans go to: then nothing is loaded */
export async function openTracing(options: TracingOptions): Promise<Tracing | undefined> {
  const { otlp, environment } = options;
  const asked = [otlp, ...ADDRESSES.map((name) => environment[name])];
  const isAsked = asked.some((address) => address !== undefined && address !== '');
  if (!isAsked || environment['OTEL_SDK_DISABLED'] === 'true') return undefined;
  const { startTracing } = await import('./tracing-sdk.ts');
  return startTracing(options);
}

/**
 * Of a service that lives until it is told to end: what was not sent by then is sent then.
 * @returns undefined as `openTracing` does
 */
export async function openServiceTracing(
  service: string,
  { otlp, logger }: Pick<TracingOptions, 'otlp' | 'logger'>,
  { onShutdown }: Pick<ServiceContext, 'onShutdown'>,
): Promise<Tracing | undefined> {
  const tracing = await openTracing({ service, otlp, environment: process.env, logger });
  if (tracing !== undefined) onShutdown(() => tracing.close());
  return tracing;
}

/** OpenTelemetry's own names; the exporter reads them, and those of headers and certificates. */
const ADDRESSES = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const;
