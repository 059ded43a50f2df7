import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

/** A span as OTLP's JSON has it, its attributes as an object. */
export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly failed: boolean;
}

export interface TraceCollector {
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** All bodies as they came. */
  readonly bodies: readonly string[];
  /** The first span that fits; waits for it. */
  find(fits: (span: CollectedSpan) => boolean): Promise<CollectedSpan>;
  close(): Promise<void>;
}

const PATIENCE_MS = 20_000;

/** Takes spans as a collector does: OTLP over HTTP, in JSON. */
export async function startTraceCollector(): Promise<TraceCollector> {
  const spans: CollectedSpan[] = [];
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    bodies.push(body);
    const isTraces = request.url === '/v1/traces' && request.method === 'POST';
    if (isTraces) spans.push(...spansOf(JSON.parse(body)));
    response.writeHead(isTraces ? 200 : 404, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    bodies,
    async find(fits) {
      for (let waited = 0; waited < PATIENCE_MS; waited += 50) {
        const found = spans.find(fits);
        if (found !== undefined) return found;
        await delay(50);
      }
      assert.fail(`no such span among ${spans.map(({ name }) => name).join(', ')}`);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Value {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
}
type Attributes = readonly { readonly key: string; readonly value: Value }[];
interface OtlpSpan extends Omit<CollectedSpan, 'service' | 'attributes' | 'failed'> {
  readonly attributes?: Attributes;
  readonly status?: { readonly code?: number };
}
interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Attributes };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

const STATUS_ERROR = 2;

function spansOf(request: OtlpRequest): CollectedSpan[] {
  return request.resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ name, kind, traceId, spanId, parentSpanId, attributes, links, status }) => ({
        service: String(objectOf(resource.attributes)['service.name']),
        ...{ name, kind, traceId, spanId, parentSpanId },
        attributes: objectOf(attributes ?? []),
        links: links ?? [],
        failed: status?.code === STATUS_ERROR,
      })),
    ),
  );
}

function objectOf(attributes: Attributes): Record<string, string | number> {
  const entries = attributes.map(({ key, value }) => {
    const { stringValue, intValue, doubleValue } = value;
    return [key, stringValue ?? (intValue === undefined ? doubleValue : Number(intValue)) ?? ''];
  });
  return Object.fromEntries(entries);
}
