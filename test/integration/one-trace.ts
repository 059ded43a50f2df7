import type { CollectedSpan, TraceCollector } from '@strongroom/testkit/trace-collector';
import { expect } from 'vitest';

const CONVENTIONS = [
  'messaging.system',
  'messaging.operation.name',
  'messaging.operation.type',
  'messaging.destination.name',
];

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
  for (const { attributes, failed } of collector.spans) {
    expect(Object.keys(attributes)).toEqual(expect.arrayContaining(CONVENTIONS));
    expect(failed).toBe(false);
  }
  const received = collector.spans.filter(({ name }) => name.startsWith('receive '));
  const published = collector.spans.filter(({ name }) => name.startsWith('publish '));
  const parents = received.map(({ parentSpanId }) => parentSpanId);
  // Each sending of each owner was received in its own trace.
  expect(published.filter(({ spanId }) => !parents.includes(spanId))).toEqual([]);
}
