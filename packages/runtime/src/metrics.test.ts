import { describe, expect, it } from 'vitest';
import { describeMetric, LABELS, metricNames } from './metric-names.ts';
import { createMetrics } from './metrics.ts';

it('renders own metrics with service and labels, and those of the process', async () => {
  const metrics = createMetrics('worker');
  metrics.counter('strongroom_worker_refusals_total').inc({ code: 'ERR_USAGE' }, 3);
  metrics.histogram('strongroom_worker_step_seconds').observe({ part: 'lease' }, 0.5);
  const text = await metrics.render();
  expect(text).toContain('strongroom_worker_refusals_total{code="ERR_USAGE",service="worker"} 3');
  expect(text).toMatch(/strongroom_worker_step_seconds_bucket\{le="0.5",.*\} 1/);
  expect(text).toContain('process_resident_memory_bytes');
});

it('measures nothing under a label that is not declared', () => {
  const counter = createMetrics('worker').counter('strongroom_worker_windows_total');
  const labels: unknown = { row: 'Alice' };
  expect(() => counter.inc(labels as Record<never, string>)).toThrow('row');
});

const UNITS = /_(seconds|bytes|records|rows|batches|total)$/;
/** Numbers of things that have no unit. */
const COUNTS_OF_THINGS = [
  'strongroom_worker_epoch',
  'strongroom_worker_sequences',
  'strongroom_worker_input_stalled',
  'strongroom_worker_query_waiting',
  'strongroom_analyst_pages',
];

describe('the naming of metrics', () => {
  it.each(metricNames())('%s', (name) => {
    const { kind, of, help, labels } = describeMetric(name);
    const service = of === 'every service' ? 'http' : of.replaceAll('-', '_');
    expect(name.startsWith(`strongroom_${service}_`)).toBe(true);
    expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(name.endsWith('_total')).toBe(kind === 'counter');
    expect(UNITS.test(name) || COUNTS_OF_THINGS.includes(name)).toBe(true);
    expect(kind === 'histogram').toBe(/_(request|step)_seconds$/.test(name));
    expect(help).toMatch(/^[A-Z1].*\.$/);
    expect(labels.every((label) => Object.hasOwn(LABELS, label))).toBe(true);
  });
});
