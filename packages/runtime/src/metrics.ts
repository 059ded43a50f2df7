import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { describeMetric, type LabelOf, type NameOf } from './metric-names.ts';

/**
 * Prometheus metrics of one service, by their names in `METRICS`, with those of the process (CPU,
 * resident memory, event loop).
 */
export interface Metrics {
  readonly registry: Registry;
  counter<Name extends NameOf<'counter'>>(name: Name): Counter<LabelOf<Name>>;
  gauge<Name extends NameOf<'gauge'>>(name: Name): Gauge<LabelOf<Name>>;
  histogram<Name extends NameOf<'histogram'>>(name: Name): Histogram<LabelOf<Name>>;
  /** The text that `GET /metrics` answers with. */
  render(): Promise<string>;
}

/** From 1 ms to 10 s: of requests and of parts of a step. */
const SECONDS_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });

  const common = (name: Parameters<typeof describeMetric>[0]) => {
    const { help, labels } = describeMetric(name);
    return { name, help, labelNames: [...labels], registers: [registry] };
  };
  return {
    registry,
    counter: (name) => new Counter<string>(common(name)),
    gauge: (name) => new Gauge<string>(common(name)),
    histogram: (name) => new Histogram<string>({ ...common(name), buckets: SECONDS_BUCKETS }),
    render: () => registry.metrics(),
  };
}
