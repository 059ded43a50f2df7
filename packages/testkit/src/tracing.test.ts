import { createServer } from 'node:net';
import { createLogger } from '@strongroom/runtime/logger';
import {
  openTracing,
  type SpanAttributes,
  type SpanStart,
  type Tracing,
} from '@strongroom/runtime/tracing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTraceCollector, type TraceCollector } from './trace-collector.ts';

const logger = createLogger('test', { level: 'silent' });
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

let collector: TraceCollector;
beforeAll(async () => {
  collector = await startTraceCollector();
});
afterAll(() => collector.close());

async function open(environment: Record<string, string> = {}): Promise<Tracing> {
  const options = { service: 'test', otlp: collector.url, environment, logger };
  return (await openTracing(options)) ?? expect.fail('tracing');
}

/** What the collector got of one span. */
async function sent(start: Partial<SpanStart>, environment?: Record<string, string>) {
  const tracing = await open(environment);
  const span = tracing.begin({ operation: 'receive', destination: 'topic', ...start });
  span.end();
  await tracing.close();
  return { span, got: collector.spans.find(({ spanId }) => spanId === span.ids.span_id) };
}

describe('tracing', () => {
  it('is off, and loads nothing, unless somebody says where to', async () => {
    const off = { service: 'test', otlp: undefined, logger };
    expect(await openTracing({ ...off, environment: {} })).toBeUndefined();
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_SDK_DISABLED: 'true' };
    expect(await openTracing({ ...off, environment })).toBeUndefined();
    expect(await openTracing({ ...off, environment: { OTEL_SERVICE_NAME: 'x' } })).toBeUndefined();
  });

  it('sends a span with the conventions of messaging, and goes on with its trace', async () => {
    const attributes = { 'messaging.batch.message_count': 3, 'strongroom.dataset': 'visits' };
    const { span, got } = await sent({ parent: PARENT, links: [PARENT, 'odd'], attributes });
    expect(span.traceparent).toBe(`00-${TRACE_ID}-${span.ids.span_id}-01`);
    expect(got).toEqual({
      ...{ service: 'strongroom-test', name: 'receive topic', kind: 5, failed: false },
      ...{ traceId: TRACE_ID, spanId: span.ids.span_id, parentSpanId: '00f067aa0ba902b7' },
      attributes: {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'receive',
        'messaging.operation.type': 'receive',
        'messaging.destination.name': 'topic',
        ...attributes,
      },
      links: [expect.objectContaining({ traceId: TRACE_ID, spanId: '00f067aa0ba902b7' })],
    });
  });

  it.each([
    [undefined],
    [''],
    [`${PARENT}x`],
    [PARENT.replace(/^00/, 'cc')],
    [`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
  ])('begins a trace of its own behind %s', async (parent) => {
    const { span, got } = await sent({ parent });
    expect(got?.parentSpanId).toBeUndefined();
    expect(span.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(span.ids.trace_id).not.toBe(TRACE_ID);
  });

  it('lets no hint decide what is kept', async () => {
    const unsampled = await sent({ parent: PARENT.replace(/01$/, '00') });
    expect(unsampled.got?.traceId).toBe(TRACE_ID);
    const ratio = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' };
    const none = await sent({ parent: PARENT }, ratio);
    expect(none.got).toBeUndefined();
    expect(none.span.traceparent).toBe(`00-${TRACE_ID}-${none.span.ids.span_id}-00`);
    const wrong = await sent({}, { ...ratio, OTEL_TRACES_SAMPLER_ARG: 'all of them' });
    expect(wrong.got).toBeDefined();
  });

  it('has no place for what is not on the list', async () => {
    const smuggled: unknown = {
      row: 'Alice',
      'strongroom.dataset': { name: 'Alice' },
      'messaging.message.id': `Alice${'x'.repeat(300)}`,
      'error.type': 'Alice\nBob',
      'messaging.kafka.offset': 'Alice',
    };
    const destination = `Alice${'x'.repeat(300)}`;
    const { got } = await sent({ attributes: smuggled as SpanAttributes });
    expect(got?.attributes['messaging.message.id']).toBe('[305 characters]');
    const tracing = await open();
    tracing.begin({ operation: 'read', destination }).end('ERR_X');
    await tracing.close();
    expect(collector.bodies.join('')).not.toMatch(/Alice|Bob/);
  });

  it.each([
    ['client', 200, undefined],
    ['client', 403, '403'],
    ['server', 200, undefined],
    ['server', 403, undefined],
    ['server', 503, '503'],
  ] as const)(
    'sends a call of a %s answered with %i, without its path',
    async (side, status, why) => {
      const tracing = await open();
      const method = 'POST';
      const call = tracing.beginCall(
        side === 'client'
          ? { side, method, url: new URL('https://keys.example/keys/Alice?token=Bob') }
          : { side, method, route: '/keys/:name/release', parent: PARENT },
      );
      call.end({ status });
      await tracing.close();
      const got = collector.spans.find(({ spanId }) => call.traceparent.includes(spanId));
      const server = {
        ...{ name: 'POST /keys/:name/release', kind: 2, parentSpanId: '00f067aa0ba902b7' },
        attributes: { 'http.route': '/keys/:name/release' },
      };
      const client = {
        ...{ name: 'POST', kind: 3, parentSpanId: undefined },
        attributes: { 'server.address': 'keys.example', 'server.port': 443 },
      };
      const { attributes, ...facts } = side === 'client' ? client : server;
      expect(got).toMatchObject({ ...facts, failed: why !== undefined });
      expect(got?.attributes).toEqual({
        ...attributes,
        'http.request.method': 'POST',
        'http.response.status_code': status,
        ...(why === undefined ? {} : { 'error.type': why }),
      });
      expect(collector.bodies.join('')).not.toMatch(/Alice|Bob/);
    },
  );

  it('tells of a call without an answer its code, and of an odd method nothing', async () => {
    const tracing = await open();
    const url = new URL('http://127.0.0.1:9/');
    const call = tracing.beginCall({ side: 'client', method: 'ALICE', url });
    call.end({ code: 'ERR_SERVICE_UNREACHABLE' });
    await tracing.close();
    const got = collector.spans.find(({ spanId }) => call.traceparent.includes(spanId));
    expect(got).toMatchObject({
      ...{ name: '_OTHER', failed: true },
      attributes: { 'error.type': 'ERR_SERVICE_UNREACHABLE', 'server.port': 9 },
    });
  });

  it('tells of a failure its code alone', async () => {
    const tracing = await open();
    const span = tracing.begin({ operation: 'step', destination: 'topic' });
    span.end('ERR_LOG_FAILED');
    await tracing.close();
    const got = collector.spans.find(({ spanId }) => spanId === span.ids.span_id);
    expect(got).toMatchObject({ failed: true, attributes: { 'error.type': 'ERR_LOG_FAILED' } });
  });

  it('costs a moment, one line and nothing else where the collector is silent', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const otlp = `http://127.0.0.1:${port}`;
    const warn = vi.fn();
    const options = { service: 'test', otlp, environment: {}, logger: { ...logger, warn } };
    const tracing = (await openTracing(options)) ?? expect.fail('tracing');
    for (let spans = 0; spans < 5_000; spans += 1) {
      tracing.begin({ operation: 'receive', destination: 'topic' }).end();
    }
    const begun = performance.now();
    await tracing.close();
    expect(performance.now() - begun).toBeLessThan(4_500);
    expect(warn.mock.calls.length).toBeLessThanOrEqual(1);
    silent.close();
  });
});
