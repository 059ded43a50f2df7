import { expect, it } from 'vitest';
import { createMetrics } from './metrics.ts';

it('renders own metrics with service and labels, and those of the process', async () => {
  const metrics = createMetrics('worker');
  metrics.counter('strongroom_batches_total', 'Batches.', ['code']).inc({ code: 'ok' }, 3);
  metrics.histogram('strongroom_open_seconds', 'Opening.', [], [0.1, 1]).observe(0.5);
  const text = await metrics.render();
  expect(text).toContain('strongroom_batches_total{code="ok",service="worker"} 3');
  expect(text).toContain('strongroom_open_seconds_bucket{le="1",service="worker"} 1');
  expect(text).toContain('process_resident_memory_bytes');
});

it('refuses a name outside the convention', () => {
  expect(() => createMetrics('worker').gauge('Rows', 'Rows.')).toThrow('metric name');
});
