import type { CollectedSpan, TraceCollector } from '@strongroom/testkit/trace-collector';
import { expect } from 'vitest';

const CONVENTIONS = [
  'messaging.system',
  'messaging.operation.name',
  'messaging.operation.type',
  'messaging.destination.name',
];

const isCall = ({ attributes }: CollectedSpan) => 'http.request.method' in attributes;
const isNoCall = (span: CollectedSpan) => !isCall(span);

/** One batch from its owner to a reader: publish, receive, step, read, each the child of the last. */
export async function expectOneTrace(collector: TraceCollector): Promise<void> {
  const parentOf = (span: CollectedSpan | undefined) =>
    collector.spans.find(
      ({ spanId, traceId }) => spanId === span?.parentSpanId && traceId === span.traceId,
    );
  const chainOf = (span: CollectedSpan | undefined): CollectedSpan[] =>
    span === undefined ? [] : [...chainOf(parentOf(span)), span];
  const read = await collector.find((span) => span.name.startsWith('read ') && isWhole(span));
  function isWhole(span: CollectedSpan): boolean {
    return chainOf(span).length === 4;
  }
  const chain = chainOf(read);
  expect(chain.map(({ service, name }) => [service, name.split(' ')[0]])).toEqual([
    ['strongroom-producer', 'publish'],
    ['strongroom-worker', 'receive'],
    ['strongroom-worker', 'step'],
    ['strongroom-analyst', 'read'],
  ]);
  expect(new Set(chain.map(({ traceId }) => traceId)).size).toBe(1);
  const [calls, others] = [collector.spans.filter(isCall), collector.spans.filter(isNoCall)];
  for (const { attributes } of others) {
    expect(Object.keys(attributes)).toEqual(expect.arrayContaining(CONVENTIONS));
  }
  // A token, and keys of two owners.
  expect(calls.length).toBeGreaterThanOrEqual(3);
  for (const { service, attributes } of calls) {
    expect(service).toBe('strongroom-worker');
    expect(attributes).toMatchObject({ 'http.response.status_code': 200 });
  }
  expect(collector.spans.filter(({ failed }) => failed)).toEqual([]);
  const received = collector.spans.filter(({ name }) => name.startsWith('receive '));
  const published = collector.spans.filter(({ name }) => name.startsWith('publish '));
  const parents = received.map(({ parentSpanId }) => parentSpanId);
  // Each sending of each owner was received in its own trace.
  expect(published.filter(({ spanId }) => !parents.includes(spanId))).toEqual([]);
}
